from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from drawn_pictures import SIZE, encoded, face, plain
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from musevae.images.image_set import ImageDataError
from musevae.images.pictures import crop_box, decode

GRADIENT = Image.linear_gradient("L").resize((40, 30))  # black above, white below


def decoded_mean(data: bytes, channels: int = 3) -> list[int]:
    pixels = decode(data, (channels, 8, 8))
    assert pixels.shape == (channels, 8, 8)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    return [round(channel.mean()) for channel in pixels]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "WEBP"])
def test_colours_survive_in_every_format(form: str) -> None:
    mean = decoded_mean(encoded(Image.new("RGB", (50, 40), (200, 100, 30)), form))
    assert np.allclose(mean, [200, 100, 30], atol=3)


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("L", (9, 9), 77),
        Image.new("RGB", (9, 9), (77, 77, 77)),
        Image.new("RGB", (9, 9), (77, 77, 77)).quantize(4),
        Image.new("LA", (9, 9), (77, 255)),
        Image.new("RGBA", (9, 9), (77, 77, 77, 255)),
        Image.fromarray(np.full((9, 9), 77 << 8, np.uint16)),
    ],
    ids=["grey", "rgb", "palette", "grey with alpha", "rgb with alpha", "16 bits"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_grey_is_the_same_however_it_is_kept(picture: Image.Image, channels: int) -> None:
    assert decoded_mean(encoded(picture, "PNG"), channels) == [77] * channels


def test_what_is_transparent_is_white() -> None:
    assert decoded_mean(encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG")) == [255, 255, 255]
    palette = Image.new("P", (9, 9), 0)
    palette.putpalette([0, 0, 0, 50, 60, 70])
    assert decoded_mean(encoded(palette, "PNG", transparency=b"\0\xff")) == [255, 255, 255]


def test_one_bit_is_black_or_white() -> None:
    assert decoded_mean(encoded(Image.new("1", (9, 9), 1), "PNG"), 1) == [255]


@pytest.mark.parametrize(
    ("size", "target", "box"),
    [
        ((100, 50), (10, 10), (25, 0, 75, 50)),
        ((50, 100), (10, 10), (0, 25, 50, 75)),
        ((50, 100), (10, 20), (0, 0, 50, 100)),
        (SIZE, (64, 64), (15, 35, 163, 183)),
        (SIZE, (32, 64), (52, 35, 126, 183)),
        ((28, 28), (64, 64), (0, 0, 28, 28)),
        ((1, 1000), (64, 64), (0, 499.5, 1, 500.5)),
    ],
)
def test_the_middle_is_kept(
    size: tuple[int, int], target: tuple[int, int], box: tuple[float, float, float, float]
) -> None:
    assert np.allclose(crop_box(size, target), box)


def test_of_a_face_the_customary_crop_is_kept() -> None:
    pixels = decode(face(20), (3, 64, 64)).astype(int)
    assert abs(pixels[0, 1:20, 1:-1] - 200).max() < 10
    assert pixels[:, 1:-1, 1:-1].min() > 20


@pytest.mark.parametrize("size", [(16, 16), (37, 61), (178, 218), (400, 300)])
def test_jpeg_decoded_small_is_much_as_if_decoded_whole(size: tuple[int, int]) -> None:
    smooth = Image.effect_noise((12, 12), 80).resize(size, Image.Resampling.BICUBIC)
    jpeg = encoded(smooth, quality=100)
    whole = encoded(Image.open(BytesIO(jpeg)), "PNG")
    small, large = (decode(data, (1, 16, 16)).astype(int) for data in (jpeg, whole))
    assert abs(small - large).mean() < 3


@pytest.mark.parametrize(("orientation", "dark"), [(1, "top"), (3, "bottom"), (6, "right"), (8, "left")])
def test_picture_is_turned_as_its_exif_says(orientation: int, dark: str) -> None:
    """As a camera held upright writes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(encoded(GRADIENT, exif=exif, quality=95), (1, 6, 8)).astype(int)[0]
    edges = {"top": pixels[0], "bottom": pixels[-1], "left": pixels[:, 0], "right": pixels[:, -1]}
    assert min(edges, key=lambda edge: edges[edge].mean()) == dark


def test_large_picture_is_scaled_with_all_its_pixels() -> None:
    """Without antialiasing, stripes of one pixel would come out black or white."""
    stripes = np.tile(np.array([[0, 255]], np.uint8), (400, 200))
    pixels = decode(encoded(Image.fromarray(stripes), "PNG"), (1, 10, 10))
    assert abs(pixels.astype(int) - 127).max() < 12


WHOLE = {form: encoded(Image.effect_noise((40, 30), 60), form) for form in ("PNG", "JPEG", "BMP", "WEBP")}


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"no picture at all", b"\xff\xd8\xff"])
def test_what_is_no_picture_says_so(data: bytes) -> None:
    with pytest.raises(ImageDataError, match=r"is (no picture of BMP, JPEG, PNG, WEBP|a damaged picture)") as caught:
        decode(data, (3, 8, 8))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", WHOLE)
def test_picture_cut_off_is_damaged(form: str) -> None:
    with pytest.raises(ImageDataError, match=r"is (a damaged|no) picture"):
        decode(WHOLE[form][: len(WHOLE[form]) // 2], (3, 8, 8))


def test_picture_of_absurd_size_is_refused() -> None:
    """Its header alone would have a decoder ask for gigabytes."""
    data = bytearray(WHOLE["PNG"])
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    checksum = zlib.crc32(data[12:29])
    data[29:33] = struct.pack(">I", checksum)
    with pytest.raises(ImageDataError, match="is a damaged picture"):
        decode(bytes(data), (3, 8, 8))


@pytest.mark.filterwarnings("ignore")  # of Pillow, about the damage
@given(
    form=st.sampled_from(sorted(WHOLE)), at=st.floats(0, 1, exclude_max=True), byte=st.binary(min_size=1, max_size=4)
)
def test_damage_of_any_kind_gives_pixels_or_an_error_of_ours(form: str, at: float, byte: bytes) -> None:
    data = bytearray(WHOLE[form])
    place = int(at * len(data))
    data[place : place + len(byte)] = byte
    with suppress(ImageDataError):
        assert decode(bytes(data), (3, 8, 8)).shape == (3, 8, 8)


def test_plain_face_keeps_its_colour() -> None:
    assert np.allclose(decoded_mean(plain((10, 250, 128))), [10, 250, 128], atol=3)
