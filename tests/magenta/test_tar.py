from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musevae.magenta import tar
from musevae.magenta.errors import MagentaError
from musevae.magenta.variables import read_variables
from tests.magenta.bundles import random_variables, write_bundle

WRITTEN = random_variables("decoder/a", "decoder/a/Adam", "decoder/b", "encoder/c")
MODEL = {"decoder/a", "decoder/b", "encoder/c"}
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a checkpoint of two data shards."""
    folder = write_bundle(tmp_path_factory.mktemp("bundle") / "model.ckpt", WRITTEN, shards=2).parent
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w", format: str = "gnu") -> Path:
    with tarfile.open(path, mode, format=FORMATS[format]) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mtime = 1.5 if format == "pax" else 0  # makes an extended header
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("b.tar", "w:gz")])
@pytest.mark.parametrize("inside", ["", "./", "run/deep/"])
def test_checkpoint_in_an_archive_is_read(
    tmp_path: Path,
    files: dict[str, bytes],
    name: str,
    mode: str,
    format: str,
    inside: str,
) -> None:
    members = {f"{inside}{member}": data for member, data in files.items()} | {"README": b"unrelated"}
    read = read_variables(write_tar(tmp_path / name, members, mode, format))
    assert read.keys() == MODEL
    assert all(np.array_equal(array, WRITTEN[name]) for name, array in read.items())
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_name_of_up_to_255_characters_is_read(tmp_path: Path, files: dict[str, bytes]) -> None:
    members = {f"{'deep/' * 30}{name}": data for name, data in files.items()}
    assert read_variables(write_tar(tmp_path / "a.tar", members, format="ustar")).keys() == MODEL


def test_several_checkpoints_are_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    members = {f"{folder}/{name}": data for folder in "ab" for name, data in files.items()}
    with pytest.raises(MagentaError, match=r"a\.tar holds several checkpoints, 'a/model\.ckpt\.index', 'b/model"):
        read_variables(write_tar(tmp_path / "a.tar", members))


def test_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MagentaError, match=r"a\.tar holds no TensorFlow checkpoint: unpack it"):
        read_variables(write_tar(tmp_path / "a.tar", {"README": b"unrelated"}))


def test_missing_shard_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    members = {name: data for name, data in files.items() if not name.endswith("00001-of-00002")}
    with pytest.raises(MagentaError, match=r"a\.tar lacks 'model\.ckpt\.data-00001-of-00002'"):
        read_variables(write_tar(tmp_path / "a.tar", members))


@pytest.mark.parametrize("outside", ["../", "/", "run/../../"])
def test_names_that_lead_out_of_the_archive_are_ignored(tmp_path: Path, files: dict[str, bytes], outside: str) -> None:
    members = {f"{outside}{name}": data for name, data in files.items()}
    with pytest.raises(MagentaError, match="holds no TensorFlow checkpoint"):
        read_variables(write_tar(tmp_path / "a.tar", members))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_links_and_devices_are_ignored(tmp_path: Path, files: dict[str, bytes], kind: bytes) -> None:
    path = write_tar(tmp_path / "a.tar", {name: data for name, data in files.items() if name != "model.ckpt.index"})
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo("model.ckpt.index")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(MagentaError, match="holds no TensorFlow checkpoint"):
        read_variables(path)


def test_same_name_twice_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = write_tar(tmp_path / "a.tar", files)
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo("model.ckpt.index"))
    with pytest.raises(MagentaError, match=r"'model\.ckpt\.index' is there twice"):
        read_variables(path)


@pytest.mark.parametrize(
    ("limit", "problem"), [("MAX_BYTES", "unpacks to more than 2"), ("MAX_MEMBERS", "more than 2")]
)
def test_outsize_archives_are_refused(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, limit: str, problem: str
) -> None:
    monkeypatch.setattr(tar, limit, 2)
    with pytest.raises(MagentaError, match=problem):
        read_variables(write_tar(tmp_path / "a.tar", files))


@pytest.mark.parametrize("cut", [700, 1024, 1030, -11_000])
@pytest.mark.parametrize("packed", [False, True])
def test_archive_that_is_cut_short_is_refused(tmp_path: Path, files: dict[str, bytes], cut: int, packed: bool) -> None:
    path = write_tar(tmp_path / "a.tar", files | {"last": bytes(3000)})
    data = path.read_bytes()[:cut]
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(MagentaError, match=r"a\.tar"):
        read_variables(path)


@pytest.mark.parametrize("cut", [2, 12, 100, -200])
def test_gzip_that_is_cut_short_is_refused(tmp_path: Path, files: dict[str, bytes], cut: int) -> None:
    path = write_tar(tmp_path / "a.tgz", files, "w:gz")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(MagentaError, match=r"a\.tgz is damaged"):
        read_variables(path)


@settings(max_examples=150)
@given(
    place=st.floats(0, 1), gone=st.sampled_from([0, 1, 9, 512, 10**6]), new=st.binary(max_size=9), packed=st.booleans()
)
def test_damage_anywhere_is_noticed_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], place: float, gone: int, new: bytes, packed: bool
) -> None:
    path = write_tar(tmp_path_factory.mktemp("tar") / "a.tar", files, "w:gz" if packed else "w")
    data = path.read_bytes()
    at = int(place * len(data))
    path.write_bytes(data[:at] + new + data[at + gone :])
    try:
        read = read_variables(path)
    except MagentaError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - not always an error
    else:
        assert all(np.array_equal(read[name], WRITTEN[name]) for name in MODEL)
