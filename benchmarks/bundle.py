"""Turn a run into a bundled model: 16-bit weights, and a config.json that says what made it and what it is worth.

    python benchmarks/bundle.py RUN --data DATASET -o musevae/weights/melody-2bar

The figures are measured here, on the validation split (of images the test split), with the weights as they are stored.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from prior_quality import sample_figures

import musevae
from musevae.trained_image_model import TrainedImageModel
from musevae.trained_model import TrainedModel
from musevae.training.datasets import open_dataset
from musevae.training.evaluate import evaluate
from musevae.training.evaluate_images import evaluate_images

TRADITIONAL = "traditional tunes"
SOURCES = {  # archive -> where its music comes from, and why it may be used
    "nottingham.zip": f"Nottingham Music Database, cleaned by Jukedeck (GPL-3.0 repository); {TRADITIONAL}",
    "oneill.zip": "O'Neill's Music of Ireland (1903), public-domain book, transcribed in the music21 corpus",
    "ryan.zip": "Ryan's Mammoth Collection (1883), public-domain book, transcribed in the music21 corpus",
    "aird.zip": "Aird's Airs (1782-1801) and other public-domain books, transcribed in the music21 corpus",
    "cre.zip": "Ceol Rince na hEireann corpus, Polifonia project, CC-BY-4.0",
    "folkwiki.zip": f"folkwiki.se, as collected by folk-rnn (MIT repository); {TRADITIONAL}, no licence stated",
    "mnist": "MNIST, handwritten digits (LeCun, Cortes & Burges 1998), CC-BY-SA-3.0",
    "groove.zip": "Groove MIDI Dataset of Google Magenta (Gillick et al. 2019), CC-BY-4.0",
    "taberna.zip": f"Coleccion de ABCs de la Taberna; mostly {TRADITIONAL}, no licence stated",
}


def measure(model: TrainedModel | TrainedImageModel, data: Path) -> dict[str, Any]:
    """What the model is worth on what it was not trained on."""
    if isinstance(model, TrainedImageModel):
        return {"test": rounded(evaluate_images(model.vae, data, draws=500))}
    held_out = open_dataset(data)["validation"].events
    samples = sample_figures(model, 1024, 0.5, seed=0)
    return {"validation": rounded(evaluate(model.vae, held_out)), "prior_samples": samples}


def rounded(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures to four decimals."""
    return {name: round(value, 4) for name, value in figures.items()}


def main() -> None:
    """Measure, then write the model folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        musevae.load(options.run).save(folder, half=True)
        model = musevae.load(folder)
    measured = measure(model, options.data)
    sources = {name: SOURCES[name] for name in model.config.provenance["data"]}
    provenance = {**model.config.provenance, "data": sources, "weights_licence": "Apache-2.0"}
    model.vae.config = replace(model.config, provenance={**provenance, **measured})
    model.save(options.output, half=True)
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
