from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from data_prep import Report, prepare
from data_prep.prepare import Piece, WorkerError, first_of_each, read_piece, split_of
from data_prep.sources import Source, SourceError
from musevae.music.drums import DrumsRepresentation
from musevae.music.melody import MelodyRepresentation
from musevae.music.midi import write_midi
from musevae.music.note_sequence import Note, NoteSequence
from musevae.music.representation import Representation
from musevae.music.shards import DatasetError, read_manifest, read_split
from musevae.music.trio import TrioRepresentation

MODULE = import_module("data_prep.prepare")  # `data_prep.prepare` is the function
ONE_BAR = MelodyRepresentation(bars=1)
SPLITS = ("train", "validation", "test")


def tune(*pitches: int, track: int = 0) -> NoteSequence:
    """A whole note, one bar, of each pitch."""
    return NoteSequence.from_notes(
        [Note(pitch, 4 * bar, 4 * bar + 4, track=track) for bar, pitch in enumerate(pitches)]
    )


def write_tunes(folder: Path, tunes: dict[str, NoteSequence]) -> Path:
    for name, sequence in tunes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_midi(sequence, folder / name)
    return folder


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.mid")):
            archive.write(file, file.relative_to(folder).as_posix())
    return path


def pitches(dataset: Path, split: str = "train") -> list[int]:
    """The pitch at the beginning of each window."""
    return [int(window[0]) + 19 for window in read_split(dataset, split)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Forty tunes of two windows each, ten of them in folders that name a split."""
    tunes = {f"{index:02d}.mid": tune(30 + index, 31 + index) for index in range(30)}
    tunes |= {f"{('validation', 'test')[index % 2]}/{index}.mid": tune(70 + index, 80) for index in range(10)}
    return write_tunes(tmp_path / "corpus", tunes)


def test_windows_of_a_folder_become_a_dataset(tmp_path: Path, out: Path) -> None:
    source = write_tunes(tmp_path / "in", {"train/a.mid": tune(60, 62), "test/b.mid": tune(64)})
    report = prepare([source], out, ONE_BAR)
    assert {split: pitches(out, split) for split in SPLITS} == {"train": [60, 62], "validation": [], "test": [64]}
    assert report == Report(
        files=2,
        windows={"train": 2, "validation": 0, "test": 1},
        duplicates={"train": 0, "validation": 0, "test": 0},
    )


def test_archive_gives_the_windows_of_its_folder(corpus: Path, tmp_path: Path) -> None:
    prepare([corpus], tmp_path / "folder", ONE_BAR)
    prepare([zipped(corpus)], tmp_path / "zip", ONE_BAR)
    for split in SPLITS:
        assert np.array_equal(read_split(tmp_path / "folder", split), read_split(tmp_path / "zip", split))


@pytest.mark.parametrize("dedupe", ["exact", "transposition", "none"])
def test_workers_do_not_change_a_byte(corpus: Path, tmp_path: Path, dedupe: str) -> None:
    (corpus / "broken.mid").write_bytes(b"MThd")
    for workers in (1, 2):
        prepare([corpus, zipped(corpus)], tmp_path / str(workers), ONE_BAR, workers=workers, dedupe=dedupe)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_manifest_says_what_the_dataset_is(corpus: Path, out: Path) -> None:
    prepare([corpus], out, ONE_BAR, tracks=["b", "a", ""])
    manifest = read_manifest(out)
    assert manifest["representation"] == {
        **{"name": "melody", "bars": 1, "steps_per_quarter": 4, "time_signature": [4, 4]},
        **{"min_pitch": 21, "max_pitch": 108, "max_chord_share": 0.1},
    }
    assert (manifest["window_shape"], manifest["dtype"]) == ([16], "uint8")
    assert manifest["sources"] == [{"name": "corpus", "files": 40}]
    assert (manifest["tracks"], manifest["dedupe"]) == (["", "a", "b"], "exact")
    assert str(out.parent) not in (out / "manifest.json").read_text()


# Splits


def test_without_folder_names_the_content_decides(corpus: Path, tmp_path: Path, out: Path) -> None:
    """Wherever a file lies and whatever it is called, it is in the same split."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in corpus.glob("*.mid"):
        file.rename(elsewhere / f"x{file.name}")
    prepare([elsewhere], out, ONE_BAR, dedupe="none")
    expected: dict[str, list[int]] = {split: [] for split in SPLITS}
    for index, file in enumerate(sorted(elsewhere.iterdir())):
        expected[split_of(file.read_bytes())] += [30 + index, 31 + index]
    assert {split: pitches(out, split) for split in SPLITS} == expected


def test_a_twentieth_of_the_pieces_each_is_held_out() -> None:
    splits = [split_of(str(number).encode()) for number in range(4000)]
    shares = [splits.count(split) / 4000 for split in SPLITS]
    assert shares == pytest.approx([0.9, 0.05, 0.05], abs=0.015)


# De-duplication

REPEATED = {"a.mid": tune(60, 62, 60), "b.mid": tune(62, 72)}


@pytest.mark.parametrize(
    ("dedupe", "kept"), [("none", [60, 62, 60, 62, 72]), ("exact", [60, 62, 72]), ("transposition", [60])]
)
def test_duplicates_within_a_split_are_dropped_and_counted(
    tmp_path: Path, out: Path, dedupe: str, kept: list[int]
) -> None:
    report = prepare([write_tunes(tmp_path / "train", REPEATED)], out, ONE_BAR, dedupe=dedupe)
    assert pitches(out) == kept
    assert report.duplicates["train"] == read_manifest(out)["duplicates"]["train"] == 5 - len(kept)


def test_what_is_in_two_splits_stays_in_both(tmp_path: Path, out: Path) -> None:
    source = write_tunes(tmp_path / "in", {"train/a.mid": tune(60), "test/a.mid": tune(60)})
    prepare([source], out, ONE_BAR)
    assert pitches(out, "train") == pitches(out, "test") == [60]


PATTERNS = [  # bars of (pitch, beat, beat); the second is the first transposed
    [(60, 0, 1), (64, 1, 4)],
    [(61, 0, 1), (65, 1, 4)],
    [(60, 0, 1), (65, 1, 4)],
    [(60, 0, 2), (64, 2, 4)],
    [(60, 0, 1), (64, 1, 3)],
    [(60, 0, 1), (64, 1, 2), (60, 2, 4)],
]


def test_transposition_makes_windows_of_equal_intervals_and_rhythm_alike(tmp_path: Path, out: Path) -> None:
    notes = [Note(p, 4 * bar + a, 4 * bar + b) for bar, pattern in enumerate(PATTERNS) for p, a, b in pattern]
    source = write_tunes(tmp_path / "train", {"a.mid": NoteSequence.from_notes(notes)})
    prepare([source], out, ONE_BAR, dedupe="exact")
    exact = read_split(out, "train").copy()
    prepare([source], out, ONE_BAR, dedupe="transposition", force=True)
    assert read_split(out, "train").tolist() == exact[[0, 2, 3, 4, 5]].tolist()


def band(melody: int, bass: int) -> NoteSequence:
    """One bar of a trio."""
    parts = [Note(melody, 0, 4), Note(bass, 0, 4, program=33, track=1), Note(36, 0, 1, is_drum=True, track=2)]
    return NoteSequence.from_notes(parts)


def test_trios_are_alike_if_melody_and_bass_are_transposed_together(tmp_path: Path, out: Path) -> None:
    tunes = {"a.mid": band(60, 40), "b.mid": band(62, 42), "c.mid": band(62, 40)}
    source = write_tunes(tmp_path / "train", tunes)
    report = prepare([source], out, TrioRepresentation(bars=1), dedupe="transposition")
    assert [window[0].tolist() for window in read_split(out, "train")] == [[41, 21, 1], [43, 21, 1]]
    assert report.duplicates["train"] == 1


@pytest.mark.parametrize("rows", [[[1, 2], [3, 4], [1, 2]], [[0, 0]], [[2, 1], [1, 2], [2, 1], [1, 2], [0, 1]]])
def test_first_of_each_keeps_the_order(rows: list[list[int]]) -> None:
    expected = [index for index, row in enumerate(rows) if row not in rows[:index]]
    assert first_of_each(np.array(rows, np.uint8)).tolist() == expected
    assert first_of_each(np.empty((0, 2), np.uint8)).tolist() == []


# Other representations


@pytest.mark.parametrize(
    "representation",
    [
        DrumsRepresentation(bars=1),
        DrumsRepresentation(bars=1, drum_classes=61, bits=True),
        TrioRepresentation(bars=1),
    ],
)
def test_dataset_of_any_representation_can_be_read(representation: Representation, tmp_path: Path, out: Path) -> None:
    source = write_tunes(tmp_path / "train", {"a.mid": band(60, 40), "b.mid": tune(60)})
    prepare([source], out, representation)
    events, manifest = read_split(out, "train"), read_manifest(out)
    assert (events.shape, events.dtype) == ((1, *representation.shape), representation.dtype)
    assert manifest["representation"] == json.loads(json.dumps({"name": representation.name, **asdict(representation)}))
    assert (manifest["skipped"].items()) >= {"no drums": 1}.items()


# What cannot be used


def test_what_cannot_be_read_is_counted_and_named_and_the_rest_is_prepared(tmp_path: Path, out: Path) -> None:
    source = write_tunes(tmp_path / "train", {"a.mid": tune(60)})
    (source / "empty.mid").touch()
    (source / "text.mid").write_text("no music")
    report = prepare([source], out, ONE_BAR)
    assert pitches(out) == [60]
    assert report.skipped["unreadable"] == 2
    assert list(report.unreadable) == ["train/empty.mid", "train/text.mid"]
    assert read_manifest(out)["skipped"] == {"unreadable": 2}
    assert "is empty" in read_manifest(out)["unreadable"]["train/empty.mid"]


def test_damaged_member_of_an_archive_is_counted(tmp_path: Path, out: Path) -> None:
    path = zipped(write_tunes(tmp_path / "in", {"train/a.mid": tune(60), "train/b.mid": tune(62)}))
    data = path.read_bytes()
    begin = data.index(b"MTrk")
    path.write_bytes(data[:begin] + bytes(4) + data[begin + 4 :])  # its checksum is now wrong
    report = prepare([path], out, ONE_BAR)
    assert pitches(out) == [62]
    assert list(report.unreadable) == ["in.zip:train/a.mid"]


def test_what_gives_no_windows_is_counted(tmp_path: Path, out: Path) -> None:
    drums = NoteSequence.from_notes([Note(36, 0, 4, is_drum=True)])
    waltz = NoteSequence.from_notes([Note(60, 0, 4)], time_signature=(3, 4))
    empty = NoteSequence.from_notes([])
    source = write_tunes(tmp_path / "train", {"a.mid": tune(60), "b.mid": drums, "c.mid": waltz, "d.mid": empty})
    assert prepare([source], out, ONE_BAR).skipped == {"drums": 1, "metre": 1, "no notes": 1}


def test_nothing_left_is_refused_with_the_reasons_and_nothing_is_written(tmp_path: Path, out: Path) -> None:
    source = write_tunes(tmp_path / "in", {"a.mid": tune(60), "b.mid": NoteSequence.from_notes([])})
    (source / "c.mid").touch()
    reasons = r"no window is left of 3 files \(left out: 1 no notes, 1 too short, 1 unreadable\)"
    with pytest.raises(DatasetError, match=reasons):
        prepare([source], out, MelodyRepresentation(bars=2))
    assert not out.exists()


def test_existing_dataset_is_replaced_only_by_force(tmp_path: Path, out: Path) -> None:
    source = write_tunes(tmp_path / "train", {"a.mid": tune(60)})
    prepare([source], out, ONE_BAR)
    before = contents(out)
    write_tunes(source, {"a.mid": tune(72)})
    with pytest.raises(DatasetError, match="already holds a dataset: choose another folder, or --force"):
        prepare([source], out, ONE_BAR)
    assert contents(out) == before
    prepare([source], out, ONE_BAR, force=True)
    assert pitches(out) == [72]


def test_unfinished_dataset_is_replaced_only_by_force(corpus: Path, out: Path) -> None:
    prepare([corpus], out, ONE_BAR)
    whole = contents(out)
    (out / "manifest.json").unlink()
    with pytest.raises(DatasetError, match=r"already holds an unfinished dataset: .* --force"):
        prepare([corpus], out, ONE_BAR)
    prepare([corpus], out, ONE_BAR, force=True)
    assert contents(out) == whole


def test_arrays_of_others_are_refused_even_by_force(corpus: Path, out: Path) -> None:
    out.mkdir()
    for name in ("train-00000.npy", "train-mine.npy"):
        (out / name).touch()
    with pytest.raises(DatasetError, match="no dataset's"):
        prepare([corpus], out, ONE_BAR, force=True)
    assert contents(out) == {"train-00000.npy": b"", "train-mine.npy": b""}


@pytest.mark.parametrize("inputs", [["nowhere"], ["in", "in/notes.txt"]])
def test_one_bad_input_is_refused_before_anything_is_read(tmp_path: Path, out: Path, inputs: Sequence[str]) -> None:
    (write_tunes(tmp_path / "in", {"a.mid": tune(60)}) / "notes.txt").touch()
    with pytest.raises(SourceError):
        prepare([tmp_path / name for name in inputs], out, ONE_BAR)
    assert not out.exists()


def test_no_workers_are_refused(corpus: Path, out: Path) -> None:
    with pytest.raises(ValueError, match="workers is 0; at least 1"):
        prepare([corpus], out, ONE_BAR, workers=0)


def die(source: Source, **_: object) -> Piece:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(source)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_dead_worker_is_told_and_nothing_is_written(corpus: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "read_piece", die)
    with pytest.raises(WorkerError, match=r"a worker process died, .* nothing was written: try fewer --workers"):
        prepare([corpus], out, ONE_BAR, workers=2)
    assert not out.exists()
    assert not multiprocessing.active_children()


def read_slowly(source: Source, *, representation: MelodyRepresentation, tracks: None) -> Piece:
    time.sleep(0.02)
    source.path.with_suffix(".read").touch()
    return read_piece(source, representation=representation, tracks=tracks)


def interrupt(done: int, total: int) -> None:
    raise KeyboardInterrupt


def test_interruption_leaves_the_rest_unread_and_no_process(
    corpus: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "read_piece", read_slowly)
    with pytest.raises(KeyboardInterrupt):
        prepare([corpus], out, ONE_BAR, workers=2, progress=interrupt)
    assert not multiprocessing.active_children()
    assert len(list(corpus.rglob("*.read"))) < 40
    assert not out.exists()


def test_unknown_way_of_deduplication_is_refused(corpus: Path, out: Path) -> None:
    with pytest.raises(ValueError, match="dedupe"):
        prepare([corpus], out, ONE_BAR, dedupe="exactly")


def test_tracks_are_chosen_by_name(tmp_path: Path, out: Path) -> None:
    both = NoteSequence.from_notes([*tune(60).notes, *tune(72, track=1).notes])
    source = write_tunes(tmp_path / "train", {"a.mid": replace(both, track_names=("lead", "flute"))})
    report = prepare([source], out, ONE_BAR, tracks=["flute"])
    assert pitches(out) == [72]
    assert report.skipped == {"track not chosen": 1}


def test_progress_is_told_after_each_file(corpus: Path, out: Path) -> None:
    told: list[tuple[int, int]] = []
    prepare([corpus], out, ONE_BAR, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 40) for done in range(1, 41)]


def test_manifest_is_json_that_people_can_read(corpus: Path, out: Path) -> None:
    prepare([corpus], out, ONE_BAR)
    text = (out / "manifest.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
