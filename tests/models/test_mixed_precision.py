"""Under autocast to 16 bits, as the trainer has it on a GPU; all but cuDNN's part of it can be seen on a CPU."""

from typing import Any

import pytest
import torch
from torch import Tensor

from musevae.models import lstm
from musevae.models.decoders import ScheduledSampling
from musevae.vaes import MusicVAE

SMALL: dict[str, Any] = {"z_size": 8, "encoder_sizes": (32,), "decoder_sizes": (32,)}
WITHOUT_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, WITHOUT_GPU])])
presets = pytest.mark.parametrize(
    "preset", ["melody-2bar", "drums-2bar", "nade-drums_2bar_reduced", "groovae_4bar", "hierdec-trio_16bar"]
)
PASSES = {"step by step": ScheduledSampling(0.5), "one pass": ScheduledSampling(0.5, passes=1)}


def made(preset: str, device: str) -> tuple[MusicVAE, Tensor]:
    """A model without dropout, and events of its kind."""
    torch.manual_seed(0)
    vae = MusicVAE.from_preset(preset, **SMALL).eval()
    events = torch.rand(4, vae.steps, *vae.output.shape) * torch.tensor(vae.output.limits or (1.0,))
    return vae.to(device), (events if vae.output.floating else events.long()).to(device)


def gradients(vae: MusicVAE, events: Tensor, **how: Any) -> Tensor:  # noqa: ANN401
    draw = torch.Generator(events.device).manual_seed(1)
    loss = vae(events, generator=draw, **how).loss(beta=0.1).mean()
    trained = [weight for weight in vae.parameters() if weight.requires_grad]
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, trained)])


@devices
@presets
def test_gradients_are_about_those_in_full(preset: str, device: str) -> None:
    vae, events = made(preset, device)
    full = gradients(vae, events)
    with torch.autocast(device, torch.bfloat16):
        mixed = gradients(vae, events)
    assert 0 < (mixed - full).norm() < 0.05 * full.norm()


@devices
@presets
@pytest.mark.parametrize("sampling", PASSES.values(), ids=PASSES)
def test_every_weight_has_its_gradient_where_inputs_are_drawn(
    preset: str, sampling: ScheduledSampling, device: str
) -> None:
    """NADE's and GrooVAE's draws met weights of another dtype, and older releases kept casts without gradients."""
    vae, events = made(preset, device)
    with torch.autocast(device, torch.bfloat16):
        assert gradients(vae, events, sampling=sampling).isfinite().all()


@devices
@presets
def test_decoding_is_that_in_full(preset: str, device: str) -> None:
    vae, _ = made(preset, device)
    z = torch.randn(4, vae.z_size, device=device)
    full = vae.decode(z, 0.0)
    with torch.autocast(device, torch.bfloat16):
        assert (vae.decode(z, 0.0).double() - full).abs().mean() < 0.01 * full.double().abs().mean() + 1e-6


@pytest.mark.parametrize(
    ("torch_release", "cudnn", "has"),
    [("2.10.0", 91300, True), ("2.13.0+cu130", 91500, True), ("2.9.1", 91300, False), ("2.10.0+cu126", 91002, False)],
)
def test_cudnn_has_16_bit_lstms_from_some_release_on(
    torch_release: str, cudnn: int, has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "__version__", torch_release)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: cudnn)
    assert lstm.cudnn_has_bfloat16.__wrapped__() == has
