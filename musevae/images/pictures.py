"""Picture files (JPEG, PNG, BMP, WebP) -> pixels of one size: upright, cut to the target's shape, then scaled."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musevae.extras import extra
from musevae.images.image_set import ImageDataError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".webp": "WEBP"}  # suffix -> Pillow's word
MODES = {1: "L", 3: "RGB"}  # channels -> Pillow's word
CROPS = {(178, 218): (148, 148)}  # width and height -> the middle that is kept: the customary one of aligned CelebA
ORIENTATION = 0x0112  # a tag of Exif: how to hold the picture
UPSIDE = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM"}  # value of the tag -> what undoes it
SIDEWAYS = {5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}
TURNS = UPSIDE | SIDEWAYS
BACKGROUND = "white"  # of pictures that are transparent
BROKEN = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError, OverflowError, MemoryError),
    *(struct.error, zlib.error),
)  # what Pillow raises for damaged pictures

Box = tuple[float, float, float, float]  # left, top, right, bottom


def decode(data: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The pixels (C, H, W) of a picture file's content; ImageDataError, which says why, where it is no whole picture.

    The middle of the picture is kept, as much as the aspect ratio of H and W allows (of CROPS, as much of the crop).
    """
    with extra("images"):
        from PIL import Image, UnidentifiedImageError  # an extra
    try:
        with Image.open(BytesIO(data), formats=sorted(set(FORMATS.values()))) as picture:
            return _pixels(picture, shape)
    except UnidentifiedImageError:
        raise ImageDataError(f"is no picture of {', '.join(sorted(set(FORMATS.values())))}") from None
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise ImageDataError(f"is a damaged picture ({error})") from error


def crop_box(size: tuple[int, int], target: tuple[int, int]) -> Box:
    """The middle of a picture of this width and height that has the aspect ratio of the target's."""
    (width, height), (kept_width, kept_height) = size, CROPS.get(size, size)
    scale = min(kept_width / target[0], kept_height / target[1])
    left, top = max(0, (width - scale * target[0]) / 2), max(0, (height - scale * target[1]) / 2)
    return left, top, width - left, height - top


def _pixels(picture: Image, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Cut, scale and turn an opened picture."""
    from PIL import Image  # an extra

    C, H, W = shape
    held = picture.getexif().get(ORIENTATION, 1)
    target = (H, W) if held in SIDEWAYS else (W, H)
    box = crop_box(picture.size, target)
    reduced = _drafted(picture, MODES[C], (box[2] - box[0]) / target[0])
    left, top, right, bottom = (edge / reduced for edge in box)
    small = _converted(picture, MODES[C]).resize(target, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    upright = small.transpose(Image.Transpose[TURNS[held]]) if held in TURNS else small
    return np.ascontiguousarray(np.asarray(upright).reshape(H, W, C).transpose(2, 0, 1))  # (C, H, W)


def _drafted(picture: Image, mode: str, reduction: float) -> float:
    """Have a JPEG decoded by 2, 4 or 8 smaller, but not by more than it is to be reduced; returns by how much."""
    width, height = picture.size
    drafted = picture.draft(mode, (ceil(width / reduction), ceil(height / reduction)))
    return width / drafted[1][2] if drafted else 1  # not of the new size, which counts a broken pixel at the edge whole


def _converted(picture: Image, mode: str) -> Image:
    """A picture in 8 bits of grey or RGB, what is transparent being white."""
    from PIL import Image  # an extra

    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        return Image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8)).convert(mode)
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, BACKGROUND), picture)
    return picture.convert(mode)
