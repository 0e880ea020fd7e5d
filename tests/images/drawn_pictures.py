"""Pictures that tests draw, and a CelebA folder of them: the layout of the published one, whose terms forbid a copy."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

SIZE = (178, 218)  # width and height of an aligned CelebA face
ATTRIBUTES = ("Eyeglasses", "Male", "Smiling")

Color = tuple[int, int, int]


def encoded(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:  # noqa: ANN401 - Pillow's
    """A picture's file."""
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def plain(color: Color, size: tuple[int, int] = SIZE) -> bytes:
    """A JPEG of one colour."""
    return encoded(Image.new("RGB", size, color))


def face(number: int) -> bytes:
    """A JPEG whose red says its number, with eyes and a mouth, in a black frame outside the customary crop."""
    picture = Image.new("RGB", SIZE)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((15, 35, 162, 182), fill=(number * 10 % 256, 100, 50))
    draw.ellipse((60, 90, 70, 100), fill="white")
    draw.ellipse((108, 90, 118, 100), fill="white")
    draw.arc((64, 110, 114, 150), 20, 160, fill="white", width=4)
    return encoded(picture, quality=95)


def file_name(number: int) -> str:
    return f"{number:06d}.jpg"


def flags(number: int) -> list[int]:
    """The attributes of a picture, as 1 or -1: its number in binary."""
    return [1 if number >> bit & 1 else -1 for bit in range(len(ATTRIBUTES))]


def faces(count: int, broken: Sequence[int] = ()) -> dict[str, bytes]:
    """Numbered faces by file name, some of them cut off in the middle."""
    whole = {number: face(number) for number in range(1, count + 1)}
    return {file_name(n): data[: len(data) // 2] if n in broken else data for n, data in whole.items()}


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_attributes(folder: Path, count: int, suffix: str = ".txt") -> Path:
    """list_attr_celeba.txt or .csv in the manner of the published one, blanks and all."""
    rows = [(file_name(number), *flags(number)) for number in range(1, count + 1)]
    if suffix == ".csv":
        lines = [",".join(("image_id", *ATTRIBUTES)), *(",".join(map(str, row)) for row in rows)]
    else:
        lines = [str(count), " ".join(ATTRIBUTES) + " ", *(f"{name} {a:2} {b:2} {c:2}" for name, a, b, c in rows)]
    path = folder / f"list_attr_celeba{suffix}"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_partition(folder: Path, splits: Sequence[int], suffix: str = ".txt") -> Path:
    """list_eval_partition.txt or .csv: for each picture 0 (train), 1 (validation) or 2 (test)."""
    rows = [f"{file_name(number)} {split}" for number, split in enumerate(splits, 1)]
    lines = ["image_id,partition", *(row.replace(" ", ",") for row in rows)] if suffix == ".csv" else rows
    path = folder / f"list_eval_partition{suffix}"
    path.write_text("\n".join(lines) + "\n")
    return path
