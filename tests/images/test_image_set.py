from __future__ import annotations

import numpy as np
import pytest

from musevae.images.image_set import ImageSet

PIXELS = np.arange(5 * 3 * 2 * 4, dtype=np.uint8).reshape(5, 3, 2, 4)
LABELS = np.arange(5, dtype=np.int64)
ATTRIBUTES = np.eye(5, 2, dtype=np.bool_)
WHOLE = ImageSet(PIXELS, LABELS, ATTRIBUTES, ("Smiling", "Male"))


def test_selected_images_keep_what_is_known_of_them() -> None:
    selected = WHOLE.select(np.array([3, 0]))
    assert len(selected) == 2
    assert np.array_equal(selected.pixels, PIXELS[[3, 0]])
    assert selected.labels is not None
    assert selected.labels.tolist() == [3, 0]
    assert selected.attributes is not None
    assert selected.attributes.tolist() == [[False, False], [True, False]]
    assert selected.attribute_names == ("Smiling", "Male")


def test_selecting_needs_neither_labels_nor_attributes() -> None:
    selected = ImageSet(PIXELS).select(np.array([1]))
    assert selected.labels is None
    assert selected.attributes is None


def test_slice_copies_no_pixels() -> None:
    assert np.shares_memory(WHOLE.select(slice(2, None)).pixels, PIXELS)


def test_repr_says_how_many_and_how_large() -> None:
    assert repr(WHOLE) == "ImageSet(5 images of 3x2x4)"


def test_counts_that_do_not_match_are_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        ImageSet(PIXELS, LABELS[:4])
    with pytest.raises(AssertionError):
        ImageSet(PIXELS, None, ATTRIBUTES, ("Smiling",))
