"""Work that is killed goes on: the same command ends in the same bytes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from data_prep import prepare
from musevae.music.shards import DatasetError, read_manifest
from tests.data_prep.corpora import ONE_BAR, contents, tune, write_corpus, write_tunes

MODULE = import_module("data_prep.prepare")
ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

COMMAND = """
import signal, sys
from importlib import import_module
from data_prep import prepare
from tests.data_prep import corpora
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
    module, workers = import_module("data_prep.prepare"), int(sys.argv[3])
    module.CHUNK_FILES = 4
    if workers > 1:  # the one that is stopped on the way
        module.read_piece = corpora.slow
    prepare(sys.argv[1:2], sys.argv[2], corpora.ONE_BAR, workers=workers)
"""
KILLED_EVERYWHERE = """
import os, signal, sys, shutil
from importlib import import_module
from pathlib import Path
from data_prep import prepare
from tests.data_prep.corpora import ONE_BAR, contents

corpus, folder = map(Path, sys.argv[1:])
import_module("data_prep.prepare").CHUNK_FILES = 8
prepare([corpus], folder / "whole", ONE_BAR)

def killed(name, count):
    process = os.fork()
    if not process:
        function = getattr(os, name)
        def deadly(*arguments, **keywords):
            nonlocal count
            count -= 1
            if count < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **keywords)
        setattr(os, name, deadly)
        prepare([corpus], folder / "out", ONE_BAR)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])

for name in ("replace", "unlink", "rmdir"):
    count = 0
    while killed(name, count):
        if name != "rmdir":  # by then the dataset is whole
            prepare([corpus], folder / "out", ONE_BAR)
        assert contents(folder / "out") == contents(folder / "whole"), (name, count)
        assert not (folder / "out" / ".unfinished").exists() or name == "rmdir"
        shutil.rmtree(folder / "out")
        count += 1
    shutil.rmtree(folder / "out")
    print(name, count)
"""


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "in")


@posix
def test_killed_anywhere_it_goes_on_to_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    """Killed before each file takes its name, and before each is taken away."""
    process = python(KILLED_EVERYWHERE, corpus, tmp_path)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    points = {name: int(count) for name, count in map(str.split, printed.splitlines())}
    assert points["replace"] == 1 + 4 + 3 + 1 + 4  # plan, chunks, shards, manifest; shards and manifest in place
    assert points["unlink"] >= 5


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_stopped_with_workers_it_leaves_none_and_goes_on(corpus: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    process = python(COMMAND, corpus, out, 2)
    while not list(out.glob(".unfinished/*.chunk")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=20)  # ends when the last process that has its stdout does
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob(".unfinished/*.chunk")}
    assert 1 <= len(kept) < 7
    assert not (out / "manifest.json").exists()
    again = python(COMMAND, corpus, out, 1)
    assert (again.communicate(timeout=60)[1], again.returncode) == ("", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "CHUNK_FILES", 4)
        prepare([corpus], tmp_path / "whole", ONE_BAR)
    assert contents(out) == contents(tmp_path / "whole")


class FullDisk:
    """Stands for os.fsync: the disk is full after `files` files."""

    def __init__(self, files: int) -> None:
        self.files = files

    def __call__(self, handle: int) -> None:
        self.files -= 1
        if self.files < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def stopped(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a preparation found the disk full after two chunks."""
    monkeypatch.setattr(MODULE, "CHUNK_FILES", 4)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", FullDisk(3))
        with pytest.raises(OSError, match="No space left"):
            prepare([corpus], tmp_path / "out", ONE_BAR)
    return tmp_path / "out"


def test_full_disk_leaves_what_was_done_and_the_next_call_reads_the_rest_only(
    stopped: Path, corpus: Path, tmp_path: Path
) -> None:
    assert [path.name for path in sorted(stopped.glob(".unfinished/*.chunk"))] == ["0000000.chunk", "0000001.chunk"]
    told: list[int] = []
    prepare([corpus], stopped, ONE_BAR, progress=lambda done, total: told.append(done))
    assert told == [12, 16, 20, 24, 25]
    prepare([corpus], tmp_path / "whole", ONE_BAR)
    assert contents(stopped) == contents(tmp_path / "whole")
    assert not (stopped / ".unfinished").exists()


@pytest.mark.parametrize("options", [{"dedupe": "none"}, {"split_seed": 1}, {"tracks": ["a"]}, {"held_out": (0.1, 0)}])
def test_another_command_does_not_go_on_with_it(stopped: Path, corpus: Path, options: dict[str, Any]) -> None:
    before = contents(stopped / ".unfinished")
    with pytest.raises(DatasetError, match=r"out holds the unfinished work of another command .* or --force"):
        prepare([corpus], stopped, ONE_BAR, **options)
    assert contents(stopped / ".unfinished") == before


def test_changed_files_are_not_gone_on_with_but_for_force(stopped: Path, corpus: Path) -> None:
    write_tunes(corpus, {"00.mid": tune(60, 61, 62)})
    with pytest.raises(DatasetError, match="files since changed"):
        prepare([corpus], stopped, ONE_BAR)
    assert prepare([corpus], stopped, ONE_BAR, force=True).files == 25
    assert read_manifest(stopped)["sources"] == [{"name": "in", "files": 25}]
    assert not (stopped / ".unfinished").exists()


def test_force_goes_on_with_its_own_work(stopped: Path, corpus: Path) -> None:
    told: list[int] = []
    prepare([corpus], stopped, ONE_BAR, force=True, progress=lambda done, total: told.append(done))
    assert told[0] == 12


def test_failure_before_any_chunk_leaves_nothing(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", FullDisk(1))
    with pytest.raises(OSError, match="No space left"):
        prepare([corpus], tmp_path / "out", ONE_BAR)
    assert not (tmp_path / "out").exists()


def test_old_dataset_stays_until_the_new_one_is_whole(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare([write_tunes(tmp_path / "other", {"a.mid": tune(60)})], out, ONE_BAR)
    before = contents(out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", FullDisk(3))
        with pytest.raises(OSError, match="No space left"):
            prepare([corpus], out, ONE_BAR, force=True)
    assert contents(out) == before
