from __future__ import annotations

from pathlib import Path

import pytest
from drawn_pictures import write_folder, write_zip

from musevae.images import albums
from musevae.images.albums import Album, folder_album, zip_album
from musevae.images.image_set import ImageDataError

FILES = {
    "b.jpg": b"b",
    "a/B.PNG": b"ab",
    "a/c/d.webp": b"acd",
    "readme.txt": b"not a picture",
    ".hidden.jpg": b"of a system",
    "a/.thumbnails/b.jpg": b"of a file manager",
    "__MACOSX/._b.jpg": b"of a Mac",
}
PICTURES = {"a/B.PNG": b"ab", "a/c/d.webp": b"acd", "b.jpg": b"b"}


def contents(album: Album) -> dict[str, bytes]:
    with album.opened() as read:
        return {name: read(name) for name in album.stamps}


@pytest.fixture(params=["folder", "zip"])
def album(request: pytest.FixtureRequest, tmp_path: Path) -> Album:
    if request.param == "zip":
        return zip_album(write_zip(tmp_path / "pictures.zip", FILES))
    return folder_album(write_folder(tmp_path / "pictures", FILES))


def test_pictures_are_found_in_order_wherever_they_lie(album: Album) -> None:
    assert list(contents(album).items()) == list(PICTURES.items())


def test_folder_and_zip_name_their_pictures_alike(tmp_path: Path) -> None:
    folder, zipped = write_folder(tmp_path / "a", FILES), write_zip(tmp_path / "a.zip", FILES)
    assert list(folder_album(folder).stamps) == list(zip_album(zipped).stamps)


def test_stamp_changes_with_the_content(tmp_path: Path) -> None:
    def stamps(content: bytes) -> set[str]:
        files = {"a.jpg": content}
        folder, zipped = write_folder(tmp_path / "a", files), write_zip(tmp_path / "a.zip", files)
        return {folder_album(folder).stamps["a.jpg"], zip_album(zipped).stamps["a.jpg"]}

    assert not stamps(b"one") & stamps(b"three")


def test_stamp_changes_when_a_picture_becomes_readable(tmp_path: Path) -> None:
    """A picture that could not be read was once left out for good, its size and time being the same afterwards."""
    path = write_folder(tmp_path, {"a.jpg": b"a"}) / "a.jpg"
    path.chmod(0o000)
    before = folder_album(tmp_path).stamps
    path.chmod(0o644)
    assert folder_album(tmp_path).stamps != before


def test_huge_file_is_not_read(album: Album, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(albums, "MAX_BYTES", 1)
    with album.opened() as read, pytest.raises(ImageDataError, match="has 3 bytes; of a picture at most 1 are read"):
        read("a/c/d.webp")


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_truncated_zip_is_named(tmp_path: Path, share: float) -> None:
    path = write_zip(tmp_path / "pictures.zip", FILES)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ImageDataError, match=r"pictures\.zip is a damaged \.zip"):
        zip_album(path)


def test_damaged_member_of_a_zip_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "pictures.zip", {"a.jpg": b"content of a", "b.jpg": b"content of b"})
    path.write_bytes(path.read_bytes().replace(b"content of a", b"Content of a"))
    with zip_album(path).opened() as read:
        assert read("b.jpg") == b"content of b"
        with pytest.raises(ImageDataError, match=r"is damaged in its \.zip .*CRC"):
            read("a.jpg")


def test_link_to_nothing_is_an_error_only_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with folder_album(tmp_path).opened() as read, pytest.raises(FileNotFoundError):
        read("a.jpg")


def test_folder_that_is_linked_is_read_as_itself(tmp_path: Path) -> None:
    write_folder(tmp_path / "pictures", FILES)
    (tmp_path / "link").symlink_to(tmp_path / "pictures")
    assert contents(folder_album(tmp_path / "link")) == PICTURES
