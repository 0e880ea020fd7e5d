"""TrainedModel: a model with its representation, and the verbs of music: sample, encode, interpolate and the rest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Generator, Tensor

from musevae import presets
from musevae.config import Config
from musevae.latent import slerp
from musevae.music.midi import from_pretty_midi, read_midi
from musevae.music.note_sequence import DEFAULT_QPM, NoteSequence, concatenate
from musevae.music.representation import Representation
from musevae.vaes import MusicVAE, save_model

if TYPE_CHECKING:
    import pretty_midi

Tune: TypeAlias = "str | os.PathLike[str] | NoteSequence | pretty_midi.PrettyMIDI | Excerpt"

DEFAULT_TEMPERATURE = 0.5
REDRAWS = 100  # of a sample without a note, before giving up
BATCH = 512


@dataclass(frozen=True)
class Excerpt:
    """The window of a tune that a model reads."""

    name: str
    events: NDArray[Any]  # (T, ...)
    bar: int  # number of its first bar, the tune's first being 1
    whole: bool  # whether it holds all the notes of the melody
    qpm: float


class TrainedModel:
    """A MusicVAE that takes and gives music; `vae` is the torch module beneath it.

    A tune is a path, a NoteSequence, a pretty_midi.PrettyMIDI or an Excerpt of one. The same `seed` gives the same
    music on the same machine; None draws a fresh one. Temperature 0 takes the most probable event at every step. `qpm`
    None keeps the tempo of the tune, of two that of the first.
    """

    def __init__(self, vae: MusicVAE, name: str) -> None:
        self.vae, self.name = vae, name

    @property
    def config(self) -> Config:
        """What the model is and where its weights come from."""
        return self.vae.config

    @cached_property
    def representation(self) -> Representation:
        """Which events stand for which music; ConfigError for a model that takes tensors only so far."""
        return presets.music(self.config)

    def __repr__(self) -> str:
        return f"TrainedModel({self.name!r}, {self.config.representation}, {self.vae.num_parameters:,} parameters)"

    def sample(
        self,
        n: int = 1,
        *,
        windows: int = 1,
        temperature: float = DEFAULT_TEMPERATURE,
        seed: int | None = None,
        qpm: float = DEFAULT_QPM,
    ) -> list[NoteSequence]:
        """`n` tunes decoded from the prior; one without a single note is drawn again.

        With several `windows`, a tune is so many in a row, on the great circle from one draw of the prior to another.
        """
        return self.sample_counting(n, windows=windows, temperature=temperature, seed=seed, qpm=qpm)[0]

    def sample_counting(
        self,
        n: int,
        *,
        windows: int = 1,
        temperature: float = DEFAULT_TEMPERATURE,
        seed: int | None = None,
        qpm: float = DEFAULT_QPM,
    ) -> tuple[list[NoteSequence], int]:
        """`sample`, and how many tunes had to be drawn again."""
        for name, asked in {"n": n, "windows": windows}.items():
            if asked < 1:
                raise ValueError(f"{name} is {asked}; at least 1 must be asked for")
        draw = self._generator(seed)
        events = self._sample(n, windows, temperature, draw)
        redrawn = 0
        for _ in range(REDRAWS):
            silent = ~self._struck(events)
            if not silent.any():
                break
            redrawn += int(silent.sum())
            events[silent] = self._sample(int(silent.sum()), windows, temperature, draw)
        return [concatenate(self._tune(window, qpm) for window in tune) for tune in events], redrawn

    def _sample(self, n: int, windows: int, temperature: float, draw: Generator) -> NDArray[np.int64]:
        """Events (n, windows, T, ...), each tune's windows on a path through the latent space."""
        z = self._prior(n, draw)
        if windows > 1:
            ends = zip(z, self._prior(n, draw), strict=True)
            z = torch.cat([self.path(start, end, windows) for start, end in ends]).to(z.dtype)
        events = self._decode(z, temperature, draw)
        return events.reshape(n, windows, *events.shape[1:])

    def _struck(self, events: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which tunes (N, ...) have anything struck in them, (N,)."""
        struck: NDArray[np.bool_] = self.representation.onsets(self.representation.tokens(events))
        struck = struck.reshape(len(events), -1)
        return np.any(struck, axis=1)  # type: ignore[no-any-return]

    def encode(
        self, tunes: Sequence[Tune], *, track: int | str | None = None, bar: int | None = None
    ) -> NDArray[np.float32]:
        """Posterior means (N, Z) float32 of the tunes' excerpts; see `excerpt`."""
        return self._encode(self._excerpts(tunes, track, bar))

    def _excerpts(self, tunes: Sequence[Tune], track: int | str | None, bar: int | None) -> list[Excerpt]:
        if not isinstance(tunes, Sequence) or isinstance(tunes, str):
            raise TypeError("tunes are given as a list: encode([tune])")
        return [self.excerpt(tune, track=track, bar=bar) for tune in tunes]

    def _encode(self, excerpts: Sequence[Excerpt]) -> NDArray[np.float32]:
        if not excerpts:
            raise ValueError("there is nothing to encode: give at least one tune")
        events = torch.from_numpy(np.stack([excerpt.events for excerpt in excerpts]).astype(np.int64)).to(self._device)
        with torch.inference_mode():
            means = [self.vae.posterior(batch).mu for batch in torch.split(events, BATCH)]
        return torch.cat(means).cpu().numpy()

    def decode(
        self,
        z: ArrayLike | Tensor,
        *,
        temperature: float = DEFAULT_TEMPERATURE,
        seed: int | None = None,
        qpm: float | Sequence[float] = DEFAULT_QPM,
    ) -> list[NoteSequence]:
        """A tune for each z (N, Z); `qpm` is one tempo for all or one for each."""
        points = (z.detach() if isinstance(z, Tensor) else torch.as_tensor(np.asarray(z))).float()
        if points.dim() != 2 or points.shape[1] != self.vae.z_size or not points.isfinite().all():
            raise ValueError(f"z must be finite and of shape (N, {self.vae.z_size}); this is {tuple(points.shape)}")
        events = self._decode(points.to(self._device), temperature, self._generator(seed))
        tempos = np.broadcast_to(np.asarray(qpm, np.float64), len(events)).tolist()
        return [self._tune(row, tempo) for row, tempo in zip(events, tempos, strict=True)]

    def reconstruct(
        self,
        tunes: Sequence[Tune],
        *,
        temperature: float = DEFAULT_TEMPERATURE,
        seed: int | None = None,
        qpm: float | None = None,
        track: int | str | None = None,
        bar: int | None = None,
    ) -> list[NoteSequence]:
        """Each tune's excerpt, encoded and decoded again."""
        excerpts = self._excerpts(tunes, track, bar)
        tempos = [qpm or excerpt.qpm for excerpt in excerpts]
        return self.decode(self._encode(excerpts), temperature=temperature, seed=seed, qpm=tempos)

    def interpolate(
        self,
        a: Tune,
        b: Tune,
        n: int = 9,
        *,
        temperature: float = DEFAULT_TEMPERATURE,
        seed: int | None = None,
        qpm: float | None = None,
        track: int | str | None = None,
        bar: int | None = None,
    ) -> list[NoteSequence]:
        """`n` tunes on the great circle from the posterior mean of `a` to that of `b`, both ends included."""
        excerpts = self._excerpts([a, b], track, bar)
        z = torch.from_numpy(self._encode(excerpts))
        return self.decode(self.path(z[0], z[1], n), temperature=temperature, seed=seed, qpm=qpm or excerpts[0].qpm)

    def path(self, start: Tensor, end: Tensor, n: int) -> Tensor:
        """`n` points (n, Z), both ends included, on the great circle between two points (Z,)."""
        if n < 2:
            raise ValueError(f"n is {n}; an interpolation has at least its 2 ends")
        return slerp(start, end, torch.linspace(0, 1, n, dtype=torch.float64))

    def similar(
        self,
        tune: Tune,
        n: int = 1,
        *,
        similarity: float = 0.8,
        temperature: float = DEFAULT_TEMPERATURE,
        seed: int | None = None,
        qpm: float | None = None,
        track: int | str | None = None,
        bar: int | None = None,
    ) -> list[NoteSequence]:
        """`n` variations: z at share `similarity` of the way from a draw of the prior (0) to the tune's mean (1)."""
        excerpt = self.excerpt(tune, track=track, bar=bar)
        mean, draw = torch.from_numpy(self._encode([excerpt]))[0], self._generator(seed)
        points = self.near(mean, n, similarity, draw)
        return [self._tune(row, qpm or excerpt.qpm) for row in self._decode(points.to(self._device), temperature, draw)]

    def near(self, mean: Tensor, n: int, similarity: float, draw: Generator) -> Tensor:
        """`n` points (n, Z), each at share `similarity` of the great circle from a draw of the prior to `mean` (Z,)."""
        if n < 1 or not 0 <= similarity <= 1:
            raise ValueError(f"n is {n}, similarity {similarity}; they must be at least 1 and within 0..1")
        return torch.stack([slerp(start, mean, similarity) for start in self._prior(n, draw).cpu()])

    def excerpt(self, tune: Tune, *, track: int | str | None = None, bar: int | None = None) -> Excerpt:
        """The window of a tune that the model reads: the first with a note, or the one that begins at `bar`.

        An Excerpt is its own. Raises MidiError or OSError for a file that cannot be read, ValueError, naming the tune,
        when it has no such window.
        """
        if isinstance(tune, Excerpt):
            return tune
        name, sequence = _sequence(tune)
        try:
            windows = self.representation.tune_windows(sequence, track=track, bar=bar)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        return Excerpt(
            name,
            windows.events[0],
            int(windows.bars[0]),
            bar is None and len(windows.events) == 1 and not windows.skipped,
            sequence.qpm,
        )

    def save(self, folder: str | Path, *, half: bool = False) -> None:
        """Write a model folder; `half` stores the weights in 16 bits."""
        save_model(Path(folder), self.vae, half=half)

    @property
    def _device(self) -> torch.device:
        return next(self.vae.parameters()).device

    def _generator(self, seed: int | None) -> Generator:
        generator = Generator(self._device)
        generator.manual_seed(seed) if seed is not None else generator.seed()
        return generator

    def _prior(self, n: int, draw: Generator) -> Tensor:
        return torch.randn(n, self.vae.z_size, generator=draw, device=self._device)

    def _decode(self, z: Tensor, temperature: float, draw: Generator) -> NDArray[np.int64]:
        presets.music(self.config)  # raises before the work where it would be for nothing
        events = [self.vae.decode(batch, temperature, draw) for batch in torch.split(z, BATCH)]
        return torch.cat(events).cpu().numpy()

    def _tune(self, events: NDArray[np.int64], qpm: float) -> NoteSequence:
        return self.representation.from_events(events, qpm=qpm)


def _sequence(tune: str | os.PathLike[str] | NoteSequence | pretty_midi.PrettyMIDI) -> tuple[str, NoteSequence]:
    """A tune's name for messages, and its notes."""
    if isinstance(tune, NoteSequence):
        return "the tune", tune
    if isinstance(tune, str | os.PathLike):
        return Path(tune).name, read_midi(tune)
    return "the tune", from_pretty_midi(tune)
