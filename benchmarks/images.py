"""The image models on MNIST: each row of the table trained and judged on the test set, by the package's own commands.

    python benchmarks/images.py FOLDER [--runs runs/images] [--only mlp deep ...]

FOLDER has MNIST's four idx files. Trains on 59,000 images (1,000 validate), one thread and one seed a row; a row that
was begun goes on, one that is done is not done again. Images are binarised dynamically in training, the 10,000 of the
test set once, by seed 0; -ELBO is at one draw of z, IWAE-500 at 500. CPU-seconds are those of the training process,
validation and start included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 1  # of training


@dataclass(frozen=True)
class Row:
    """What is trained, and how it is judged."""

    preset: str
    settings: tuple[str, ...] = ()
    iwae: bool = False


ROWS = {
    "mlp": Row("mnist-mlp", iwae=True),
    "deep": Row("mnist-mlp-deep", iwae=True),
    "ae": Row("mnist-ae"),
    "cvae": Row("mnist-cvae"),
    "unconditional": Row("mnist-mlp-deep", ("model.z_size=10",)),  # the same without labels
    "mmd": Row("mnist-mmd"),
    "beta-0.25": Row("mnist-mlp", ("train.beta=0.25",)),
    "beta-4": Row("mnist-mlp", ("train.beta=4",)),
    "free-bits": Row("mnist-mlp", ("train.free_bits=30",)),
    "free-bits-per-dim": Row("mnist-mlp", ("train.free_bits_per_dim=1",)),
    "deep-30": Row("mnist-mlp-deep", ("train.epochs=30",), iwae=True),
    "iwae-5": Row("mnist-iwae", iwae=True),
    "iwae-5-short": Row("mnist-iwae", ("train.epochs=10",), iwae=True),  # as long as "deep"
    "conv": Row("mnist-conv", iwae=True),
    "iwae-50": Row("mnist-iwae", ("train.samples=50", "train.resampled=5"), iwae=True),
    "mlp-short": Row("mnist-mlp", ("train.epochs=5",)),  # as long as "draw-short"
    "draw-short": Row("mnist-draw", ("train.epochs=5",)),
    "draw": Row("mnist-draw"),
    "draw-attention": Row("mnist-draw-attention"),
}


def musevae(*arguments: str) -> str:
    """A command of the package, on one thread; what it printed."""
    command = [sys.executable, "-m", "musevae", *arguments, "--threads", "1", "--device", "cpu", "--json"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def trained(name: str, data: Path, run: Path) -> dict[str, Any]:
    """Train a row, or go on with it; what it took."""
    row, begun = ROWS[name], (run / "last").exists()
    how = ["--resume"] if begun else ["--seed", str(SEED), *(part for s in row.settings for part in ("--set", s))]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    steps = json.loads(musevae("image", "train", row.preset, "--data", str(data), "--run", str(run), *how))["steps"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"steps": steps, "cpu_seconds": None if begun else round(seconds)}


def measured(name: str, data: Path, runs: Path) -> dict[str, Any]:
    """The figures of a row, from its file where they are known."""
    kept = runs / f"{name}.json"
    if not kept.exists():
        took = trained(name, data, runs / name)
        bound = ["--iwae", "500"] if ROWS[name].iwae else []
        judged = json.loads(musevae("image", "evaluate", str(runs / name), "--data", str(data), *bound))
        kept.write_text(json.dumps({**took, **judged}, indent=2) + "\n", encoding="utf-8")
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def table(figures: dict[str, dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| row | preset and settings | steps | CPU-s | -ELBO | distortion | rate | IWAE-500 | active |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in figures.items():
        settings = " ".join(f"`--set {setting}`" for setting in ROWS[name].settings)
        nats = [row["nelbo_nats"], row["reconstruction_nats"], row["kl_nats"], row["iwae_nats"]]
        shown = " | ".join("-" if value is None else f"{value:.2f}" for value in nats)
        seconds = "-" if row["cpu_seconds"] is None else row["cpu_seconds"]
        start = f"| {name} | `{ROWS[name].preset}` {settings}".rstrip()
        lines.append(f"{start} | {row['steps']:,} | {seconds} | {shown} | {row['active_units']} |")
    return "\n".join(lines)


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/images"))
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    figures = {}
    for name in options.only:
        figures[name] = measured(name, options.data, options.runs)
        print(table(figures), flush=True)


if __name__ == "__main__":
    main()
