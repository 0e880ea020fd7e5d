"""What a model makes of music, for TensorBoard: windows beside their reconstructions, and samples to see and hear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musevae.models.music_vae import MusicVAE
from musevae.music.note_sequence import NoteSequence
from musevae.music.rendering import SAMPLE_RATE_HZ, picture, waveform
from musevae.music.representation import Representation
from musevae.training.datasets import seeded, spread, wide

PICTURES = 4  # of reconstructions, and of samples
SOUNDS = 2  # of the samples: a minute of sound takes 1.3 MB at each validation
SEED = 2  # the same z each time, so that one can see a sample change
TEMPERATURE = 0.5
RULE = 6  # grey pixels between a window and its reconstruction


def show(board: Any, vae: MusicVAE, representation: Representation, windows: Tensor, step: int) -> None:  # noqa: ANN401
    """Write pictures and sounds into TensorBoard's file; `windows` (N, T, ...) are held out."""
    tunes = _samples(vae, representation)
    board.add_images("sample", np.stack([_picture(representation, tune) for tune in tunes]), step, dataformats="NHWC")
    for number, tune in enumerate(tunes[:SOUNDS]):
        board.add_audio(f"sample/{number}", waveform(tune)[None], step, sample_rate=SAMPLE_RATE_HZ)
    if len(windows):
        pairs = _reconstructions(vae, representation, wide(spread(windows, PICTURES)))
        board.add_images("reconstruction", np.stack(pairs), step, dataformats="NHWC")


def _reconstructions(vae: MusicVAE, representation: Representation, windows: Tensor) -> list[NDArray[np.uint8]]:
    """Windows, each above what the model makes of its mean at temperature 0."""
    with torch.inference_mode():
        decoded = vae.decode(vae.posterior(windows).mu, temperature=0.0)
    pairs = zip(_tunes(representation, windows), _tunes(representation, decoded), strict=True)
    return [_above(*(_picture(representation, tune) for tune in pair)) for pair in pairs]


def _picture(representation: Representation, tune: NoteSequence) -> NDArray[np.uint8]:
    """A picture of a whole window, rests at its end included."""
    quarters = representation.steps / representation.steps_per_quarter
    return picture(replace(tune, end_time=quarters), representation.steps_per_quarter)


def _samples(vae: MusicVAE, representation: Representation) -> list[NoteSequence]:
    device = next(vae.parameters()).device
    draw = seeded(device, SEED)
    with torch.inference_mode():
        z = torch.randn(PICTURES, vae.z_size, generator=draw, device=device)
        return _tunes(representation, vae.decode(z, TEMPERATURE, draw))


def _tunes(representation: Representation, events: Tensor) -> list[NoteSequence]:
    return [representation.from_events(row) for row in events.cpu().numpy()]


def _above(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rule = np.full((RULE, *one.shape[1:]), 128, np.uint8)
    return np.concatenate([one, rule, other])
