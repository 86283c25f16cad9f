"""Word vectors: a file -> its vocabulary, and the vectors of the terms asked for.

Text files are streamed twice, once for the terms and once for the few lines that are wanted, so a file of gigabytes needs
little more memory than its vocabulary.
"""

import array
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from utils.errors import SemcoError
from utils.label_matching import normalise
from utils.progress import Progress
from utils.safe_pickle import load_pickle

_CONCEPTNET = "/c/"
_PICKLE_SUFFIXES = {".pkl", ".pickle", ".p"}


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
    if not path.is_file():
        raise SemcoError(f"word vectors {path} do not exist or are no file: set --word-vec-path or SEMCO_WV_PATH")
    head = _first_bytes(path)
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
            for number, line in enumerate(_lines(path), start=1):
                if number == 1 and (declared := _header(line)):
                    self.dim = declared[1]
                else:
                    self._note(line, number, start)
                start += len(line)
                if number % 10_000 == 0:
                    bar.update(start - bar.n)
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
        if fields < self.dim or (not line.endswith(b"\n") and not self._is_whole(line)):
            raise SemcoError(
                f"word vectors {self._path} are damaged: line {number} holds {fields} numbers, expected {self.dim}"
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
        if _is_gzip(self._path):
            wanted = {self._lines[place]: place for place in places}
            numbered = enumerate(_lines(self._path), start=1)
            return {wanted[number]: self._parse(line, number) for number, line in numbered if number in wanted}
        rows = {}
        with self._path.open("rb") as file:
            for place in places:
                file.seek(self._starts[place])
                rows[place] = self._parse(file.readline(), self._lines[place])
        return rows

    def _parse(self, line: bytes, number: int) -> np.ndarray:
        try:
            return np.array(line.rstrip().rsplit(b" ", self.dim)[1:], dtype=np.float32)
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
        self.dim = np.size(next(iter(content.values())))

    def select(self, terms: Sequence[str]) -> np.ndarray:
        """Return the vectors of `terms`, float32 (n, D)."""
        rows = []
        for term in terms:
            try:
                row = np.asarray(self._vectors[term], dtype=np.float32)
            except (TypeError, ValueError) as error:
                raise SemcoError(
                    f"word vectors {self._path}: the vector of {term!r} holds something that is no number"
                ) from error
            if row.shape != (self.dim,):
                raise SemcoError(
                    f"word vectors {self._path}: the vector of {term!r} has shape {row.shape}, expected ({self.dim},)"
                )
            rows.append(row)
        return _checked(np.stack(rows), terms, self._path)


class _AttributeVectors:
    """CSV: class name first, then its attributes. Names are normalised like the classes that look for them."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [row for row in csv.reader(file) if row]
        except (UnicodeDecodeError, csv.Error) as error:
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
        self._vectors = {normalise(row[0]): np.array(row[1:], dtype=np.float32) for row in reversed(rows)}
        self.terms = list(dict.fromkeys(normalise(row[0]) for row in rows))

    def select(self, terms: Sequence[str]) -> np.ndarray:
        """Return the vectors of `terms`, float32 (n, D)."""
        return _checked(np.stack([self._vectors[term] for term in terms]), terms, self._path)


def _checked(vectors: np.ndarray, terms: Sequence[str], path: Path) -> np.ndarray:
    for term, vector in zip(terms, vectors, strict=True):
        if not np.isfinite(vector).all():
            raise SemcoError(f"word vectors {path}: the vector of {term!r} is not finite; fetch the file again")
        if not vector.any():
            raise SemcoError(
                f"word vectors {path}: the vector of {term!r} is zero; give the class another --label-terms term"
            )
    return vectors


def _plain_term(term: str) -> str | None:
    """Strip ConceptNet's prefix from an English term; None for a term of another language."""
    if not term.startswith(_CONCEPTNET):
        return term
    return term.removeprefix("/c/en/") if term.startswith("/c/en/") else None


def _header(line: bytes) -> tuple[int, int] | None:
    """(N, D) if the line is a header: two whole numbers and nothing else."""
    parts = line.split()
    return (int(parts[0]), int(parts[1])) if len(parts) == 2 and all(part.isdigit() for part in parts) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _open(path: Path) -> AbstractContextManager[BinaryIO]:
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb", buffering=1 << 20)  # type: ignore[return-value]


def _first_bytes(path: Path) -> bytes:
    try:
        with _open(path) as file:
            return file.read(64)
    except (OSError, EOFError, zlib.error) as error:
        raise SemcoError(f"word vectors {path} cannot be read ({error}): fetch the file again") from error


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with _open(path) as file:
            yield from io.BufferedReader(file, 1 << 20) if isinstance(file, gzip.GzipFile) else file  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        raise SemcoError(f"word vectors {path} are cut short or damaged ({error}): fetch the file again") from error
