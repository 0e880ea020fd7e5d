"""dataset info and dataset export: what they say, what they write, what they refuse."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from data_prep.statistics import Statistics
from musevae import NoteSequence, read_midi
from musevae.music.note_sequence import Note
from musevae.music.shards import read_split
from tests.cli.command import Command

NOTES = NoteSequence.from_notes([Note(60, 0, 1), Note(64, 1, 1.5), Note(36, 4, 5, is_drum=True)])
EXTRAS = {"parquet": "pyarrow", "huggingface": "datasets"}


def change(folder: Path, **values: Any) -> Path:  # noqa: ANN401 - JSON
    """Write keys into the manifest, or take them away where they are None."""
    manifest = {**json.loads((folder / "manifest.json").read_text()), **values}
    kept = {key: value for key, value in manifest.items() if value is not None}
    (folder / "manifest.json").write_text(json.dumps(kept))
    return folder


@pytest.fixture
def scales(dataset: Path) -> Path:
    """A dataset of 19 windows to train on and 9 to validate on, with statistics, in this test's folder."""
    statistics = Statistics.of(NOTES, read_split(dataset, "train"))
    return change(Path(shutil.copytree(dataset, "scales")), statistics=statistics.to_dict())


def test_info_says_what_is_in_a_dataset(musevae: Command, scales: Path) -> None:
    change(scales, pieces={"train": 1}, skipped={"chords": 4, "metre": 1}, examples={"metre": ["waltz.mid"]})
    change(scales, unreadable={"a.mid": "a.mid is empty: choose another file"})
    lines = musevae.succeeds("dataset", "info", scales).splitlines()
    assert lines[0] == "scales: melody, windows of 32 uint8"
    assert lines[1].startswith("representation: bars 2, steps_per_quarter 4, time_signature 4/4")
    assert lines[3:] == [
        "pieces: train 1",
        "windows: train 19, validation 9, test 0",
        "duplicates dropped (exact): train 0, validation 0, test 0",
        "left out: 4 chords",
        "left out: 1 metre",
        "  waltz.mid",
        "unreadable: a.mid is empty: choose another file",
        "statistics: 1 pieces, 3 notes, 19 windows",
        "",
        "notes by pitch, drums left out",
        f"{'60-71':>22} 100.0% {'#' * 40}",
        *lines[14:],
    ]
    assert lines[-3:] == ["", "pieces by length in bars", f"{'2-3':>22} 100.0% {'#' * 40}"]


def test_json_holds_the_manifest(musevae: Command, scales: Path) -> None:
    said = musevae.json("dataset", "info", scales)
    manifest = json.loads((scales / "manifest.json").read_text())
    assert said == {"command": "dataset info", "dataset": "scales", **manifest, "files": []}


def test_an_older_dataset_has_no_statistics(musevae: Command, scales: Path) -> None:
    change(scales, statistics=None, duplicates=None, skipped=None, unreadable=None, dedupe=None, sources=None)
    assert musevae.succeeds("dataset", "info", scales).splitlines()[-1].startswith("statistics: none")


def test_a_long_histogram_shows_its_fullest_rows(musevae: Command, scales: Path) -> None:
    drums = [Note(30 + i, i, i + 1, is_drum=True) for i in range(20) for _ in range(1 + (i > 8))]
    sequence = NoteSequence.from_notes(drums)
    change(scales, statistics=Statistics.of(sequence, read_split(scales, "test")).to_dict())
    shown = musevae.succeeds("dataset", "info", scales).partition("drum notes by pitch\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in shown.splitlines()] == ["30", *map(str, range(39, 50)), "others"]


def test_plot_draws_the_histograms(musevae: Command, scales: Path) -> None:
    pytest.importorskip("matplotlib")
    assert musevae.succeeds("dataset", "info", scales, "--plot", "plots/all.png").endswith("all.png\n")
    assert Path("plots/all.png").read_bytes().startswith(b"\x89PNG")


def test_listen_writes_windows_as_music(musevae: Command, scales: Path) -> None:
    files = musevae.json("dataset", "info", scales, "--listen", "3", "--seed", "7", "-o", "heard")["files"]
    assert files == [f"heard/scales-train-s7-00{i}.mid" for i in range(3)]
    tunes = [read_midi(file) for file in files]
    assert all(len(tune) == 8 and tune.end_time == 8 for tune in tunes)
    assert len({tune.pitch.tobytes() for tune in tunes}) == 3
    musevae.succeeds("dataset", "info", scales, "--listen", "3", "--seed", "7", "-o", "again")
    assert [read_midi(file.replace("heard", "again")) for file in files] == tunes


def test_listen_takes_the_split_that_is_meant(musevae: Command, scales: Path) -> None:
    musevae.succeeds("dataset", "info", scales, "--listen", "9", "--split", "validation", "--seed", "1")
    assert len(list(Path("out").glob("scales-validation-s1-00?.mid"))) == 9


@pytest.mark.parametrize(("form", "package"), EXTRAS.items())
def test_export_says_what_it_wrote(musevae: Command, scales: Path, form: str, package: str) -> None:
    pytest.importorskip(package)
    said = musevae.json("dataset", "export", scales, "-o", "new/out", "--format", form)
    assert {split: held["windows"] for split, held in said["splits"].items() if held["windows"]} == {
        "train": 19,
        "validation": 9,
    }
    assert all(Path(held["path"]).exists() for held in said["splits"].values())
    assert "--force" in musevae.refuses("dataset", "export", scales, "-o", "new/out", "--format", form)
    printed = musevae.succeeds("dataset", "export", scales, "-o", "new/out", "--format", form, "--force")
    assert printed.splitlines()[0].endswith("19 windows")


INFO, EXPORT = ["dataset", "info"], ["dataset", "export", "-o", "out", "--format", "parquet"]


@pytest.mark.parametrize("command", [INFO, EXPORT])
def test_what_is_no_dataset_is_refused(musevae: Command, command: list[str]) -> None:
    Path("file.txt").write_text("no dataset")
    assert "none is no dataset" in musevae.refuses(*command, "none")
    assert "file.txt is a file" in musevae.refuses(*command, "file.txt")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"windows": 3}, "manifest.json is damaged at 'windows'"),
        ({"statistics": {"notes": 1}}, "manifest.json: the statistics are damaged"),
        ({"skipped": [1]}, "damaged at 'skipped'"),
        ({"examples": "waltz"}, "damaged at 'examples'"),
    ],
)
def test_a_damaged_manifest_is_named(musevae: Command, scales: Path, damage: dict[str, Any], reason: str) -> None:
    change(scales, **damage)
    assert reason in musevae.refuses(*INFO, scales)


@pytest.mark.parametrize(
    ("arguments", "reason", "status"),
    [
        (["info", "--listen", "20"], "has 19 windows in 'train', fewer than 20", 1),
        (["info", "--listen", "1", "--split", "test"], "has 0 windows in 'test', fewer than 1", 1),
        (["info", "--listen", "0"], "--listen", 2),
        (["info", "--listen", "1", "--split", "dev"], "'dev' is not one of", 2),
        (["info", "--listen", "1", "-o", "file.txt/out"], "file.txt", 1),
        (["info", "--plot", "plot.nonsense"], "name it .png, .pdf or .svg", 1),
        (["info", "--plot", "file.txt/plot.png"], "file.txt", 1),
        (["info", "--plot", "there.png"], "there.png exists: --force", 1),
        (["export", "--format", "parquet"], "Missing option '-o'", 2),
        (["export", "-o", "out"], "Missing option '--format'", 2),
        (["export", "-o", "out", "--format", "csv"], "'csv' is not one of", 2),
        (["export", "-o", "file.txt/out", "--format", "parquet"], "file.txt", 1),
        (["inform"], "(musevae dataset --help)", 2),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    musevae: Command, scales: Path, arguments: list[str], reason: str, status: int
) -> None:
    if "--plot" in arguments:
        pytest.importorskip("matplotlib")
    Path("file.txt").write_text("no folder")
    Path("there.png").write_bytes(b"")
    assert reason in musevae.refuses("dataset", *arguments, scales, status=status)


def test_a_dataset_without_statistics_is_not_drawn(musevae: Command, scales: Path) -> None:
    assert "scales has no statistics" in musevae.refuses(*INFO, change(scales, statistics=None), "--plot", "plot.png")


def test_nothing_given_shows_the_commands(musevae: Command) -> None:
    result = musevae("dataset")
    assert result.exit_code == 2
    assert result.output.startswith("Usage: musevae dataset")


@pytest.mark.parametrize("command", ["info", "export"])
def test_every_command_of_the_group_has_help(musevae: Command, command: str) -> None:
    assert musevae.succeeds("dataset", command, "-h").startswith(f"Usage: musevae dataset {command}")
