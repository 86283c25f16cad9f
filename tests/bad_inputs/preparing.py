"""Sources of datasets: class folders and idx files that cannot become a dataset folder."""

import gzip
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tests.bad_inputs.case import BadInput, with_flags

_IDX = ("mnist", "--source", "idx", "--dataset-name", "fresh", "--output", "data")


def _folders(name: str, spoil: Callable[[], object], *words: str) -> BadInput:
    def make() -> None:
        spoil()

    return BadInput(f"prepare: {name}", words, make, "prepare")


def _flags(name: str, flags: Sequence[str], *words: str) -> BadInput:
    return with_flags(f"prepare: {name}", flags, *words, program="prepare")


def _idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes() + array.tobytes()


def _mnist(name: str, file: str, content: bytes | None, *words: str) -> "IdxInput":
    """Four good idx files, one of them replaced, or removed."""

    def spoil() -> None:
        Path("idx").mkdir()
        for prefix in ("train", "t10k"):
            Path(f"idx/{prefix}-images-idx3-ubyte").write_bytes(_idx(np.zeros((20, 9, 9), np.uint8)))
            Path(f"idx/{prefix}-labels-idx1-ubyte").write_bytes(_idx(np.arange(20, dtype=np.uint8) % 10))
        Path("idx", file).unlink()
        if content is not None:
            Path("idx", file).write_bytes(content)

    return IdxInput(f"prepare mnist: {name}", words or (file,), spoil, "prepare")


class IdxInput(BadInput):
    """A mistake in idx files; another source than the class folders."""

    def arguments(self) -> list[str]:
        """Make the mistake; returns the program's arguments."""
        self.spoil()
        return list(_IDX)


def _rename_class(name: str) -> None:
    for part in ("train", "test"):
        Path("source", part, "ant").rename(Path("source", part, name))


def _image(to: str) -> Path:
    return Path("source/train/ant/0.png").rename(to)


_IMAGES, _LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
CASES = [
    with_flags("prepare: no source named", ["--sorce", "x"], "--sorce", "--source", program="prepare"),
    _flags("source is not there", ["--source", "gone"], "gone", "no folder"),
    _flags("source is a file", ["--source", "vectors.txt"], "vectors.txt", "no folder"),
    _flags("dataset name that climbs", ["--dataset-name", "../x"], "--dataset-name", "'../x'"),
    _flags("dataset name of dots", ["--dataset-name", ".."], "--dataset-name", "'..'"),
    _flags("dataset name with a line break", ["--dataset-name", "a\nb"], "--dataset-name", r"a\nb"),
    _flags("dataset that exists", ["--dataset-name", "toy"], "data/toy", "exists"),
    _flags("output below a file", ["--output", "vectors.txt/data"], "vectors.txt"),
    _flags("output in no place for files", ["--output", "/proc/data"], "/proc/data"),
    _folders("no train folder", lambda: Path("source/train").rename("elsewhere"), "source/train", "does not exist"),
    _folders("train is a file", lambda: (Path("source/train").rename("x"), Path("source/train").touch()), "source/train"),
    _folders("train and Training", lambda: Path("source/Training").mkdir(), "Training and train", "merge them"),
    _folders("Test and test", lambda: Path("source/Test").mkdir(), "Test and test", "merge them"),
    _folders(
        "unlabelled in test", lambda: Path("source/test/unlabeled").mkdir(), "test/unlabeled", "are training images"
    ),
    _folders("empty class", lambda: Path("source/train/wasp").mkdir(), "wasp", "no image"),
    _folders("class of test alone", lambda: Path("source/test/ant").rename("source/test/wasp"), "wasp"),
    _folders("one class", lambda: [Path(f"source/{part}/ant").rename(part) for part in ("train", "test")], "class"),
    _folders("line break in a class", lambda: _rename_class("ant\nerror"), r"ant\nerror"),
    _folders("terminal escape in a file name", lambda: _image("source/train/ant/\x1b[2J.png"), r"\x1b"),
    _folders("backslash in a file name", lambda: _image("source/train/ant/a\\0.png"), "a\\\\0.png"),
    _folders("file name not in UTF-8", lambda: _image(os.fsdecode(b"source/train/ant/\xff.png")), r"\udcff"),
    _folders("class name not in UTF-8", lambda: _rename_class(os.fsdecode(b"\xff")), r"\udcff"),
    _folders(
        "link that leads nowhere",
        lambda: (_image("kept.png"), Path("source/train/ant/0.png").symlink_to("gone.png")),
        "ant/0.png",
        "leads nowhere",
    ),
    _folders(
        "two images of one name",
        lambda: (Path("source/train/ant/a").mkdir(), _image("source/train/ant/a__1.png"),
                 Path("source/train/ant/1.png").rename("source/train/ant/a/1.png")),
        "ant__a__1.png",
    ),
    _mnist("images missing", _IMAGES, None),
    _mnist("images cut short", _IMAGES, _idx(np.zeros((20, 9, 9), np.uint8))[:-5], _IMAGES, "no intact idx file"),
    _mnist("images with more than they announce", _IMAGES, _idx(np.zeros((20, 9, 9), np.uint8)) + b"x", "no intact idx file"),
    _mnist("empty images", _IMAGES, b"", "no intact idx file"),
    _mnist("text for images", _IMAGES, b"no images", "no intact idx file"),
    _mnist("gzip cut short", _IMAGES, gzip.compress(_idx(np.zeros((20, 9, 9), np.uint8)))[:-9], "cannot be read"),
    _mnist("gzip with a torn body", _IMAGES, b"\x1f\x8b\x08\0\0\0\0\0\0\0" + b"\xff" * 30, "cannot be read"),
    _mnist("a hundred dimensions", _IMAGES, bytes([0, 0, 8, 100]) + struct.pack(">I", 1) * 100 + b"x", "no intact idx file"),
    _mnist("sizes that overflow", _IMAGES, bytes([0, 0, 8, 3]) + struct.pack(">III", 2**31, 2**31, 4), "no intact idx file"),
    _mnist("numbers that are no bytes", _IMAGES, bytes([0, 0, 13, 3]) + struct.pack(">III", 1, 1, 1) + b"xxxx", "no intact idx"),
    _mnist("images of no size", _IMAGES, _idx(np.zeros((20, 0, 9), np.uint8)), "train"),
    _mnist("labels that no class has", _LABELS, _idx(np.full(20, 11, np.uint8)), "train", "do not fit"),
    _mnist("fewer labels than images", _LABELS, _idx(np.zeros(19, np.uint8)), "train", "do not fit"),
    _mnist("gzip bomb", _IMAGES, gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 9, 9) + bytes(5 * 10**7)), "idx"),
]  # fmt: skip
