"""Lines of plain and gzipped files."""

import gzip
import os

import pytest

from utils.errors import SemcoError
from utils.files.lines import first_bytes, is_gzip, lines

CONTENT = b"one\ntwo\r\n\nlast"


@pytest.mark.parametrize("zipped", [False, True])
def test_lines_keep_their_ends(tmp_path, zipped):
    (tmp_path / "a").write_bytes(gzip.compress(CONTENT) if zipped else CONTENT)
    assert list(lines(tmp_path / "a")) == [b"one\n", b"two\r\n", b"\n", b"last"]
    assert first_bytes(tmp_path / "a") == CONTENT
    assert is_gzip(tmp_path / "a") is zipped


def test_a_line_without_an_end(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(b"short\n" + bytes(3_000_000)))
    found = lines(tmp_path / "a")
    assert next(found) == b"short\n"
    with pytest.raises(SemcoError, match="line 2 does not end"):
        next(found)


def test_damage_is_named(tmp_path):
    (tmp_path / "cut").write_bytes(gzip.compress(CONTENT)[:-9])
    with pytest.raises(SemcoError, match="cut are cut short or damaged"):
        list(lines(tmp_path / "cut"))
    (tmp_path / "torn").write_bytes(b"\x1f\x8b\x08\0" + b"\xff" * 20)
    with pytest.raises(SemcoError, match="torn cannot be read"):
        first_bytes(tmp_path / "torn")


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for read in (is_gzip, first_bytes, lambda path: next(lines(path))):
        with pytest.raises(SemcoError, match="is a pipe"):
            read(tmp_path / "pipe")
