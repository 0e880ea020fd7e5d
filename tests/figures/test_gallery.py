from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from musevae.config import ConfigError
from musevae.figures import paper
from musevae.figures.gallery import FIGURES, chosen, draw_figures
from musevae.figures.studio import Studio
from musevae.images.image_set import ImageDataError
from tests.figures.drawn_bars import image_sets, studio_of, tiny_model
from tests.images.drawn_pictures import faces, write_attributes, write_folder


def texts(figure: Figure) -> str:
    """Every title and caption."""
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    return " ".join([figure.get_suptitle(), *titles, figure.get_supxlabel()])


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_drawn_and_says_where_it_comes_from(studio: Studio, tmp_path: Path, name: str) -> None:
    with matplotlib.rc_context(paper.STYLE):
        figure = FIGURES[name](studio)
        paper.save(figure, tmp_path / "figure.png")
    height, width, _ = pixels(tmp_path / "figure.png").shape
    assert width == paper.WIDTH_INCHES * paper.DPI
    assert 200 < height < 1.6 * width
    assert np.ptp(pixels(tmp_path / "figure.png")) > 200
    assert texts(figure).endswith("bars, seed 3")


@pytest.mark.parametrize("name", ["traversals", "draw-canvases", "bound-against-k"])
def test_draw_has_figures_of_its_own(tmp_path: Path, name: str) -> None:
    model = tiny_model(network="draw", hidden_size=8, glimpses=2)
    one = {split: images.select(slice(0, 1)) for split, images in image_sets().items()}
    assert "tiny" in texts(FIGURES[name](studio_of(model, one, tmp_path)))
    assert not any(tmp_path.iterdir())  # nothing was trained


def test_data_are_drawn_from_the_model_where_no_folder_is_given(tmp_path: Path) -> None:
    """The same seed draws the same picture."""
    for name in ("one", "two"):
        draw_figures(tiny_model(), {"traversals": tmp_path / f"{name}.png"}, seed=5)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_faces_with_attributes_are_drawn_in_colour(tmp_path: Path) -> None:
    write_folder(tmp_path / "celeba" / "img_align_celeba", faces(40))
    write_attributes(tmp_path / "celeba", 40)
    model = tiny_model(channels=3, side=8, likelihood="logistic")
    draw_figures(model, {"arithmetic": tmp_path / "faces.png"}, data=tmp_path / "celeba")
    assert np.ptp(pixels(tmp_path / "faces.png"), axis=-1).any()


def test_pictures_of_which_nothing_is_known_are_drawn(tmp_path: Path) -> None:
    write_folder(tmp_path / "pictures", faces(20))
    model = tiny_model(channels=3, side=8, likelihood="logistic")
    paths = {name: tmp_path / f"{name}.png" for name in ("latent-scatter", "arithmetic")}
    draw_figures(model, paths, data=tmp_path / "pictures", epochs=1)
    assert all(path.exists() for path in paths.values())


def test_names_are_put_in_order() -> None:
    assert chosen(("samples", "manifold", "samples")) == ["manifold", "samples"]
    assert chosen(()) == list(FIGURES)


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"manifolds is unknown: did you mean manifold\?"):
        chosen(("manifolds",))


def test_plain_autoencoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tiny is a plain autoencoder"):
        draw_figures(tiny_model(noise=False), {"samples": tmp_path / "samples.png"})


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageDataError, match="empty has no images"):
        draw_figures(tiny_model(), {"samples": tmp_path / "samples.png"}, data=tmp_path / "empty")
    assert not (tmp_path / "samples.png").exists()
