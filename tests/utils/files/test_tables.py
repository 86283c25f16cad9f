"""Lists and tables in small files, and every way in which they can be wrong."""

import json
import os

import pytest

from utils.errors import SemcoError
from utils.files.pickles import dump_pickle
from utils.files.tables import read_class_names, read_data, read_text

NAMES = ["cat", "ant, red", "größe"]


def test_class_names_in_every_format(tmp_path):
    dump_pickle(tmp_path / "a.pkl", NAMES)
    (tmp_path / "a.json").write_text(json.dumps(NAMES), encoding="utf-8")
    (tmp_path / "a.csv").write_text('cat\n"ant, red"\ngröße\n', encoding="utf-8")
    (tmp_path / "pairs.csv").write_text('cat,1\n"ant, red",2\ngröße,3\n', encoding="utf-8")
    (tmp_path / "a.txt").write_text("\ufeffcat\n\n  ant, red \r\ngröße", encoding="utf-8")
    for path in tmp_path.iterdir():
        assert read_class_names(path) == NAMES, path.name


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (["cat"], "two or more names, found 1"),
        ([], "two or more names, found 0"),
        (["cat", "dog", "cat"], "holds 'cat' 2 times"),
        ("cat", "expected a list"),
        (["cat", 3], "expected a list"),
        ({"cat": 1}, "expected a list"),
        (["cat", " "], "' ' is empty"),
    ],
)
def test_bad_class_lists(tmp_path, content, words):
    (tmp_path / "classes.json").write_text(json.dumps(content))
    with pytest.raises(SemcoError, match="class list") as caught:
        read_class_names(tmp_path / "classes.json")
    assert words in str(caught.value)


def test_a_quoted_cell_may_hold_a_line_break(tmp_path):
    (tmp_path / "a.csv").write_text('"a\nb",1\nc,2\n')
    assert read_data(tmp_path / "a.csv") == {"a\nb": "1", "c": "2"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{", "is no JSON"),
        ("a.json", b"\xff", "UTF-8"),
        ("a.txt", b"\xff", "UTF-8"),
        ("a.csv", b"a,b,c\n", "one or two columns"),
        ("a.csv", b"a,b\nc\n", "one or two columns"),
        ("a.csv", b"x" * 200_000, "is no CSV"),
        ("a.pkl", b"x", "no pickle"),
    ],
)
def test_damaged_files(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SemcoError) as caught:
        read_data(tmp_path / name)
    assert words in str(caught.value)
    assert name in str(caught.value)


def test_missing_files(tmp_path):
    for name in ("a.json", "a.csv", "a.txt", "a.pkl"):
        with pytest.raises(SemcoError, match="cannot read"):
            read_data(tmp_path / name)
    with pytest.raises(SemcoError, match="is a folder: expected a regular file"):
        read_text(tmp_path)


@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.txt", "a.pkl"])
def test_pipes_and_devices_are_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(SemcoError, match=f"{name} is a pipe"):
        read_data(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(SemcoError, match=f"{name} is a device"):
        read_data(tmp_path / name)


def test_text_of_a_terabyte(tmp_path):
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(2**40)  # no block of it is on the disk
    with pytest.raises(SemcoError, match="holds 1,048,576 MiB, expected at most 1,024 MiB"):
        read_data(tmp_path / "a.json")


def test_suffixes_in_any_case(tmp_path):
    (tmp_path / "A.JSON").write_text(json.dumps(NAMES), encoding="utf-8")
    (tmp_path / "A.CSV").write_text('cat,1\n"ant, red",2\ngröße,3\n', encoding="utf-8")
    (tmp_path / "A.TXT").write_text("\n".join(NAMES), encoding="utf-8")
    for name in ("A.JSON", "A.CSV", "A.TXT"):
        assert read_class_names(tmp_path / name) == NAMES
