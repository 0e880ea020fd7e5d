"""Whether any bytes can crash, hang or exhaust what prepare reads with: mutated music files, by worker processes.

    python benchmarks/fuzz.py CORPUS... [--seconds 60] [--seed 0] [--workers 1] [--keep FOLDER]

Each file is changed at random and read for melodies, drums and trios, as `musevae prepare` does it, by a process that
may have 2 GiB of memory and 10 s for a file. Prints one JSON object; the exit status is 1 where a file ended its
process, took too long or raised an error that is not told in one line. --keep writes such files.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from data_prep.engines import Job, Processes, time_limit
from data_prep.pieces import Piece, Recipe, Tick, read_chunk, read_piece, unpacked
from data_prep.sources import Source, find_sources, stream
from musevae.music.drums import DrumsRepresentation
from musevae.music.melody import MelodyRepresentation
from musevae.music.trio import TrioRepresentation

RECIPES = tuple(Recipe(made) for made in (MelodyRepresentation(), DrumsRepresentation(bits=True), TrioRepresentation()))
MEMORY_BYTES = 2 << 30
SECONDS = 10.0  # for a file
JOB_FILES = 64
SEED_FILES = 200  # of the corpus
TELLING = (b"\0", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\x7f", b"MTrk", b"\xff/\0", b"\xffQ\3\0\0\0", b"\xffX\4\1\0")
FAULTS = ("crashed", "too slow", "failed")


def mutated(data: bytes, draw: random.Random) -> bytes:
    """A file with some bytes flipped, replaced, cut out or repeated, now and then at its beginning."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = int(len(changed) * draw.random() ** draw.choice((1, 1, 1, 8)))
        length = int(2 ** (draw.random() * 8))
        part, word = bytes(changed[at : at + length]), draw.choice(TELLING)
        flipped = bytes([part[0] ^ 1 << draw.randrange(8)]) + part[1:] if part else b""
        same_length = (flipped, flipped, word[: len(part)] + part[len(word) :], draw.randbytes(len(part)))
        changed[at : at + length] = draw.choice((*same_length, *same_length, b"", part * 2, part * 50))
    return bytes(changed)


def work(sources: Sequence[Source], *, tick: Tick | None = None) -> bytes:
    """The chunk of a job, each recipe's turn being every third, in little memory."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    recipe = RECIPES[int(sources[0].name) // JOB_FILES % len(RECIPES)]
    return read_chunk(sources, recipe, read=partial(read_piece, guard=partial(time_limit, SECONDS)), tick=tick)


def jobs(seeds: Sequence[bytes], until: float, draw: random.Random, given: dict[str, bytes]) -> Iterator[Job]:
    """Mutated files until the time is up; `given` holds those of the jobs under way."""
    number = 0
    while time.monotonic() < until:
        names = [f"{number * JOB_FILES + index}" for index in range(JOB_FILES)]
        given.update((name, mutated(draw.choice(seeds), draw)) for name in names)
        yield Job(number, tuple(Source("fuzz", name, name, data=given[name]) for name in names))
        number += 1


def main() -> None:
    """Read, count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="+")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where to write files that are read badly")
    options = parser.parse_args()
    draw, given, counts = random.Random(options.seed), dict[str, bytes](), Counter[str]()
    sources = list(stream(find_sources(options.corpus)))
    seeds = [source.read() for source in draw.sample(sources, min(SEED_FILES, len(sources)))]
    bad: list[Piece] = []
    to_do = jobs(seeds, time.monotonic() + options.seconds, draw, given)
    for _, chunk in Processes(options.workers, SECONDS)(work, to_do):
        for piece in unpacked(chunk).pieces:
            counts.update(files=1, windows=piece.windows, unreadable="unreadable" in piece.skipped)
            data = given.pop(piece.name)
            if any(fault in piece.skipped for fault in FAULTS):
                bad.append(piece)
                if options.keep:
                    (options.keep / f"{piece.name}.mid").write_bytes(data)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    print(json.dumps({**counts, "peak_memory_mib": peak, "bad": [piece.error for piece in bad]}, indent=2))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
