"""encode and decode: points of latent space in .npz files."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musevae import load, read_midi
from tests.cli.command import Command, Write


def test_encode_writes_the_posterior_means(musevae: Command, model_folder: Path, write: Write) -> None:
    tunes = [write("a.mid"), write("b.mid", bars=3)]
    printed = musevae.succeeds("encode", *tunes, "-m", model_folder, "-o", "new/z.npz")
    assert printed.splitlines()[-1] == "new/z.npz: z (2, 8) of model tiny"
    with np.load("new/z.npz", allow_pickle=False) as file:
        assert file["z"].dtype == np.float32
        assert np.array_equal(file["z"], load(model_folder).encode(tunes))
        assert file["names"].tolist() == ["a.mid", "b.mid"]
        assert file["model"] == "tiny"


def test_decode_gives_a_tune_for_each_point_in_its_tempo(musevae: Command, model_folder: Path, write: Write) -> None:
    musevae.succeeds("encode", write("a.mid", qpm=80), write("b.mid", qpm=100), "-m", model_folder)
    files = musevae.json("decode", "z.npz", "-m", model_folder, "--seed", "1")["files"]
    assert files == ["out/z-decoded-s1-000.mid", "out/z-decoded-s1-001.mid"]
    assert [read_midi(file).qpm for file in files] == pytest.approx([80, 100], abs=1e-3)


def test_z_alone_is_enough_to_decode(musevae: Command, model_folder: Path) -> None:
    np.savez("mine.npz", z=np.zeros((2, 8)))
    assert len(musevae.json("decode", "mine.npz", "-m", model_folder)["files"]) == 2


def test_decoding_with_another_model_is_noted(musevae: Command, model_folder: Path) -> None:
    np.savez("z.npz", z=np.zeros((1, 8)), model="other")
    result = musevae("decode", "z.npz", "-m", model_folder)
    assert (result.exit_code, result.stderr) == (0, "note: z.npz was encoded by other, not by tiny\n")


BAD_ARRAYS = {
    "without z": {"y": np.zeros((1, 8))},
    "of another size": {"z": np.zeros((1, 9))},
    "flat": {"z": np.zeros(8)},
    "empty": {"z": np.zeros((0, 8))},
    "not finite": {"z": np.full((1, 8), np.nan)},
    "words": {"z": np.full((1, 8), "z")},
    "pickled": {"z": np.array([[{}] * 8])},
}


@pytest.mark.parametrize("arrays", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_a_file_without_fitting_points_is_refused(musevae: Command, model_folder: Path, arrays: dict[str, Any]) -> None:
    np.savez("bad.npz", **arrays)
    assert "bad.npz" in musevae.refuses("decode", "bad.npz", "-m", model_folder)


@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY", b"PK\x03\x04"])
def test_a_file_that_is_no_npz_is_refused(musevae: Command, model_folder: Path, content: bytes) -> None:
    Path("bad.npz").write_bytes(content)
    assert "bad.npz" in musevae.refuses("decode", "bad.npz", "-m", model_folder)


def test_a_single_array_or_a_foreign_zip_is_refused(musevae: Command, model_folder: Path) -> None:
    np.save("bad.npy", np.zeros((1, 8)))
    with zipfile.ZipFile("bad.zip", "w") as archive:
        archive.writestr("z", "text")
    for name in ("bad.npy", "bad.zip"):
        assert name in musevae.refuses("decode", name, "-m", model_folder)


def test_encode_keeps_an_existing_file_unless_forced(musevae: Command, model_folder: Path, write: Write) -> None:
    Path("z.npz").write_bytes(b"mine")
    command = ["encode", str(write()), "-m", str(model_folder)]
    assert "z.npz" in musevae.refuses(*command)
    musevae.succeeds(*command, "--force")
