"""What a bad input is: a mistake made in a fresh folder, the program that meets it, and what its answer must name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import run_semco
import split_maker
from loaders.dataset.split import encode_split, read_split, write_content
from loaders.prepare import __main__ as prepare
from tests.support.datasets import make_dataset, write_split, write_vectors

CLASSES = ("apple", "oak tree", "sea")
TERMS = ("apple", "oak", "tree", "sea", "fish", "house")
PROGRAMS = {"run": run_semco.main, "split": split_maker.main, "prepare": prepare.main}
# All paths are relative: a case runs in its own folder.
FLAGS = {
    "run": [
        *("--dataset-path", "data", "--dataset-name", "toy", "--word-vec-path", "vectors.txt"),
        *("--train-split-pickle", "split.pkl", "--valid-split-pickle", "valid.pkl", "--classes-pickle", "classes.pkl"),
        *("--output-dir", "runs", "--wres-n", "10", "--wres-k", "1", "--bn-momentum", "0.05", "--n-epoches", "1"),
        *("--batch-size", "2", "--mu", "1", "--n-imgs-per-epoch", "4", "--im-size", "16", "--cropsize", "16"),
        *("--device", "cpu", "--no-amp", "--num-workers-per-gpu", "0", "--eps", "0"),
    ],
    "split": ["--dataset-path", "data", "--dataset-name", "toy", "--instances-per-label", "2", "--output-path", "out"],
    "prepare": ["imagefolder", "--source", "source", "--dataset-name", "fresh", "--output", "data"],
}


@dataclass(frozen=True)
class BadInput:
    """One mistake.

    `spoil`: makes it in the current folder, which holds what `furnish` wrote, and returns more flags for `program`;
    `words`: what the one line must contain.
    """

    name: str
    words: Sequence[str]
    spoil: Callable[[], Sequence[str] | None] = field(repr=False)
    program: str = "run"

    def run(self) -> int:
        """Make the mistake, then run the program; returns its exit code."""
        return PROGRAMS[self.program](self.arguments())

    def arguments(self) -> list[str]:
        """Make the mistake; returns the program's arguments."""
        return [*FLAGS[self.program], *(self.spoil() or ())]


def with_flags(name: str, flags: Sequence[str], *words: str, program: str = "run") -> BadInput:
    """A mistake that lies in the flags alone."""
    return BadInput(name, words, lambda: flags, program)


def with_file(name: str, path: str, content: bytes, *words: str, flags: Sequence[str] = (), program: str = "run"):
    """A mistake that lies in the bytes of one file, which must be named."""

    def spoil() -> Sequence[str]:
        Path(path).write_bytes(content)
        return flags

    return BadInput(name, (Path(path).name, *words), spoil, program)


def furnish(root: Path) -> None:
    """Write a dataset, word vectors, splits, a class list and class folders with which every program succeeds."""
    make_dataset(root / "data", "toy", CLASSES, train=4, test=2, size=16)
    write_vectors(root / "vectors.txt", TERMS, dim=8)
    write_split(root / "split.pkl", root / "data" / "toy", per_class=2)
    table = pd.read_feather(root / "data" / "toy" / "labels" / "labels_test.feather")
    validation = dict(zip(table["id"], table["class"], strict=True))
    write_content(root / "valid.pkl", encode_split("test", validation))
    write_content(root / "classes.pkl", sorted(CLASSES))
    noise = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("ant", "bee"):
            folder = root / "source" / part / name
            folder.mkdir(parents=True)
            for number in range(2):
                Image.fromarray(noise.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(folder / f"{number}.png")


def labelled() -> dict[str, str]:
    """The good split's content: file name -> class."""
    return read_split(Path("split.pkl")).classes


def an_image() -> Path:
    """A labelled training image of the good dataset."""
    return Path("data/toy/train") / next(iter(labelled()))
