from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.splits import SplitError, folder_split, read_table, split_of, table_split

SPLITS = ("train", "validation", "test")


@pytest.mark.parametrize(
    ("place", "split"),
    [
        ("train/a.mid", "train"),
        ("Validation/deep/er/a.mid", "validation"),
        ("valid/a.mid", "validation"),
        ("val/a.mid", "validation"),
        ("eval/a.mid", "validation"),
        ("TEST/a.mid", "test"),
        ("train/test/a.mid", "test"),
        ("trains/a.mid", ""),
        ("test.mid", ""),
        ("a.mid", ""),
    ],
)
def test_split_is_the_innermost_folder_of_that_name(place: str, split: str) -> None:
    assert folder_split(f"in/{place}") == split
    assert folder_split(f"in.zip:{place}") == split


@pytest.mark.parametrize("held_out", [(0.05, 0.05), (0.2, 0.1), (0.0, 0.5), (0.0, 0.0)])
def test_shares_of_the_pieces_are_held_out(held_out: tuple[float, float]) -> None:
    splits = [split_of(number, held_out) for number in range(4000)]
    shares = [splits.count(split) / 4000 for split in SPLITS]
    assert shares == pytest.approx([1 - sum(held_out), *held_out], abs=0.02)


def test_another_seed_holds_out_others() -> None:
    drawn = [{piece for piece in range(4000) if split_of(piece, seed=seed) == "test"} for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0] & drawn[2]) < 30


def test_larger_share_holds_out_what_the_smaller_one_did() -> None:
    small, large = (
        {piece for piece in range(4000) if split_of(piece, (share, 0)) == "validation"} for share in (0.1, 0.2)
    )
    assert small < large


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("groove.zip:groove/drummer1/a.mid", "train"),
        ("groove/drummer1/a.mid", "train"),
        ("x/drummer2/a.mid", "test"),
        ("deep/er/a.mid", "validation"),
        ("other.mid", ""),
        ("xa.mid", ""),
    ],
)
def test_table_is_matched_by_the_end_of_a_path_the_longest_first(name: str, split: str) -> None:
    assert table_split(name, {"drummer1/a.mid": "train", "drummer2/a.mid": "test", "a.mid": "validation"}) == split


def test_table_of_windows_paths_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "info.csv"
    path.write_bytes('\ufeffmidi_filename,split\r\n.\\b.mid,eval\r\n"a\\b, c.mid",TRAIN\r\n,test\r\n'.encode())
    assert read_table(path) == {"./b.mid".removeprefix("./"): "validation", "a/b, c.mid": "train"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", r"info\.csv has the columns none; a table of splits has 'split' and one of midi_filename"),
        ("midi_filename,style\na.mid,rock\n", "has the columns midi_filename, style;"),
        ("midi_filename,split\na.mid,train\nb.mid,dev\n", r"row 3: 'dev' is no split; it must be one of eval, test"),
        ("midi_filename,split\na.mid\n", "row 2: None is no split"),
    ],
)
def test_table_that_is_none_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "info.csv"
    path.write_text(content)
    with pytest.raises(SplitError, match=problem):
        read_table(path)
