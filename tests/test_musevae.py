from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import musevae


@pytest.mark.parametrize(
    "module", ["musevae", "musevae.cli", "musevae.music.note_sequence", "data_prep", "data_prep.prepare"]
)
def test_import_loads_no_torch(module: str) -> None:
    script = f"import sys, {module}; print({{'torch', 'huggingface_hub'}} & set(sys.modules) or 'neither')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("neither\n", "")


@pytest.mark.parametrize("name", sorted(set(musevae.__all__) - {"__version__"}))
def test_public_name_is_that_of_its_module(name: str) -> None:
    assert getattr(musevae, name) is getattr(import_module(musevae._HOMES[name]), name)


def test_dir_lists_the_public_names_and_no_other_is_found() -> None:
    assert dir(musevae) == sorted(musevae.__all__)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = musevae.laod
