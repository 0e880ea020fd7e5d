"""sample, interpolate, reconstruct, similar: what they write and what they say."""

import re
from pathlib import Path

import pytest

from musevae import read_midi
from tests.cli.command import Command, Write


def names(folder: str = "out") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_sample_writes_numbered_files_and_nothing_else(musevae: Command, model_folder: Path) -> None:
    printed = musevae.succeeds("sample", "-m", model_folder, "-n", "3", "--seed", "7")
    assert names() == [f"tiny-sample-s7-00{i}.mid" for i in range(3)]
    *files, summary = printed.splitlines()
    assert files == [f"out/{name}" for name in names()]
    assert summary == "model tiny, temperature 0.5, seed 7"
    assert all(len(read_midi(file)) for file in files)


def test_same_seed_gives_the_same_bytes(musevae: Command, model_folder: Path) -> None:
    for folder in ("a", "b"):
        musevae.succeeds("sample", "-m", model_folder, "-n", "2", "--seed", "3", "-o", folder)
    assert [Path("a", name).read_bytes() for name in names("a")] == [
        Path("b", name).read_bytes() for name in names("b")
    ]


def test_without_a_seed_a_fresh_one_is_printed_and_named(musevae: Command, model_folder: Path) -> None:
    seeds = [musevae.json("sample", "-m", model_folder, "-n", "1")["seed"] for _ in range(2)]
    assert seeds[0] != seeds[1]
    assert names() == sorted(f"tiny-sample-s{seed}-000.mid" for seed in seeds)


def test_json_is_one_object_and_names_every_file(musevae: Command, model_folder: Path) -> None:
    assert musevae.json("sample", "-m", model_folder, "-n", "1", "--seed", "5", "--temperature", "1") == {
        "command": "sample",
        "model": "tiny",
        "seed": 5,
        "temperature": 1.0,
        "redrawn": 0,
        "files": ["out/tiny-sample-s5-000.mid"],
    }


def test_sample_of_many_windows_is_one_long_file(musevae: Command, model_folder: Path) -> None:
    musevae.succeeds("sample", "-m", model_folder, "-n", "2", "--windows", "8", "--seed", "7")
    assert names() == ["tiny-sample-s7-000.mid", "tiny-sample-s7-001.mid"]
    assert {read_midi(Path("out", name)).end_time for name in names()} == {8 * 2 * 4}


def test_sample_takes_a_tempo(musevae: Command, model_folder: Path) -> None:
    (file,) = musevae.json("sample", "-m", model_folder, "-n", "1", "--qpm", "90")["files"]
    assert read_midi(file).qpm == pytest.approx(90, abs=1e-3)


def test_an_existing_file_is_kept_unless_forced(musevae: Command, model_folder: Path) -> None:
    command = ["sample", "-m", str(model_folder), "-n", "2", "--seed", "1"]
    musevae.succeeds(*command)
    Path("out/tiny-sample-s1-001.mid").write_bytes(b"mine")
    Path("out/tiny-sample-s1-000.mid").unlink()
    assert "--force" in musevae.refuses(*command)
    musevae.succeeds(*command, "--force")
    assert Path("out/tiny-sample-s1-001.mid").read_bytes() != b"mine"


def test_interpolate_writes_n_files_in_the_tempo_of_the_first(
    musevae: Command, model_folder: Path, write: Write
) -> None:
    a, b = write("a.mid", qpm=80), write("b.mid", qpm=100)
    musevae.succeeds("interpolate", a, b, "-m", model_folder, "-n", "5", "--seed", "2")
    assert names() == [f"a-b-interpolated-s2-00{i}.mid" for i in range(5)]
    assert read_midi("out/a-b-interpolated-s2-004.mid").qpm == pytest.approx(80, abs=1e-3)


def test_join_writes_one_file_of_all_in_a_row(musevae: Command, model_folder: Path, write: Write) -> None:
    a = write("a.mid")
    musevae.succeeds("interpolate", a, a, "-m", model_folder, "-n", "4", "--seed", "2", "--join", "--temperature", "0")
    assert names() == ["a-a-interpolated-s2.mid"]
    joined = read_midi("out/a-a-interpolated-s2.mid")
    assert joined.end_time == 4 * 8
    assert len(joined) % 4 == 0


def test_reconstruct_keeps_each_tunes_tempo(musevae: Command, model_folder: Path, write: Write) -> None:
    a, b = write("a.mid", qpm=80), write("b.mid", qpm=100)
    musevae.succeeds("reconstruct", a, b, "-m", model_folder, "--seed", "4")
    assert names() == ["a-reconstructed-s4.mid", "b-reconstructed-s4.mid"]
    tempos = [read_midi(f"out/{stem}-reconstructed-s4.mid").qpm for stem in "ab"]
    assert tempos == pytest.approx([80, 100], abs=1e-3)


def test_similar_writes_n_variations(musevae: Command, model_folder: Path, write: Write) -> None:
    report = musevae.json(
        "similar", write("a.mid"), "-m", model_folder, "-n", "2", "--similarity", "0.5", "--seed", "4"
    )
    assert names() == ["a-similar-s4-000.mid", "a-similar-s4-001.mid"]
    assert report["similarity"] == 0.5


def test_a_long_tune_is_read_from_its_first_bars_and_that_is_said(
    musevae: Command, model_folder: Path, write: Write
) -> None:
    printed = musevae.succeeds("reconstruct", write("long.mid", bars=5), "-m", model_folder)
    assert "long.mid: bars 1-2 of the melody (--bar N chooses others)" in printed.splitlines()


def test_bar_chooses_the_window(musevae: Command, model_folder: Path, write: Write) -> None:
    report = musevae.json("reconstruct", write("long.mid", bars=5), "-m", model_folder, "--bar", "3")
    assert report["excerpts"] == [{"name": "long.mid", "bar": 3, "bars": 2, "whole": False}]


def test_a_tune_of_the_window_is_read_whole_without_a_word(musevae: Command, model_folder: Path, write: Write) -> None:
    assert "bars" not in musevae.succeeds("reconstruct", write(), "-m", model_folder)


def test_names_need_not_be_ascii(musevae: Command, model_folder: Path, write: Write) -> None:
    musevae.succeeds("reconstruct", write("Frère 雪.mid"), "-m", model_folder, "--seed", "1")
    assert names() == ["Frère 雪-reconstructed-s1.mid"]


def test_a_run_folder_or_another_stands_for_a_model(
    musevae: Command, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_folder)
    files = musevae.json("sample", "-m", ".", "-n", "1", "--seed", "1", "-o", "../out-of-tiny")["files"]
    assert re.search(r"tiny-sample-s1-000.mid$", files[0])
