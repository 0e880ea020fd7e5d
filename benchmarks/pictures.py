"""How fast a CelebA folder and its zip are read, the first time and from the cache, on faces drawn for it.

    python benchmarks/pictures.py [--pictures 3000] [--size 64]

Prints one JSON object. Pictures a second are of processor time, of all threads, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from musevae.images.reading import read_images

WIDTH, HEIGHT = 178, 218  # of an aligned CelebA face
DRAWN = 200  # different ones
ATTRIBUTES = 40
QUALITY = 90  # of the JPEGs, which makes them about as large as CelebA's


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    faces = [face(number) for number in range(min(DRAWN, options.pictures))]
    files = [(f"{n + 1:06d}.jpg", faces[n % len(faces)]) for n in range(options.pictures)]
    figures = {"pictures": len(files), "jpeg_bytes": round(float(np.mean([len(data) for _, data in files])))}
    for name, write in (("folder", write_folder), ("zip", write_zip)):
        with tempfile.TemporaryDirectory() as place:
            write(Path(place), files)
            write_list(Path(place), [file for file, _ in files])
            for time_of in ("first", "cached"):
                figures[f"{name}_{time_of}_pictures_per_cpu_s"] = rate(Path(place), options.size)
    print(json.dumps(figures, indent=2))


def face(number: int) -> bytes:
    """A JPEG of blurred blots and a little noise."""
    draw = np.random.default_rng(number)
    blots = Image.fromarray(draw.integers(0, 256, (14, 11, 3), dtype=np.uint8))
    smooth = np.asarray(blots.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(int)
    noisy = (smooth + draw.integers(-8, 8, smooth.shape)).clip(0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def write_folder(place: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write the pictures as they are published, unpacked."""
    (place / "img_align_celeba").mkdir()
    for name, data in files:
        (place / "img_align_celeba" / name).write_bytes(data)


def write_zip(place: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write the pictures as they are published, packed."""
    with zipfile.ZipFile(place / "img_align_celeba.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(f"img_align_celeba/{name}", data)


def write_list(place: Path, names: list[str]) -> None:
    """Write attributes drawn at random."""
    flags = np.random.default_rng(0).choice(["1", "-1"], (len(names), ATTRIBUTES))
    rows = [" ".join((name, *row)) for name, row in zip(names, flags, strict=True)]
    header = " ".join(f"Attribute_{number}" for number in range(ATTRIBUTES))
    (place / "list_attr_celeba.txt").write_text("\n".join((str(len(names)), header, *rows)) + "\n")


def rate(place: Path, size: int) -> int:
    """Pictures read in a second of processor time."""
    begin = time.process_time()
    sets = read_images(place, channels=3, height=size, width=size)
    return round(sum(map(len, sets.values())) / (time.process_time() - begin))


if __name__ == "__main__":
    main()
