"""Word vectors: a file -> its vocabulary, and the vectors of the terms asked for.

Text files are streamed twice, once for the terms and once for the few lines that are wanted, so a file of gigabytes needs
little more memory than its vocabulary.
"""

import array
import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.byte_lines import first_bytes, is_gzip, lines
from utils.errors import SemcoError
from utils.label_matching import normalise
from utils.progress import Progress
from utils.safe_pickle import load_pickle

_CONCEPTNET = "/c/"
_PICKLE_SUFFIXES = {".pkl", ".pickle", ".p"}
_SHORTEST, _LONGEST = 1e-9, 1e9


class WordVectors(Protocol):
    """An opened file of word vectors.

    `terms`: the vocabulary, in the file's order; `dim`: D.
    """

    terms: list[str]
    dim: int

    def select(self, terms: Sequence[str]) -> np.ndarray:
        """Return the vectors of `terms`, float32 (n, D), checked to be finite and not zero."""


def open_word_vectors(path: Path, progress: Progress | None = None) -> WordVectors:
    """Open a pickled dict, a Numberbatch, word2vec or GloVe text (also gzipped), or a CSV of class attributes.

    Raises:
        SemcoError: the file is missing, damaged, cut short, or of no known format.
    """
    # Not Path.is_file, which raises where a folder on the way may not be read.
    if not os.path.isfile(path):  # noqa: PTH113
        raise SemcoError(f"word vectors {path} do not exist or are no file: set --word-vec-path or SEMCO_WV_PATH")
    head = first_bytes(path)
    if not head:
        raise SemcoError(f"word vectors {path} are empty: fetch the file again")
    if path.suffix.lower() in _PICKLE_SUFFIXES or head[:1] == b"\x80":
        return _PickledVectors(path)
    if path.suffix.lower() == ".csv":
        return _AttributeVectors(path)
    return _TextVectors(path, progress or Progress(enabled=False))


class _TextVectors:
    """`term number ... number` a line, with or without a header line `N D`."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self.terms: list[str] = []
        self._path = path
        # Line number of each term, and for plain files also where the line begins.
        self._lines = array.array("q")
        self._starts = array.array("q")
        self.dim = 0
        declared = None
        start = 0
        with progress.bar(total=path.stat().st_size, what=f"reading {path.name}", unit="bytes") as bar:
            for number, line in enumerate(lines(path), start=1):
                if number == 1 and (declared := _header(line)):
                    self.dim = declared[1]
                else:
                    self._note(line, number, start)
                start += len(line)
                if number % 10_000 == 0:
                    bar.update(start - bar.n)
        if declared and not declared[1]:
            raise SemcoError(f"word vectors {path} hold no numbers: expected lines `term number ... number`")
        self._rank = {term: place for place, term in reversed(list(enumerate(self.terms)))}
        read = number - (declared is not None)
        if declared and read != declared[0]:
            raise SemcoError(
                f"word vectors {path} are cut short: {declared[0]} terms announced, {read} found; fetch them again"
            )
        if not self.terms:
            raise SemcoError(f"word vectors {path} hold no term: expected lines `term number ... number`")

    def _note(self, line: bytes, number: int, start: int) -> None:
        fields = line.rstrip().count(b" ")
        self.dim = self.dim or fields
        if fields < max(self.dim, 1) or (not line.endswith(b"\n") and not self._is_whole(line)):
            raise SemcoError(
                f"word vectors {self._path} are damaged: line {number} holds {fields} numbers, expected {self.dim or 'some'}"
            )
        # GloVe 840B has terms with spaces in them: the numbers are counted from the end.
        raw = line.split(b" ", 1)[0] if fields == self.dim else line.rstrip().rsplit(b" ", self.dim)[0]
        term = _plain_term(raw.decode("utf-8", errors="replace"))
        if term is not None:
            self.terms.append(term)
            self._lines.append(number)
            self._starts.append(start)

    def _is_whole(self, line: bytes) -> bool:
        """A last line without a line break is whole when its last number can be one."""
        return line.rstrip().count(b" ") >= self.dim and line[-1:].isdigit()

    def select(self, terms: Sequence[str]) -> np.ndarray:
        """Return the vectors of `terms`, float32 (n, D)."""
        places = [self._rank[term] for term in terms]
        rows = self._rows(sorted(set(places)))
        return _checked(np.stack([rows[place] for place in places]), terms, self._path)

    def _rows(self, places: list[int]) -> dict[int, np.ndarray]:
        if is_gzip(self._path):
            wanted = {self._lines[place]: place for place in places}
            numbered = enumerate(lines(self._path), start=1)
            return {wanted[number]: self._parse(line, number) for number, line in numbered if number in wanted}
        rows = {}
        with self._path.open("rb") as file:
            for place in places:
                file.seek(self._starts[place])
                rows[place] = self._parse(file.readline(), self._lines[place])
        return rows

    def _parse(self, line: bytes, number: int) -> np.ndarray:
        try:
            return _as_float32(line.rstrip().rsplit(b" ", self.dim)[1:])
        except ValueError as error:
            raise SemcoError(f"word vectors {self._path}: line {number} holds something that is no number") from error


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
        rows = [self._vector(term) for term in terms]
        for term, row in zip(terms, rows, strict=True):
            if len(row) != self.dim:
                raise SemcoError(
                    f"word vectors {self._path}: the vector of {term[:50]!r} has {len(row)} numbers, expected {self.dim}"
                )
        return _checked(np.stack(rows), terms, self._path)

    def _vector(self, term: str) -> np.ndarray:
        """One vector, float32 (n,). Looked at before NumPy sees it: lists within lists could be endless."""
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
            return _as_float32(raw)
        except (TypeError, ValueError, OverflowError) as error:
            raise SemcoError(
                f"word vectors {self._path}: the vector of {term[:50]!r} holds something that is no number"
            ) from error


class _AttributeVectors:
    """CSV: class name first, then its attributes. Names are normalised like the classes that look for them."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [row for row in csv.reader(file) if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SemcoError(f"class attributes {path} are no CSV in UTF-8 ({error})") from error
        if rows and not all(_is_number(cell) for cell in rows[0][1:]):
            rows = rows[1:]
        if not rows or len(rows[0]) < 2:
            raise SemcoError(f"class attributes {path}: expected a class name and at least one number a line")
        self._path = path
        self.dim = len(rows[0]) - 1
        for number, row in enumerate(rows, start=1):
            if len(row) - 1 != self.dim or not all(_is_number(cell) for cell in row[1:]):
                raise SemcoError(f"class attributes {path}: row {number} ({row[0]!r}) does not hold {self.dim} numbers")
        self._vectors = {normalise(row[0]): _as_float32([float(cell) for cell in row[1:]]) for row in reversed(rows)}
        self.terms = list(dict.fromkeys(normalise(row[0]) for row in rows))

    def select(self, terms: Sequence[str]) -> np.ndarray:
        """Return the vectors of `terms`, float32 (n, D)."""
        return _checked(np.stack([self._vectors[term] for term in terms]), terms, self._path)


def _checked(vectors: np.ndarray, terms: Sequence[str], path: Path) -> np.ndarray:
    for term, vector in zip(terms, vectors, strict=True):
        if not np.isfinite(vector).all():
            raise SemcoError(f"word vectors {path}: the vector of {term!r} is not finite; fetch the file again")
        # Cosines square the numbers in float32.
        if vector.any() and not _SHORTEST < np.linalg.norm(vector.astype(np.float64)) < _LONGEST:
            raise SemcoError(
                f"word vectors {path}: the vector of {term!r} has a length that no cosine can be computed with; "
                f"bring the vectors to lengths between {_SHORTEST:g} and {_LONGEST:g}"
            )
        if not vector.any():
            raise SemcoError(
                f"word vectors {path}: the vector of {term!r} is zero; give the class another --label-terms term"
            )
    return vectors


def _as_float32(numbers: Sequence) -> np.ndarray:
    # What is too large for float32 becomes infinite here, and is refused where it is used.
    with np.errstate(over="ignore"):
        return np.array(numbers, dtype=np.float32)


def _plain_term(term: str) -> str | None:
    """Strip ConceptNet's prefix from an English term; None for a term of another language."""
    if not term.startswith(_CONCEPTNET):
        return term
    return term.removeprefix("/c/en/") if term.startswith("/c/en/") else None


def _header(line: bytes) -> tuple[int, int] | None:
    """(N, D) if the line is a header: two whole numbers and nothing else."""
    parts = line.split()
    is_header = len(parts) == 2 and all(part.isdigit() and len(part) < 19 for part in parts)
    return (int(parts[0]), int(parts[1])) if is_header else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
