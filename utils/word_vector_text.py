"""Word vectors in text files: streamed for the terms, and again for the vectors that are wanted.

A file of gigabytes so needs little more memory than its vocabulary.
"""

import array
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from utils.errors import SemcoError
from utils.progress import Progress
from utils.vector_blocks import VectorBlock, check_vectors, gather_blocks

_CONCEPTNET = "/c/"


class TextVectors:
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
        return check_vectors(np.stack([rows[place] for place in places]), terms, self._path)

    def blocks(self) -> Iterator[VectorBlock]:
        """All terms once, in the file's order, with their vectors."""
        return gather_blocks(self._all_rows())

    def _all_rows(self) -> Iterator[tuple[str, np.ndarray]]:
        numbered = enumerate(_lines(self._path), start=1)
        for place, (term, wanted) in enumerate(zip(self.terms, self._lines, strict=True)):
            if self._rank[term] == place:
                line = next(line for number, line in numbered if number == wanted)
                yield term, self._parse(line, wanted)

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


def _plain_term(term: str) -> str | None:
    """Strip ConceptNet's prefix from an English term; None for a term of another language."""
    if not term.startswith(_CONCEPTNET):
        return term
    return term.removeprefix("/c/en/") if term.startswith("/c/en/") else None


def _header(line: bytes) -> tuple[int, int] | None:
    """(N, D) if the line is a header: two whole numbers and nothing else."""
    parts = line.split()
    return (int(parts[0]), int(parts[1])) if len(parts) == 2 and all(part.isdigit() for part in parts) else None


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _open(path: Path) -> AbstractContextManager[BinaryIO]:
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb", buffering=1 << 20)  # type: ignore[return-value]


def first_bytes(path: Path) -> bytes:
    """The beginning of a file, of what is in it if it is gzipped.

    Raises:
        SemcoError: it cannot be read.
    """
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
