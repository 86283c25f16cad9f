"""Output folders that cannot be written, and splits that would overwrite others."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tests.bad_inputs.case import BadInput, with_flags


def _table(part: str) -> Path:
    return Path(f"data/toy/labels/labels_{part}.feather")


def _rewrite(part: str, **columns: Sequence[str | None]) -> None:
    pd.read_feather(_table(part)).assign(**columns).to_feather(_table(part))


def _file_in_the_way() -> Sequence[str]:
    Path("runs").mkdir()
    Path("runs/toy").touch()
    return []


def _link_in_the_way() -> Sequence[str]:
    Path("runs").symlink_to("gone")
    return []


def _other_splits(name: str, content: bytes) -> Sequence[str]:
    Path("out").mkdir()
    Path("out", name).write_bytes(content)
    return []


def _folder_in_the_way() -> Sequence[str]:
    Path("out/toy_valid_data.pkl").mkdir(parents=True)
    return ["--force"]


def _split(name: str, flags: Sequence[str], *words: str) -> BadInput:
    return with_flags(f"split_maker: {name}", flags, *words, program="split")


CASES = [
    with_flags("output: below a file", ["--output-dir", "vectors.txt/runs"], "vectors.txt", "not a folder"),
    with_flags("output: a file", ["--output-dir", "vectors.txt"], "vectors.txt", "not a folder"),
    with_flags("output: no place for files", ["--output-dir", "/proc/semco"], "/proc", "may not be written"),
    with_flags("output: below a device", ["--output-dir", "/dev/null/runs"], "/dev/null", "not a folder"),
    BadInput("output: dataset's folder is a file", ("runs/toy", "not a folder"), _file_in_the_way),
    BadInput("output: dangling link", ("runs", "leads nowhere"), _link_in_the_way),
    _split("unknown flag", ["--randm-seed", "1"], "--randm-seed", "--random-seed"),
    _split("no image a class", ["--instances-per-label", "0"], "--instances-per-label"),
    _split("seed that is no number", ["--random-seed", "x"], "--random-seed", "'x'"),
    _split("negative seed", ["--random-seed", "-1"], "--random-seed", "-1"),
    _split("seed too large", ["--random-seed", str(2**32)], "--random-seed"),
    _split("unknown dataset", ["--dataset-name", "tyo"], "'tyo'"),
    _split("dataset name that climbs", ["--dataset-name", "../data/toy"], "--dataset-name", "../data/toy"),
    _split("output below a file", ["--output-path", "vectors.txt/out"], "vectors.txt"),
    _split("output in no place for files", ["--output-path", "/proc/out"], "/proc/out"),
    _split("path with a zero byte", ["--output-path", "a\0b"], "--output-path"),
    BadInput("split_maker: no label table", ("labels_test",), lambda: _table("test").unlink(), "split"),
    BadInput(
        "split_maker: damaged label table",
        ("labels_train", "cannot be read"),
        lambda: _table("train").write_bytes(b"x") and None,
        "split",
    ),
    BadInput("split_maker: no class at all", ("toy", "classes"), lambda: _rewrite("train", **{"class": None}), "split"),
    BadInput("split_maker: one class", ("toy", "1 class"), lambda: _rewrite("train", **{"class": "apple"}), "split"),
    BadInput("split_maker: no test image of a class", ("labels_test",), lambda: _rewrite("test", **{"class": None}), "split"),
    BadInput("split_maker: test class that train lacks", ("'pear'",), lambda: _rewrite("test", **{"class": "pear"}), "split"),
    BadInput(
        "split_maker: other splits",
        ("toy_classes.pkl", "--force"),
        lambda: _other_splits("toy_classes.pkl", b"\x80\x04]\x94(\x8c\x01a\x8c\x01be."),
        "split",
    ),
    BadInput(
        "split_maker: splits that run code",
        ("toy_classes.pkl", "os.system"),
        lambda: _other_splits("toy_classes.pkl", b"cos\nsystem\n(S'touch executed'\ntR."),
        "split",
    ),
    BadInput("split_maker: folder in the way", ("toy_valid_data.pkl", "folder"), _folder_in_the_way, "split"),
]  # fmt: skip
