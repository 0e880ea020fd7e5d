"""The arrays behind the figures are what the figures claim."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from musevae.figures.arithmetic import TIMES, measured, triples
from musevae.figures.bounds import BETAS, KS, bounds_by_k, many_draws, rates
from musevae.figures.comparisons import distance_to_prior
from musevae.figures.latents import plane, quantile_grid, scatter
from musevae.figures.painting import canvases, glimpses_shown, painter
from musevae.figures.paths import mixed
from musevae.figures.studio import Studio
from musevae.figures.telling import Kinds, kinds, telling_attributes
from musevae.images.image_set import ImageSet
from musevae.models.elbo import iwae_bound
from tests.figures.drawn_bars import SIDE, bars, image_sets, studio_of, tiny_model

A = ("Bald", "Male", "Smiling", "Young")


def known_faces(*attributes: list[bool]) -> ImageSet:
    """Pictures in colour of which these attributes are known, one a column."""
    table = np.array(attributes).T
    pixels = np.arange(len(table), dtype=np.uint8)[:, None, None, None] + np.zeros((1, 3, 4, 4), np.uint8)
    return ImageSet(pixels, None, table, A[: table.shape[1]])


def test_quantile_grid_is_symmetric_and_even_under_the_prior() -> None:
    grid = quantile_grid(4).view(4, 4, 2)
    assert torch.allclose(grid, -grid.flip(0, 1))
    assert torch.equal(grid[..., 0], grid[..., 0].flip(0))
    masses = [NormalDist().cdf(float(z)) for z in grid[0, :, 0]]
    assert masses == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert grid[0, 0].tolist() == pytest.approx([-1.15035, 1.15035], abs=1e-4)  # upper left


def test_kl_alone_leaves_the_prior_and_reconstruction_alone_does_not(studio: Studio) -> None:
    alone, without = (studio.worth(plane(studio, beta)) for beta in (1000.0, 0.0))
    assert alone["kl_nats"] < 0.5
    assert without["kl_nats"] > 5 * alone["kl_nats"]


def test_rate_falls_and_distortion_rises_with_beta(tmp_path: Path) -> None:
    studio = studio_of(tiny_model(), image_sets(), tmp_path, epochs=2)
    found = rates(studio)
    assert list(found) == list(BETAS)
    assert found[0.25][0] > found[1.0][0] > found[4.0][0] > 0
    assert found[0.25][1] < found[4.0][1]
    worth = studio.worth(studio.trained("beta-1", studio.architecture))
    assert found[1.0] == (worth["kl_nats"], worth["reconstruction_nats"])


def test_bound_rises_with_k_from_the_elbo(studio: Studio) -> None:
    nelbo, log_weights = many_draws(studio)
    assert log_weights.shape == (KS[-1], len(studio.held))
    found = bounds_by_k(log_weights, KS)
    assert all(one < other for one, other in pairwise(found.values()))
    assert found[1] == pytest.approx(-float(nelbo.mean()), abs=0.1)  # its KL is drawn, the ELBO's exact
    assert found[KS[-1]] == pytest.approx(float(iwae_bound(log_weights).mean()))


def test_bounds_take_the_draws_in_groups() -> None:
    log_weights = torch.tensor([[0.0], [math.log(3)], [math.log(5)], [math.log(7)]])
    assert bounds_by_k(log_weights, (2, 4)) == pytest.approx({2: (math.log(2) + math.log(6)) / 2, 4: math.log(4)})


def test_codes_of_the_prior_are_at_no_distance_from_it(studio: Studio) -> None:
    assert distance_to_prior(studio, plane(studio, 1000.0)) < 0.02
    assert distance_to_prior(studio, studio.autoencoder) > 0.05


def test_canvases_end_in_what_the_model_decodes(studio: Studio) -> None:
    model = painter(studio)
    z = model.prior(3, seed=0)
    made = canvases(model, z)
    assert made.shape == (3, 5, 1, SIDE, SIDE)
    assert np.array_equal(made[:, -1], model.decode(z))


def test_given_draw_paints_itself_in_ten_canvases_at_most(tmp_path: Path) -> None:
    model = tiny_model(network="draw", hidden_size=8, glimpses=25)
    assert painter(studio_of(model, image_sets(), tmp_path)) is model
    assert glimpses_shown(model) == [1, 4, 6, 9, 12, 14, 17, 20, 22, 25]


def test_pixels_are_mixed_from_end_to_end() -> None:
    black, white = np.zeros((1, 2, 2), np.uint8), np.full((1, 2, 2), 255, np.uint8)
    assert mixed(black, white, 3)[:, 0, 0, 0].tolist() == [0, 128, 255]


def test_means_of_an_attribute_are_those_of_the_columns() -> None:
    widths = [*range(1, len(TIMES) + 1)] * 2  # two rows
    upright = np.zeros((len(widths), 1, 40, 40), np.uint8)
    for image, width in zip(upright, widths, strict=True):
        image[:, 5:35, 10 : 10 + width] = 255
    found = measured(upright, "width")
    assert found == pytest.approx(widths[: len(TIMES)])


def test_attributes_that_papers_show_come_first_and_those_of_all_or_none_are_left_out() -> None:
    images = known_faces([True, False], [True, True], [False, True], [True, False])
    assert list(telling_attributes(images, 3)) == ["Smiling", "Bald", "Young"]
    assert list(telling_attributes(images, 1)) == ["Smiling"]


def test_grey_images_tell_by_their_pixels_and_plain_colours_nothing() -> None:
    assert list(telling_attributes(ImageSet(bars(20, 0)), 3)) == ["thickness", "slant", "width"]
    assert telling_attributes(ImageSet(np.zeros((2, 3, 4, 4), np.uint8)), 3) == {}


def test_points_are_coloured_by_labels_an_attribute_or_a_measure() -> None:
    labelled = kinds(ImageSet(bars(4, 0), np.array([7, 3, 7, 5])))
    assert labelled is not None
    assert (labelled.values.tolist(), labelled.classes) == ([2, 0, 2, 1], ("3", "5", "7"))
    smiling = kinds(known_faces([True, False], [True, True], [False, True]))
    assert smiling is not None
    assert (smiling.name, smiling.values.tolist(), smiling.classes) == ("Smiling", [0, 1], ("without", "with"))
    leaning = kinds(ImageSet(bars(4, 0)))
    assert leaning is not None
    assert (leaning.name, leaning.classes) == ("slant", ())
    assert kinds(ImageSet(np.zeros((2, 3, 4, 4), np.uint8))) is None


def test_each_class_has_a_colour_of_its_own() -> None:
    classes = tuple("0123456789")
    axes = Figure().subplots()
    scatter(axes, np.zeros((10, 2), np.float32), Kinds("label", np.arange(10.0), classes))
    points = axes.collections[-1]
    points.update_scalarmappable()
    assert len(np.unique(points.get_facecolor(), axis=0)) == len(classes)


def test_b_has_what_x_and_a_have_not() -> None:
    images = known_faces([False, True, False, True])
    has = {"Bald": np.array([False, True, False, True])}
    (x, a, b) = triples(images, has)[0]
    assert (x.max(), a.max(), b.max()) == (0, 2, 1)


def test_any_three_images_do_where_nothing_is_known() -> None:
    found = triples(ImageSet(np.zeros((2, 3, 4, 4), np.uint8)), {})
    assert all(triple.shape == (3, 3, 4, 4) for triple in found)
