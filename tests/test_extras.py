from __future__ import annotations

import pytest

from musevae.extras import extra


def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(ValueError, match=r"none_such .*pip install 'musevae\[parquet\]'"), extra("parquet"):
        import none_such.inner  # type: ignore[import-not-found] # noqa: F401
