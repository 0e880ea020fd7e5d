"""What is known of images that a figure can show: attributes of their list or of their pixels, and labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from musevae.images.attributes import MEASURES, attribute_of, pixel_attributes
from musevae.images.image_set import ImageSet

PREFERRED = ("Smiling", "Eyeglasses", "Male", "Blond_Hair", "Bangs")  # of CelebA's forty, as papers do
MEASURED = "slant"  # by which points are coloured where there are no labels


@dataclass(frozen=True, eq=False)
class Kinds:
    """A value for each of N images, to tell their points apart: the number of its class or, without classes, a size."""

    name: str
    values: NDArray[np.float64]  # (N,)
    classes: tuple[str, ...] = ()


def telling_attributes(images: ImageSet, most: int) -> dict[str, NDArray[np.bool_]]:
    """Which images (N,) have an attribute, for up to `most` that some have and others have not.

    They are those of the images' list, smiles and glasses first, or else what the pixels of grey images tell.
    """
    grey = images.pixels.shape[1] == 1
    names = images.attribute_names or (tuple(MEASURES) if grey else ())
    found = {name: attribute_of(images, name) for name in sorted(names, key=_preference)}
    return dict(islice(((name, has) for name, has in found.items() if has.any() and not has.all()), most))


def kinds(images: ImageSet) -> Kinds | None:
    """What to colour images by: their labels, an attribute or, of grey ones, a measure; None where nothing is known."""
    if images.labels is not None:
        names, numbers = np.unique(images.labels, return_inverse=True)
        return Kinds("label", numbers.astype(np.float64), tuple(map(str, names)))
    if images.attribute_names:
        first = next(iter(telling_attributes(images, 1).items()), None)
        return None if first is None else Kinds(first[0], first[1].astype(np.float64), ("without", "with"))
    if images.pixels.shape[1] == 1:
        return Kinds(MEASURED, pixel_attributes(images.pixels)[MEASURED])
    return None


def _preference(name: str) -> int:
    """Where a name comes; those that are not preferred stay in their order."""
    return PREFERRED.index(name) if name in PREFERRED else len(PREFERRED)
