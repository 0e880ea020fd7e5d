"""Turn a run into a bundled model: 16-bit weights, and a config.json that says what made it and what it is worth.

    python benchmarks/bundle.py RUN --data DATASET -o musevae/weights/melody-2bar

The figures are measured here, on the validation split, with the weights as they are stored.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from prior_quality import sample_figures

import musevae
from musevae.training.datasets import open_dataset
from musevae.training.evaluate import evaluate

TRADITIONAL = "traditional tunes"
SOURCES = {  # archive -> where its music comes from, and why it may be used
    "nottingham.zip": f"Nottingham Music Database, cleaned by Jukedeck (GPL-3.0 repository); {TRADITIONAL}",
    "oneill.zip": "O'Neill's Music of Ireland (1903), public-domain book, transcribed in the music21 corpus",
    "ryan.zip": "Ryan's Mammoth Collection (1883), public-domain book, transcribed in the music21 corpus",
    "aird.zip": "Aird's Airs (1782-1801) and other public-domain books, transcribed in the music21 corpus",
    "cre.zip": "Ceol Rince na hEireann corpus, Polifonia project, CC-BY-4.0",
    "folkwiki.zip": f"folkwiki.se, as collected by folk-rnn (MIT repository); {TRADITIONAL}, no licence stated",
    "groove.zip": "Groove MIDI Dataset of Google Magenta (Gillick et al. 2019), CC-BY-4.0",
    "taberna.zip": f"Coleccion de ABCs de la Taberna; mostly {TRADITIONAL}, no licence stated",
}


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
    events = open_dataset(options.data)["validation"].events
    figures = {name: round(value, 4) for name, value in evaluate(model.vae, events).items()}
    sources = {name: SOURCES[name] for name in model.config.provenance["data"]}
    provenance = {**model.config.provenance, "data": sources, "weights_licence": "Apache-2.0"}
    measured = {"validation": figures, "prior_samples": sample_figures(model, 1024, 0.5, seed=0)}
    model.vae.config = replace(model.config, provenance={**provenance, **measured})
    model.save(options.output, half=True)
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
