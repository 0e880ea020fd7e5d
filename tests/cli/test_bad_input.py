"""Every bad input ends in one line `Error: ...`, the right exit status, and no file written or changed."""

import json
from pathlib import Path

import pytest

from musevae import NoteSequence, pretrained
from musevae.cli import options
from musevae.music.note_sequence import Note
from tests.cli.command import Command, Write

TUNE_COMMANDS = {
    "reconstruct": ["reconstruct", "BAD"],
    "reconstruct the second": ["reconstruct", "good.mid", "BAD"],
    "similar": ["similar", "BAD"],
    "encode": ["encode", "BAD"],
    "interpolate from": ["interpolate", "BAD", "good.mid"],
    "interpolate to": ["interpolate", "good.mid", "BAD"],
}
BAD_TUNES = {  # file -> part of the complaint
    "missing.mid": "no such file",
    "folder.mid": "folder",
    "empty.mid": "empty",
    "text.mid": "not a MIDI file",
    "truncated.mid": "truncated",
    "silent.mid": "no note",
    "drums.mid": "drums",
    "chords.mid": "chords",
    "waltz.mid": "3/4",
}


@pytest.fixture
def tunes(write: Write) -> None:
    good = write("good.mid").read_bytes()
    Path("folder.mid").mkdir()
    for name, content in {"empty.mid": b"", "text.mid": b"la la la", "truncated.mid": good[:40]}.items():
        Path(name).write_bytes(content)
    write("silent.mid", NoteSequence.from_notes([]))
    write("drums.mid", NoteSequence.from_notes([Note(36, i, i + 1, is_drum=True) for i in range(8)]))
    write("chords.mid", NoteSequence.from_notes([Note(pitch, i, i + 1) for i in range(8) for pitch in (60, 64, 67)]))
    write("waltz.mid", metre=(3, 4))


@pytest.mark.usefixtures("tunes")
@pytest.mark.parametrize(("name", "reason"), BAD_TUNES.items(), ids=BAD_TUNES)
@pytest.mark.parametrize("command", TUNE_COMMANDS.values(), ids=TUNE_COMMANDS)
def test_a_bad_tune_is_named_with_the_reason(
    musevae: Command, model_folder: Path, command: list[str], name: str, reason: str
) -> None:
    complaint = musevae.refuses(*(name if part == "BAD" else part for part in command), "-m", model_folder)
    assert complaint.startswith(f"Error: {name}")
    assert reason in complaint


@pytest.mark.parametrize(("option", "value"), [("--bar", "9"), ("--track", "9"), ("--track", "violin")])
def test_a_bar_or_track_that_is_not_there_is_refused(
    musevae: Command, model_folder: Path, write: Write, option: str, value: str
) -> None:
    assert value in musevae.refuses("reconstruct", write("a.mid"), "-m", model_folder, option, value)


BAD_VALUES = {
    "no tunes": ["sample", "-n", "0"],
    "fewer than none": ["sample", "-n", "-1"],
    "half a tune": ["sample", "-n", "1.5"],
    "too many": ["sample", "-n", str(options.MAX_TUNES + 1)],
    "cold": ["sample", "--temperature", "-0.1"],
    "no temperature": ["sample", "--temperature", "nan"],
    "endless temperature": ["sample", "--temperature", "inf"],
    "warm": ["sample", "--temperature", "warm"],
    "negative seed": ["sample", "--seed", "-1"],
    "huge seed": ["sample", "--seed", str(2**64)],
    "no tempo": ["sample", "--qpm", "0"],
    "output a tune": ["sample", "-o", "song.mid"],
    "output a file": ["sample", "-o", "a.mid.txt"],
    "unknown option": ["sample", "--temprature", "1"],
    "unknown command": ["smaple"],
    "one end": ["interpolate", "a.mid", "a.mid", "-n", "1"],
    "one tune": ["interpolate", "a.mid"],
    "nothing": ["reconstruct"],
    "too similar": ["similar", "a.mid", "--similarity", "1.1"],
    "unlike": ["similar", "a.mid", "--similarity", "-0.1"],
    "no similarity": ["similar", "a.mid", "--similarity", "nan"],
    "bar 0": ["similar", "a.mid", "--bar", "0"],
    "encode to a folder": ["encode", "a.mid", "-o", "folder"],
    "no dataset": ["evaluate", "tiny"],
    "unknown split": ["evaluate", "tiny", "--data", "ds", "--split", "training"],
    "no inputs": ["prepare", "-o", "ds"],
    "no output": ["prepare", "a.mid"],
    "no workers": ["prepare", "a.mid", "-o", "ds", "--workers", "0"],
    "unknown dedupe": ["prepare", "a.mid", "-o", "ds", "--dedupe", "fuzzy"],
    "no steps": ["train", "melody-2bar", "--data", "ds", "--run", "r", "--steps", "0"],
    "no threads": ["train", "melody-2bar", "--data", "ds", "--run", "r", "--threads", "0"],
}


@pytest.mark.parametrize("arguments", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_value_is_a_usage_error(musevae: Command, write: Write, arguments: list[str]) -> None:
    write("a.mid")
    Path("a.mid.txt").touch()
    Path("folder").mkdir()
    assert "--help" in musevae.refuses(*arguments, status=2)


BAD_MODELS = {  # name -> (file of the folder, its new content, part of the complaint)
    "config gone": ("config.json", None, "no config.json"),
    "config no JSON": ("config.json", b"{", "config.json"),
    "config a list": ("config.json", b"[]", "config.json"),
    "weights gone": ("model.safetensors", None, "no model.safetensors"),
    "weights empty": ("model.safetensors", b"", "damaged"),
    "weights text": ("model.safetensors", b"x" * 100, "damaged"),
}
MODEL_COMMANDS = {
    "sample": ["sample", "-m", "MODEL"],
    "reconstruct": ["reconstruct", "a.mid", "-m", "MODEL"],
    "encode": ["encode", "a.mid", "-m", "MODEL"],
    "decode": ["decode", "z.npz", "-m", "MODEL"],
    "evaluate": ["evaluate", "MODEL", "--data", "ds"],
}


@pytest.fixture
def broken(model_folder: Path) -> Path:
    """A copy of the tiny model, to be broken."""
    folder = Path("broken")
    folder.mkdir()
    for file in model_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.mark.parametrize(("file", "content", "reason"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_damaged_model_is_refused(
    musevae: Command, broken: Path, file: str, content: bytes | None, reason: str
) -> None:
    (broken / file).unlink() if content is None else (broken / file).write_bytes(content)
    complaint = musevae.refuses("sample", "-m", broken)
    assert "broken" in complaint
    assert reason in complaint


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [("format_version", 99, "update musevae"), ("flavour", "sweet", "flavour"), ("model", {"z_size": "8"}, "z_size")],
)
def test_a_newer_or_unknown_config_is_refused(
    musevae: Command, broken: Path, key: str, value: object, reason: str
) -> None:
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, key: value}))
    assert reason in musevae.refuses("sample", "-m", broken)


def test_weights_that_do_not_fit_are_refused(musevae: Command, broken: Path) -> None:
    config = json.loads((broken / "config.json").read_text())
    config["model"]["z_size"] = 9
    (broken / "config.json").write_text(json.dumps(config))
    assert "do not fit" in musevae.refuses("sample", "-m", broken)


@pytest.mark.parametrize("name", ["nowhere", "a.mid"])
@pytest.mark.parametrize("command", MODEL_COMMANDS.values(), ids=MODEL_COMMANDS)
def test_what_is_no_model_is_refused(musevae: Command, write: Write, command: list[str], name: str) -> None:
    write("a.mid")
    assert name in musevae.refuses(*(name if part == "MODEL" else part for part in command))


@pytest.mark.parametrize("device", ["cud", "tpu"])
def test_an_unknown_device_is_refused(musevae: Command, model_folder: Path, device: str) -> None:
    assert device in musevae.refuses("sample", "-m", model_folder, "--device", device)


def test_inputs_of_one_name_are_refused(musevae: Command, model_folder: Path, write: Write) -> None:
    complaint = musevae.refuses("reconstruct", write("a/x.mid"), write("b/x.mid"), "-m", model_folder, "--seed", "1")
    assert "x-reconstructed-s1.mid" in complaint


def test_an_unknown_model_is_answered_with_the_nearest_name(
    musevae: Command, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "BUNDLED", model_folder.parent)
    assert "did you mean tiny?" in musevae.refuses("sample", "-m", "tyni")
    assert "musevae train cat-mel_2bar_big" in musevae.refuses("sample", "-m", "cat-mel_2bar_big")
    musevae.succeeds("sample", "-m", "tiny", "-n", "1")


def test_an_existing_path_wins_over_a_bundled_name(
    musevae: Command, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "BUNDLED", model_folder.parent)
    Path("tiny").mkdir()
    assert "config.json" in musevae.refuses("sample", "-m", "tiny")
