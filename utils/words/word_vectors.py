"""Word vectors: a file -> its vocabulary, and the vectors of the terms asked for."""

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.errors import SemcoError
from utils.files.lines import first_bytes
from utils.files.pickles import load_pickle
from utils.progress import Progress
from utils.words.blocks import VectorBlock, as_float32, check_vectors, gather_blocks
from utils.words.foreign import check_not_foreign
from utils.words.terms import spell
from utils.words.text import TextVectors

_PICKLE_SUFFIXES = {".pkl", ".pickle", ".p"}


class WordVectors(Protocol):
    """An opened file of word vectors.

    `terms`: the vocabulary, in the file's order; `dim`: D.
    """

    terms: list[str]
    dim: int

    def select(self, terms: Sequence[str]) -> np.ndarray:
        """Return the vectors of `terms`, float32 (n, D), checked to be finite and not zero."""

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all terms once, in the file's order, with their vectors, which nobody has checked."""


def open_word_vectors(path: Path, progress: Progress | None = None, *, suffix: str | None = None) -> WordVectors:
    """Open a pickled dict, a Numberbatch, word2vec or GloVe text (also gzipped), or a CSV of class attributes.

    Args:
        suffix: read the file as if its name ended in this.

    Raises:
        SemcoError: the file is missing, damaged, cut short, or of a format that is not read.
    """
    # Not Path.is_file, which raises where a folder on the way may not be read.
    if not os.path.isfile(path):  # noqa: PTH113
        raise SemcoError(f"word vectors {path} do not exist or are not a file: set --word-vec-path or SEMCO_WV_PATH")
    head = first_bytes(path)
    if not head:
        raise SemcoError(f"word vectors {path} are empty: fetch the file again")
    check_not_foreign(path, head)
    suffix = (path.suffix if suffix is None else suffix).lower()
    if suffix in _PICKLE_SUFFIXES or head[:1] == b"\x80":
        return _PickledVectors(path)
    if suffix == ".csv":
        return _AttributeVectors(path)
    return TextVectors(path, progress or Progress(enabled=False))


class _PickledVectors:
    """A pickled dict from term to vector."""

    def __init__(self, path: Path) -> None:
        content = load_pickle(path)
        if not isinstance(content, dict) or not content or not all(isinstance(term, str) for term in content):
            raise SemcoError(f"word vectors {path}: expected a pickled dict from term to vector")
        self._path = path
        self._vectors = content
        self.terms = list(content)
        self.dim = len(self._vector(self.terms[0]))

    def select(self, terms: Sequence[str]) -> np.ndarray:
        """Return the vectors of `terms`, float32 (n, D)."""
        return check_vectors(np.stack([self._row(term) for term in terms]), terms, self._path)

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all terms once, in the file's order, with their vectors."""
        return gather_blocks((term, self._row(term)) for term in self.terms)

    def _row(self, term: str) -> np.ndarray:
        row = self._vector(term)
        if len(row) != self.dim:
            raise SemcoError(
                f"word vectors {self._path}: the vector of {term[:50]!r} has {len(row)} numbers, expected {self.dim}"
            )
        return row

    def _vector(self, term: str) -> np.ndarray:
        """Return one vector, float32 (n,), checked before NumPy sees it: lists within lists could be endless."""
        raw = self._vectors[term]
        if isinstance(raw, np.ndarray):
            is_flat = raw.ndim == 1 and raw.dtype.kind in "fiu"
        else:
            is_flat = isinstance(raw, (list, tuple)) and all(
                isinstance(value, (float, int, np.number)) for value in raw
            )
        if not is_flat or not len(raw):
            raise SemcoError(f"word vectors {self._path}: the vector of {term[:50]!r} is no row of numbers")
        try:
            return as_float32(raw)
        except (TypeError, ValueError, OverflowError) as error:
            raise SemcoError(
                f"word vectors {self._path}: the vector of {term[:50]!r} holds something that is no number"
            ) from error


class _AttributeVectors:
    """CSV: class name first, then its attributes. Names are spelt as vocabularies spell them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._vectors: dict[str, np.ndarray] = {}
        self.dim = 0
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                for number, row in enumerate((row for row in csv.reader(file) if row), start=1):
                    self._note(row, number)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SemcoError(f"class attributes {path} are not CSV in UTF-8 ({error})") from error
        if not self._vectors:
            raise SemcoError(f"class attributes {path}: expected a class name and at least one number a line")
        self.terms = list(self._vectors)

    def _note(self, row: Sequence[str], number: int) -> None:
        if number == 1 and not all(map(_is_number, row[1:])):
            return  # a header
        self.dim = self.dim or len(row) - 1
        if not self.dim:
            raise SemcoError(f"class attributes {self._path}: expected a class name and at least one number a line")
        if len(row) - 1 != self.dim or not all(map(_is_number, row[1:])):
            raise SemcoError(
                f"class attributes {self._path}: row {number} ({row[0]!r}) does not hold {self.dim} numbers"
            )
        self._vectors.setdefault(spell(row[0]), as_float32([float(cell) for cell in row[1:]]))

    def select(self, terms: Sequence[str]) -> np.ndarray:
        """Return the vectors of `terms`, float32 (n, D)."""
        return check_vectors(np.stack([self._vectors[term] for term in terms]), terms, self._path)

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all terms once, in the file's order, with their vectors."""
        return gather_blocks(self._vectors.items())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
