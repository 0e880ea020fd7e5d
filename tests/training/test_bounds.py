import pytest
import torch

from musevae.training import bounds
from musevae.training.bounds import active_units, iwae
from musevae.vaes import ImageVAE, MusicVAE
from tests.conftest import random_windows
from tests.training.image_data import TINY


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)).round()


@pytest.fixture
def image_vae() -> ImageVAE:
    torch.manual_seed(0)
    return ImageVAE(TINY).eval()


def seed(number: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def test_bound_is_above_the_elbo_and_rises_with_the_draws(image_vae: ImageVAE, images: torch.Tensor) -> None:
    with torch.inference_mode():
        elbo = -image_vae(images, generator=seed(), samples=100).reconstruction.mean() - image_vae(images).kl.mean()
        few, many = (iwae(image_vae, (images,), draws, seed()).mean() for draws in (5, 500))
    assert elbo < few < many


def test_bound_of_several_passes_has_the_weights_of_all(
    image_vae: ImageVAE, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """48 draws of one image at a time in passes of 16, whose 3 x 16 numbers torch draws as it does those of 48."""
    with torch.inference_mode():
        at_once = iwae(image_vae, (images[:1],), 48, seed())
        monkeypatch.setattr(bounds, "ROWS", 16)
        in_passes = iwae(image_vae, (images[:1],), 48, seed())
        several = iwae(image_vae, (images,), 48, seed())
    torch.testing.assert_close(in_passes, at_once)
    assert several.shape == (6,)


def test_no_draw_is_lost_where_passes_do_not_come_out_even(
    image_vae: ImageVAE, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A last pass of one draw has no weights of its own: 33 draws had the bound of 32."""
    monkeypatch.setattr(bounds, "ROWS", 16)
    with torch.inference_mode():
        assert len(bounds._log_weights(image_vae, (images,), 33, seed())) == 33


def test_music_has_the_same_bound(vae: MusicVAE) -> None:
    events = torch.from_numpy(random_windows(4))
    with torch.inference_mode():
        elbo = -vae(events, generator=seed()).nelbo.mean()
        bound = iwae(vae, (events,), 200, seed()).mean()
    assert bound > elbo


def test_units_whose_means_hardly_vary_are_not_active() -> None:
    mu = torch.stack([torch.tensor([0.0, 1.0, 0.05, 5.0]), torch.tensor([0.0, -1.0, -0.05, 5.0])])
    assert active_units(mu) == 1
