from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from data_prep import Report, prepare
from data_prep.fingerprint import fingerprint
from data_prep.pieces import Gain, Guard, Recipe, read_piece
from data_prep.sources import Source, SourceError
from data_prep.splits import split_of
from musevae.music.drums import DrumsRepresentation
from musevae.music.melody import MelodyRepresentation
from musevae.music.midi import read_midi
from musevae.music.note_sequence import Note, NoteSequence
from musevae.music.representation import Representation
from musevae.music.shards import DatasetError, read_manifest, read_split
from musevae.music.trio import TrioRepresentation
from tests.data_prep.corpora import ONE_BAR, contents, tune, write_tunes

MODULE = import_module("data_prep.prepare")  # `data_prep.prepare` is the function
SPLITS = ("train", "validation", "test")


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.mid")):
            archive.write(file, file.relative_to(folder).as_posix())
    return path


def pitches(dataset: Path, split: str = "train") -> list[int]:
    """The pitch at the beginning of each window."""
    return [int(window[0]) + 19 for window in read_split(dataset, split)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Forty tunes of two windows each, ten of them in folders that name a split."""
    tunes = {f"{index:02d}.mid": tune(30 + index, 90 - index) for index in range(30)}
    tunes |= {f"{('validation', 'test')[index % 2]}/{index}.mid": tune(70 + index, 80) for index in range(10)}
    return write_tunes(tmp_path / "corpus", tunes)


def test_windows_of_a_folder_become_a_dataset(tmp_path: Path, out: Path) -> None:
    source = write_tunes(tmp_path / "in", {"train/a.mid": tune(60, 62), "test/b.mid": tune(64)})
    report = prepare([source], out, ONE_BAR)
    assert {split: pitches(out, split) for split in SPLITS} == {"train": [60, 62], "validation": [], "test": [64]}
    assert report == Report(
        files=2,
        pieces={"train": 1, "validation": 0, "test": 1},
        windows={"train": 2, "validation": 0, "test": 1},
        duplicates={"train": 0, "validation": 0, "test": 0},
        statistics=report.statistics,
    )
    assert report.statistics["notes"] == 3


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
        expected[split_of(fingerprint(read_midi(file)))] += [30 + index, 90 - index]
    assert {split: pitches(out, split) for split in SPLITS} == expected


def test_manifest_says_how_pieces_were_split(corpus: Path, out: Path) -> None:
    prepare([corpus], out, ONE_BAR, held_out=(0.2, 0.3), split_seed=4)
    held_out = {"validation": 0.2, "test": 0.3}
    assert read_manifest(out)["split"] == {"table": False, "held_out": held_out, "seed": 4}


def test_table_says_the_splits_and_what_it_lacks_is_left_out(tmp_path: Path, out: Path) -> None:
    source = write_tunes(tmp_path / "in", {"train/a.mid": tune(60), "b.mid": tune(62), "c.mid": tune(64)})
    table = tmp_path / "info.csv"
    table.write_text("id,midi_filename,split\n1,train/a.mid,test\n2,b.mid,Validation\n")
    report = prepare([source], out, ONE_BAR, split_csv=table)
    assert {split: pitches(out, split) for split in SPLITS} == {"train": [], "validation": [62], "test": [60]}
    assert (report.skipped, report.examples) == ({"no split": 1}, {"no split": ["in/c.mid"]})


@pytest.mark.parametrize("held_out", [(0.5, 0.5), (-0.1, 0.1)])
def test_shares_that_leave_nothing_are_refused(corpus: Path, out: Path, held_out: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"try 0\.05,0\.05"):
        prepare([corpus], out, ONE_BAR, held_out=held_out)


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


def test_file_that_is_there_twice_counts_once(tmp_path: Path, out: Path) -> None:
    source = write_tunes(tmp_path / "train", {"a.mid": tune(60, 62), "b.mid": tune(64), "c.mid": tune(60, 62)})
    report = prepare([source], out, ONE_BAR, dedupe="none")
    assert pitches(out) == [60, 62, 64]
    assert (report.skipped, report.statistics["pieces"]) == ({"duplicate file": 1}, 2)


def test_versions_of_a_piece_count_as_one_piece(tmp_path: Path, out: Path) -> None:
    tunes = {"a.mid": tune(60, 62), "b.mid": tune(65, 67), "c.mid": tune(60, 67)}
    assert prepare([write_tunes(tmp_path / "train", tunes)], out, ONE_BAR).pieces["train"] == 2


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
    report = prepare([source], out, ONE_BAR)
    assert report.skipped == {"drums": 1, "metre": 1, "no notes": 1}
    assert report.examples == {"drums": ["train/b.mid"], "metre": ["train/c.mid"], "no notes": ["train/d.mid"]}
    assert read_manifest(out)["examples"] == report.examples


def stumble(source: Source, recipe: Recipe, guard: Guard) -> Gain:
    def windows(*_: object, **__: object) -> None:
        raise IndexError("out of bounds")

    object.__setattr__(recipe.representation, "windows", windows)
    return read_piece(source, recipe, guard)


def test_file_that_no_one_thought_of_costs_one_line(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "read_piece", stumble)
    with pytest.raises(DatasetError, match=r"left out: 1 failed"):
        prepare([write_tunes(tmp_path / "train", {"a.mid": tune(60)})], out, MelodyRepresentation(bars=1))


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


def interrupt(done: int, total: int) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("workers", [1, 2])
def test_interruption_leaves_no_process_and_no_dataset(
    corpus: Path, out: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(MODULE, "CHUNK_FILES", 4)
    with pytest.raises(KeyboardInterrupt):
        prepare([corpus], out, ONE_BAR, workers=workers, progress=interrupt)
    assert not multiprocessing.active_children()
    assert not list(out.glob("*.npy"))
    assert len(list(out.glob(".unfinished/*.chunk"))) == 1
    assert not (out / ".unfinished" / "reading").exists()


def test_unknown_way_of_deduplication_is_refused(corpus: Path, out: Path) -> None:
    with pytest.raises(ValueError, match="dedupe"):
        prepare([corpus], out, ONE_BAR, dedupe="exactly")


def test_tracks_are_chosen_by_name(tmp_path: Path, out: Path) -> None:
    both = NoteSequence.from_notes([*tune(60).notes, *tune(72, track=1).notes])
    source = write_tunes(tmp_path / "train", {"a.mid": replace(both, track_names=("lead", "flute"))})
    report = prepare([source], out, ONE_BAR, tracks=["flute"])
    assert pitches(out) == [72]
    assert report.skipped == {"track not chosen": 1}


def test_progress_is_told_after_each_chunk(corpus: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "CHUNK_FILES", 16)
    told: list[tuple[int, int]] = []
    prepare([corpus], out, ONE_BAR, progress=lambda done, total: told.append((done, total)))
    assert told == [(16, 40), (32, 40), (40, 40)]


def test_manifest_is_json_that_people_can_read(corpus: Path, out: Path) -> None:
    prepare([corpus], out, ONE_BAR)
    text = (out / "manifest.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
