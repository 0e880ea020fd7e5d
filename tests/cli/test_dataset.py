"""prepare: what goes into a dataset and what is said about it."""

import zipfile
from pathlib import Path

import pytest

import data_prep
from musevae import open_dataset
from tests.cli.command import Command, Write


def test_prepare_says_what_went_in_and_what_did_not(musevae: Command, write: Write) -> None:
    write("tunes/train/up.mid", bars=5)
    write("tunes/validation/up.mid", bars=3)
    write("tunes/train/waltz.mid", metre=(3, 4))
    Path("tunes/train/broken.mid").write_bytes(b"MThd")
    printed = musevae.succeeds("prepare", "tunes", "-o", "ds").splitlines()
    assert printed[0] == "4 files read, 1 of them unreadable"
    assert printed[1].startswith("  tunes/train/broken.mid")
    assert printed[2:] == [
        "train: 4 windows of 1 piece, after 0 duplicates were dropped",
        "validation: 2 windows of 1 piece, after 0 duplicates were dropped",
        "test: 0 windows of 0 pieces, after 0 duplicates were dropped",
        "left out: 1 metre",
        "dataset: ds",
    ]
    assert {split: len(windows) for split, windows in open_dataset("ds").items()} == {
        "train": 4,
        "validation": 2,
        "test": 0,
    }


def test_json_holds_the_same(musevae: Command, write: Write) -> None:
    write("train/a.mid", bars=5)
    write("train/b.mid", bars=6)
    write("train/copy.mid", bars=5)
    report = musevae.json("prepare", "train", "-o", "ds")
    assert (report["files"], report["windows"]["train"], report["duplicates"]["train"]) == (3, 5, 4)
    assert report["skipped"] == {"duplicate file": 1}
    assert report["statistics"]["pieces"] == 2


def test_workers_do_not_change_a_byte(musevae: Command, write: Write) -> None:
    for index in range(5):
        write(f"train/{index}.mid", bars=3 + index)
    musevae.succeeds("prepare", "train", "-o", "one")
    musevae.succeeds("prepare", "train", "-o", "two", "--workers", "2")
    one, two = ({path.name: path.read_bytes() for path in Path(folder).iterdir()} for folder in ("one", "two"))
    assert one == two


def test_dataset_can_go_to_an_address(musevae: Command, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    write("in/a.mid", bars=4)
    printed = musevae.succeeds("prepare", "in", "-o", "memory://bucket/ds")
    assert printed.splitlines()[-1] == "dataset: memory://bucket/ds"
    assert memory.exists("/bucket/ds/manifest.json")
    memory.rm("/bucket", recursive=True)
    assert "gopher://ds cannot be opened" in musevae.refuses("prepare", "in", "-o", "gopher://ds")
    assert "is not on this disk" in musevae.refuses("dataset", "info", "memory://bucket/ds")


def test_archives_are_read_in_place(musevae: Command, write: Write) -> None:
    with zipfile.ZipFile("tunes.zip", "w") as archive:
        archive.write(write(bars=5), "validation/up.mid")
    assert musevae.json("prepare", "tunes.zip", "-o", "ds")["windows"] == {"train": 0, "validation": 4, "test": 0}


def test_dedupe_up_to_transposition(musevae: Command, write: Write) -> None:
    write("train/up.mid", bars=5)
    counts = [
        musevae.json("prepare", "train", "-o", mode, "--dedupe", mode)["windows"]["train"]
        for mode in ("none", "exact", "transposition")
    ]
    assert counts == [4, 4, 1]


def test_a_setting_changes_the_metre(musevae: Command, write: Write) -> None:
    waltz = write("train/waltz.mid", bars=6, metre=(3, 4))
    report = musevae.json("prepare", waltz, "-o", "ds", "--set", "representation.time_signature=3/4")
    assert report["windows"]["train"] == 7


def test_a_model_folder_says_which_representation(musevae: Command, model_folder: Path, write: Write) -> None:
    musevae.succeeds("prepare", write("train/up.mid", bars=5), "-o", "ds", "-m", model_folder)
    musevae.succeeds("evaluate", model_folder, "--data", "ds", "--split", "train")


def test_force_replaces_a_dataset(musevae: Command, write: Write) -> None:
    musevae.succeeds("prepare", write("one/train/up.mid", bars=5).parents[1], "-o", "ds")
    musevae.succeeds("prepare", write("two/train/longer.mid", bars=7).parents[1], "-o", "ds", "--force")
    assert len(open_dataset("ds")["train"]) == 6


def test_how_pieces_are_split_can_be_chosen(musevae: Command, write: Write) -> None:
    write("in/a.mid", bars=5)
    write("in/b.mid", bars=7)
    Path("info.csv").write_text("midi_filename,split\na.mid,test\nin/b.mid,train\n")
    by_table = musevae.json("prepare", "in", "-o", "table", "--split-csv", "info.csv")
    assert by_table["windows"] == {"train": 6, "validation": 0, "test": 4}
    by_hash = musevae.json("prepare", "in", "-o", "hash", "--held-out", "0,0.999999")
    assert by_hash["pieces"]["test"] == 2
    assert "0.05,0.05" in musevae.refuses("prepare", "in", "-o", "ds", "--held-out", "0.7,0.3", status=2)
    assert "no split" in musevae.succeeds("prepare", write(bars=5), "in/a.mid", "-o", "ds", "--split-csv", "info.csv")


def test_interrupted_it_says_how_to_go_on(musevae: Command, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    write("in/a.mid", bars=5)
    monkeypatch.setattr(data_prep, "prepare", interrupt)
    assert "the same command continues" in musevae.refuses("prepare", "in", "-o", "ds", status=130)
