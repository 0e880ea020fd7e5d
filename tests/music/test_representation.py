"""What training, figures and files rely on, whatever the representation."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from musevae.music import representation as module
from musevae.music.drums import DrumsRepresentation
from musevae.music.melody import MelodyRepresentation
from musevae.music.note_sequence import Note, NoteSequence, TimeSignature, concatenate
from musevae.music.representation import Representation
from musevae.music.trio import TrioRepresentation

REPRESENTATIONS = [
    MelodyRepresentation(),
    DrumsRepresentation(),
    DrumsRepresentation(bits=True),
    DrumsRepresentation(drum_classes=61, bits=True),
    TrioRepresentation(bars=2),
]
BAND = NoteSequence.from_notes(
    [
        *(Note(60 + beat, beat, beat + 0.5) for beat in range(12)),
        *(Note(40, 4 * bar, 4 * bar + 3, program=33, track=1) for bar in range(3)),
        *(Note(36, beat, beat, is_drum=True, track=2) for beat in range(12)),
    ]
)
every = pytest.mark.parametrize(
    "representation", REPRESENTATIONS, ids=lambda it: "-".join(map(str, (it.name, *it.shape)))
)


@every
def test_windows_have_the_shape_and_type_that_shards_have(representation: Representation) -> None:
    windows = representation.windows(BAND)
    assert windows.events.shape[1:] == representation.shape
    assert windows.events.dtype == representation.dtype
    assert windows.bars.tolist() in ([1, 2], [1, 2, 1, 2])  # the bass is a melody too
    assert (windows.events < np.array(representation.classes)).all()


@every
def test_piece_and_tune_give_the_same_windows(representation: Representation) -> None:
    tune = representation.tune_windows(BAND)
    assert np.array_equal(tune.events, representation.windows(BAND).events[:2])
    assert np.array_equal(tune.events, representation.to_events(BAND))


@every
def test_pieces_laid_out_a_few_at_a_time_give_the_same(
    representation: Representation, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = representation.windows(BAND)
    monkeypatch.setattr(module, "MAX_STEPS", 16)
    windows = representation.windows(BAND)
    assert np.array_equal(windows.events, expected.events)
    assert (windows.bars.tolist(), windows.skipped) == (expected.bars.tolist(), expected.skipped)


def test_windows_of_several_stretches_come_piece_by_piece() -> None:
    metres = (TimeSignature(0, 4, 4), TimeSignature(8, 3, 4), TimeSignature(11, 4, 4))
    band = replace(concatenate([BAND, BAND]), time_signatures=metres)
    windows, *alone = (
        MelodyRepresentation().windows(band.select(np.isin(band.track, tracks))) for tracks in ([0, 1], [0], [1])
    )
    assert np.array_equal(windows.events, np.concatenate([part.events for part in alone]))
    assert windows.bars.tolist() == [bar for part in alone for bar in part.bars.tolist()]
    assert alone[0].bars.tolist() == [1, 4, 5]


@every
def test_tokens_have_onsets_where_something_is_struck(representation: Representation) -> None:
    tokens = representation.tokens(representation.windows(BAND).events)
    onsets = representation.onsets(tokens)
    assert onsets.shape == tokens.shape
    assert tokens.dtype.kind in "iu"
    assert onsets[0].reshape(32, -1)[:, 0].tolist() == [step % 4 == 0 for step in range(32)]


@every
def test_lowering_moves_the_pitched_columns_alone(representation: Representation) -> None:
    events = representation.windows(BAND).events
    lowest = representation.at_lowest(events)
    assert (lowest.shape, lowest.dtype) == (events.shape, events.dtype)
    moved = (lowest != events).reshape(*events.shape[:2], -1).any(axis=(0, 1))
    assert moved.tolist() == [column < representation.pitched for column in range(len(moved))]


@every
def test_parameters_survive_json(representation: Representation) -> None:
    parameters = json.loads(json.dumps(asdict(representation)))
    assert type(representation)(**parameters) == representation
