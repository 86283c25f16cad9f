"""The formats in which files of word vectors are written."""

import contextlib
import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from utils.errors import SemcoError
from utils.files.pickles import dump_large_pickle
from utils.words.blocks import VectorBlock

# 9 significant digits are what a float32 needs to come back the same.
_NUMBER = "%.9g"
PICKLE_INSTEAD = "write a .pkl instead"


@dataclass(frozen=True)
class Content:
    """Vectors to be written: `count` terms of `dim` dimensions, a block at a time; to be packed with gzip or not."""

    count: int
    dim: int
    blocks: Iterable[VectorBlock]
    gzipped: bool


def resolve_layout(path: Path, layout: str) -> str:
    """Return the layout of a file: as asked for, or the usual one for its suffix.

    Raises:
        SemcoError: the suffix is unknown, or would make readers take the file for another layout.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    plain = suffixes[:-1] if suffixes[-1:] == [".gz"] else suffixes
    usual = SUFFIXES.get(plain[-1] if plain else "")
    is_text = usual == "numberbatch"
    if usual is None or (plain != suffixes and not is_text):
        known = ", ".join([*SUFFIXES, *(f"{suffix}.gz" for suffix, name in SUFFIXES.items() if name == "numberbatch")])
        raise SemcoError(f"{path} does not say in which format to write: let it end in one of {known}")
    if layout == "auto":
        return usual
    if layout != usual and not (is_text and layout in _TEXT_LAYOUTS):
        raise SemcoError(f"{path} would not be read as {layout}: choose a suffix that suits --format {layout}")
    return layout


def _write_pickle(path: Path, content: Content) -> None:
    """Write a dict from term to float32 vector (D,): rows of one matrix, so that half a million need little more than it."""
    matrix = np.empty((content.count, content.dim), dtype=np.float32)
    terms: list[str] = []
    for block in content.blocks:
        matrix[len(terms) : len(terms) + len(block)] = block.vectors
        terms += block.terms
    with path.open("wb") as file:
        dump_large_pickle(file, dict(zip(terms, matrix, strict=True)))


def _write_csv(path: Path, content: Content) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        # Not bare numbers: a header of numbers would be taken for a class.
        writer.writerow(["class", *(f"d{place}" for place in range(1, content.dim + 1))])
        for term, row in _rows(content):
            writer.writerow([term, *(_NUMBER % value for value in row)])


def _text_writer(*, header: bool, prefix: str = "") -> Callable[..., None]:
    def write(path: Path, content: Content) -> None:
        line = " ".join([_NUMBER] * content.dim)
        with _open_text(path, gzipped=content.gzipped) as file:
            if header:
                file.write(f"{content.count} {content.dim}\n")
            for term, row in _rows(content):
                if not term or "\n" in term:
                    raise SemcoError(f"the term {term!r} cannot stand in a text file: {PICKLE_INSTEAD}")
                file.write(f"{prefix}{term} {line % tuple(row)}\n")

    return write


def _rows(content: Content) -> Iterator[tuple[str, list[float]]]:
    for block in content.blocks:
        yield from zip(block.terms, block.vectors.tolist(), strict=True)


@contextlib.contextmanager
def _open_text(path: Path, *, gzipped: bool) -> Iterator[TextIO]:
    if not gzipped:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        return
    # No name and no time in the file: equal vectors give equal bytes.
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as file,
    ):
        yield file


SUFFIXES = {
    ".pkl": "pickle", ".pickle": "pickle", ".p": "pickle", ".csv": "csv", ".txt": "numberbatch", ".vec": "numberbatch",
}  # fmt: skip
_TEXT_LAYOUTS = {
    "numberbatch": _text_writer(header=True),
    "conceptnet": _text_writer(header=True, prefix="/c/en/"),
    "glove": _text_writer(header=False),
}
LAYOUTS: dict[str, Callable[..., None]] = {"pickle": _write_pickle, "csv": _write_csv, **_TEXT_LAYOUTS}
