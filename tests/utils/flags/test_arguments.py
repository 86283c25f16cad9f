"""Files of flags: small text files, read once, and nothing else."""

import os

import pytest

from utils.errors import SemcoError
from utils.flags.parse import parse_config


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_comments_a_byte_order_mark_and_files_in_files(tmp_path):
    (tmp_path / "inner.flags").write_text("--mu 5  # five\n--train-split-pickle 'a b.pkl'\n")
    (tmp_path / "outer.flags").write_bytes(b"\xef\xbb\xbf# outer\n@inner.flags\n--thr 0.5\n")
    config = parse_config(["@outer.flags", "--mu", "6"])
    assert (config.mu, config.thr, config.train_split_pickle.name) == (6, 0.5, "a b.pkl")


def test_backslashes_in_quotes_escapes_and_comments_are_read_as_in_a_shell(tmp_path):
    (tmp_path / "a.flags").write_text("--train-split-pickle my\\ own.pkl  # not C:\\data\n--word-vec-path it\\'s.txt\n")
    config = parse_config(["@a.flags"])
    assert (config.train_split_pickle.name, config.word_vec_path.name) == ("my own.pkl", "it's.txt")


def test_a_file_whose_name_holds_a_backslash_can_be_named(tmp_path):
    (tmp_path / "a\\b.pkl").touch()
    assert parse_config(["--train-split-pickle", "a\\b.pkl"]).train_split_pickle.name == "a\\b.pkl"


def test_a_single_sign_is_an_argument_like_any_other():
    with pytest.raises(SemcoError, match="unrecognized arguments: @"):
        parse_config(["--train-split-pickle", "x.pkl", "@"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("@a.flags\n"), "reads itself"),
        (lambda path: path.write_text("--mu 3\n@a.flags\n@a.flags\n@a.flags\n"), "reads itself|more than"),
        (lambda path: path.write_bytes(b"--mu 3\n" * 200_000), "expected at most 1 MiB"),
        (lambda path: path.write_text("1\n" * 10_001), "holds more than 10,000 arguments"),
        (os.mkfifo, "is a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device"),
        (os.mkdir, "is a folder"),
        (lambda path: path.write_bytes(b"--mu \xff"), "not text in UTF-8"),
        (lambda path: None, "check the path"),
    ],
)
def test_what_is_no_file_of_flags_is_refused_at_once(tmp_path, make, words):
    make(tmp_path / "a.flags")
    with pytest.raises(SemcoError, match=words):
        parse_config(["@a.flags"])
