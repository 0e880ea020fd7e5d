from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from musevae.images import attributes
from musevae.images.attributes import attribute_of, dividing, pixel_attributes
from musevae.images.image_set import ImageDataError, ImageSet

BLANK = Image.new("L", (28, 28))


def stroke(start: tuple[int, int], end: tuple[int, int], width: int, level: int = 255) -> Image.Image:
    """A line of this width, drawn large and scaled down so that its edges are grey as a scanner's are."""
    large = Image.new("L", (224, 224))
    ends = [8 * coordinate + 4 for coordinate in (*start, *end)]
    ImageDraw.Draw(large).line(ends, level, 8 * width)
    return large.resize((28, 28), Image.Resampling.BOX)


def measured(*pictures: Image.Image) -> dict[str, NDArray[np.float64]]:
    return pixel_attributes(np.stack([np.asarray(picture)[np.newaxis] for picture in pictures]))


@pytest.mark.parametrize("width", [2, 3, 4, 5])  # one pixel is what the grid can just show: 1.0 upright, 1.5 aslant
@pytest.mark.parametrize("ends", [((14, 2), (14, 26)), ((2, 14), (26, 14)), ((6, 4), (20, 24)), ((22, 3), (5, 24))])
def test_thickness_is_the_width_of_a_stroke_whatever_its_direction(
    ends: tuple[tuple[int, int], tuple[int, int]], width: int
) -> None:
    (thickness,) = measured(stroke(*ends, width))["thickness"]
    length = np.hypot(ends[1][0] - ends[0][0], ends[1][1] - ends[0][1])
    assert thickness == pytest.approx(width * length / (length + width), abs=0.25)  # the ends are edges too


def test_thickness_knows_no_brightness() -> None:
    bright, faint = measured(*(stroke((14, 3), (14, 25), 3, level) for level in (255, 85)))["thickness"]
    assert bright == pytest.approx(faint, rel=0.001)


def test_thickness_of_a_stroke_at_the_edge_of_the_image_counts_that_edge() -> None:
    inside, outside = measured(stroke((13, 3), (13, 25), 2), stroke((1, 3), (1, 25), 2))["thickness"]
    assert inside == pytest.approx(outside, rel=0.05)


@pytest.mark.parametrize("shear", [-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0])
def test_slant_is_the_shear_of_an_upright_bar(shear: float) -> None:
    bar = stroke((14, 4), (14, 24), 3)
    sheared = bar.transform(
        (28, 28), Image.Transform.AFFINE, (1, shear, -14 * shear, 0, 1, 0), Image.Resampling.BILINEAR
    )
    (slant,) = measured(sheared)["slant"]
    assert slant == pytest.approx(shear, abs=0.03)


def test_stroke_like_a_slash_leans_to_the_right() -> None:
    slash, backslash = measured(stroke((20, 4), (8, 24), 2), stroke((8, 4), (20, 24), 2))["slant"]
    assert slash > 0.4
    assert backslash == pytest.approx(-slash, abs=0.01)


@pytest.mark.parametrize("width", [1, 2, 5, 12, 20])
def test_width_is_that_of_a_filled_bar(width: int) -> None:
    bar = BLANK.copy()
    ImageDraw.Draw(bar).rectangle((4, 6, 4 + width - 1, 20), fill=200)
    assert measured(bar)["width"].tolist() == pytest.approx([width])


def test_wider_letter_is_wider_wherever_it_stands() -> None:
    narrow, wide, moved = BLANK.copy(), BLANK.copy(), BLANK.copy()
    for picture, box in ((narrow, (10, 4, 18, 24)), (wide, (5, 4, 23, 24)), (moved, (8, 2, 26, 22))):
        ImageDraw.Draw(picture).ellipse(box, outline=255, width=2)
    narrow_width, wide_width, moved_width = measured(narrow, wide, moved)["width"]
    assert wide_width > 1.5 * narrow_width
    assert moved_width == pytest.approx(wide_width)


def test_blank_images_have_nothing() -> None:
    found = measured(BLANK, stroke((14, 3), (14, 25), 3), BLANK)
    assert set(found) == {"thickness", "slant", "width"}
    for values in found.values():
        assert values[[0, 2]].tolist() == [0, 0]


def test_single_dot_has_no_slant() -> None:
    dot = BLANK.copy()
    dot.putpixel((3, 5), 255)
    found = measured(dot)
    assert found["slant"].tolist() == [0]
    assert found["width"].tolist() == pytest.approx([1])


@pytest.mark.parametrize("count", [0, 1, 5])
def test_images_are_measured_one_like_another_in_blocks(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 1, 28, 20), dtype=np.uint8)
    whole = pixel_attributes(pixels)
    monkeypatch.setattr(attributes, "BLOCK", 2)
    for name, values in pixel_attributes(pixels).items():
        assert values.shape == (count,)
        assert values.dtype == np.float64
        assert np.allclose(values, whole[name], rtol=1e-12)


def test_attribute_of_all_or_of_none_divides_nothing() -> None:
    alike = ImageSet(np.full((4, 1, 8, 8), 7, np.uint8))
    assert not attribute_of(alike, "width").any()
    with pytest.raises(ImageDataError, match="width: 0 of 4 images have it: choose another --split"):
        dividing(alike, "width")
