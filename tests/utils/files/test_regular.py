"""Only regular files are opened; whatever else there is is named at once."""

import os
import socket

import pytest

from utils.errors import SemcoError
from utils.files import regular
from utils.files.regular import check_regular, open_handle, open_regular


@pytest.fixture
def odd(tmp_path):
    """One of each kind that is no regular file: kind -> path."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    kinds = {"a pipe": "pipe", "a folder": "folder", "a socket": "socket"}
    return {**{kind: tmp_path / name for kind, name in kinds.items()}, "a device": "/dev/zero"}


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a socket", "a device"])
def test_other_kinds_are_refused_at_once(odd, kind):
    """Opened in the ordinary way, the pipe would wait for ever and the device never end."""
    with pytest.raises(SemcoError, match=f"vectors .* is {kind}: expected a regular file"):
        check_regular(odd[kind], what="vectors")
    for mode in ("rb", "ab", "r+b"):
        for follow_links in (False, True):
            with pytest.raises(SemcoError, match=f"is {kind}"):
                open_regular(odd[kind], mode, follow_links=follow_links)


def test_files_are_opened_as_ever(tmp_path):
    path = tmp_path / "a.txt"
    with open_regular(path, "w", encoding="utf-8") as file:
        file.write("größe\n")
    with open_regular(path, "ab") as file:
        file.write(b"x")
    with open_regular(path, "r", encoding="utf-8") as file:
        assert file.read() == "größe\nx"
    assert check_regular(path) == path.stat().st_size == 9
    handle = open_handle(path, os.O_RDONLY)
    assert not os.get_inheritable(handle)
    os.close(handle)


@pytest.mark.parametrize("has_flag", [True, False])
def test_links_are_followed_only_where_it_is_said(tmp_path, monkeypatch, has_flag):
    if not has_flag:
        monkeypatch.setattr(regular, "_NO_FOLLOW", 0)
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"kept")
    link.symlink_to(target)
    for mode in ("rb", "wb", "ab"):
        with pytest.raises(SemcoError, match="link is a link: expected a regular file"):
            open_regular(link, mode)
    assert target.read_bytes() == b"kept"
    with open_regular(link, follow_links=True) as file:
        assert file.read() == b"kept"
    assert check_regular(link) == 4
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "new")
    with pytest.raises(SemcoError, match="is a link"):
        open_handle(dangling, os.O_WRONLY | os.O_CREAT)
    assert not (tmp_path / "new").exists()


def test_missing_and_too_large(tmp_path):
    path = tmp_path / "a"
    with pytest.raises(SemcoError, match=r"cannot read split .*a: No such file.*; check the path"):
        check_regular(path, what="split")
    with pytest.raises(FileNotFoundError):
        open_regular(path)
    with pytest.raises(SemcoError, match="cannot read"):
        check_regular("a\0b")
    with path.open("wb") as file:
        file.truncate(2**40)  # no block of it is on the disk
    with pytest.raises(SemcoError, match="holds 1,048,576 MiB, expected at most 1 MiB"):
        check_regular(path, most_bytes=2**20)
