"""import-magenta: what it writes, what it says, what it refuses."""

from pathlib import Path

import pytest

from musevae import load
from tests.cli.command import Command

PARITY = Path(__file__).parents[1] / "data" / "parity"
SMALL = PARITY / "cat-mel_2bar_small"


@pytest.mark.parametrize(
    ("checkpoint", "line"),
    [
        (SMALL, "out/model: cat-mel_2bar_small, 2 bars, z 8, 29,634 parameters"),
        (SMALL / "model.ckpt.index", "out/model: cat-mel_2bar_small, 2 bars, z 8, 29,634 parameters"),
        (PARITY / "js-mel_2bar", "out/model: cat-mel_2bar_small, 2 bars, z 8, 29,634 parameters"),
        (PARITY / "hierdec-trio_16bar", "out/model: hierdec-trio_16bar, 16 bars, z 8, 197,924 parameters"),
    ],
)
def test_checkpoint_becomes_a_model_folder_that_makes_music(musevae: Command, checkpoint: Path, line: str) -> None:
    printed = musevae.succeeds("import-magenta", checkpoint, "-o", "out/model")
    assert printed.splitlines() == [line, "hear it with: musevae sample -m out/model"]
    assert sorted(path.name for path in Path("out/model").iterdir()) == ["config.json", "model.safetensors"]
    musevae.succeeds("sample", "-m", "out/model", "-n", "2", "-o", "music", "--temperature", "1")
    assert len(list(Path("music").iterdir())) == 2


def test_half_the_bits_take_half_the_space(musevae: Command) -> None:
    for name, flags in {"whole": [], "half": ["--half"]}.items():
        musevae.succeeds("import-magenta", SMALL, "-o", name, *flags)
    whole, half = (Path(name, "model.safetensors").stat().st_size for name in ("whole", "half"))
    assert half < 0.6 * whole
    assert load("half").vae.num_parameters == load("whole").vae.num_parameters


def test_json_says_what_was_recognised(musevae: Command) -> None:
    assert musevae.json("import-magenta", PARITY / "nade-drums_2bar_reduced", "-o", "nade") == {
        "command": "import-magenta",
        "output": "nade",
        "config": "nade-drums_2bar_reduced",
        "bars": 2,
        "z_size": 8,
        "parameters": 11_681,
        "decodes_only": False,
    }


def test_settings_give_the_length(musevae: Command) -> None:
    musevae.succeeds("import-magenta", SMALL, "-o", "four", "--set", "representation.bars=4")
    assert load("four").sample(1, seed=0, temperature=1)[0].end_time == 16


def test_model_is_overwritten_only_by_force(musevae: Command) -> None:
    musevae.succeeds("import-magenta", SMALL, "-o", "model")
    assert "model holds a model: --force overwrites it" in musevae.refuses("import-magenta", SMALL, "-o", "model")
    musevae.succeeds("import-magenta", PARITY / "groovae_4bar", "-o", "model", "--force")
    assert load("model").config.preset == "groovae_4bar"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere"], "nowhere"),
        ([PARITY], "holds no checkpoint: give a TensorFlow checkpoint"),
        ([SMALL, "--config", "cat-mel_2bar_smal"], "did you mean cat-mel_2bar_small?"),
        ([SMALL, "--config", "hierdec-mel_16bar"], "its variables are not those of hierdec-mel_16bar"),
        ([SMALL, "--set", "model.z_size=9"], "has the shape (8, 32), not (9, 32)"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(
    arguments: list[str | Path], problem: str, musevae: Command
) -> None:
    assert problem in musevae.refuses("import-magenta", *arguments, "-o", "model")
