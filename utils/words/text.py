"""Word vectors in text files: streamed for the terms, and again for the vectors that are wanted.

So a file of gigabytes needs little more memory than its vocabulary.
"""

import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from utils.errors import SemcoError
from utils.files.lines import is_gzip, lines
from utils.progress import Progress
from utils.words.blocks import VectorBlock, as_float32, check_vectors, gather_blocks

_CONCEPTNET = "/c/"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TextVectors:
    """`term number ... number` on each line, parted by blanks or tabs, with or without a header line `N D`."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self.terms: list[str] = []
        self._path = path
        # Line number of each term, and for plain files also where the line begins.
        self._lines = array.array("q")
        self._starts = array.array("q")
        self.dim = 0
        declared, start, read, blank = None, 0, 0, 0
        with progress.bar(total=path.stat().st_size, what=f"reading {path.name}", unit="bytes") as bar:
            for number, line in enumerate(lines(path), start=1):
                content = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if number == 1 and (declared := read_header(content)):
                    self.dim = declared[1]
                elif not content.strip():
                    blank = blank or number
                elif blank:
                    raise SemcoError(f"word vectors {path} are damaged: line {blank} is blank, and others follow")
                else:
                    self._note(content, number, start)
                    read += 1
                start += len(line)
                if number % 10_000 == 0:
                    bar.update(start - bar.n)
        if declared and not declared[1]:
            raise SemcoError(f"word vectors {path} hold no numbers: expected lines `term number ... number`")
        self._rank = dict(zip(reversed(self.terms), reversed(range(len(self.terms))), strict=True))
        if declared and read != declared[0]:
            raise SemcoError(
                f"word vectors {path} are cut short: {declared[0]} terms announced, {read} found; fetch them again"
            )
        if not self.terms:
            raise SemcoError(f"word vectors {path} hold no term: expected lines `term number ... number`")

    def _note(self, line: bytes, number: int, start: int) -> None:
        self.dim = self.dim or len(line.split()) - 1
        if line.count(b" ") == self.dim and b"\t" not in line and b"  " not in line and line[-2:-1] != b" ":
            raw = line.split(b" ", 1)[0]
            count = self.dim
        else:
            # GloVe 840B has terms with spaces in them: the numbers are counted from the end.
            raw, *numbers = line.rstrip().rsplit(None, self.dim) if self.dim else [line]
            count = len(numbers)
        if count < max(self.dim, 1) or not (line.endswith(b"\n") or line[-1:].isdigit()):
            raise SemcoError(
                f"word vectors {self._path} are damaged: line {number} holds {count} numbers, expected {self.dim or 'some'}"
            )
        term = _plain_term(raw.decode("utf-8", errors="replace"))
        if term is not None:
            self.terms.append(term)
            self._lines.append(number)
            self._starts.append(start)

    def select(self, terms: Sequence[str]) -> np.ndarray:
        """Return the vectors of `terms`, float32 (n, D)."""
        places = [self._rank[term] for term in terms]
        rows = self._rows(sorted(set(places)))
        return check_vectors(np.stack([rows[place] for place in places]), terms, self._path)

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all terms once, in the file's order, with their vectors."""
        return gather_blocks(self._all_rows())

    def _all_rows(self) -> Iterator[tuple[str, np.ndarray]]:
        numbered = enumerate(lines(self._path), start=1)
        for place, (term, wanted) in enumerate(zip(self.terms, self._lines, strict=True)):
            if self._rank[term] == place:
                line = next(line for number, line in numbered if number == wanted)
                yield term, self._parse(line, wanted)

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
            return as_float32(line.rstrip().rsplit(None, self.dim)[-self.dim :])
        except ValueError as error:
            raise SemcoError(f"word vectors {self._path}: line {number} holds something that is no number") from error


def _plain_term(term: str) -> str | None:
    """Strip ConceptNet's prefix from an English term; return None for a term of another language."""
    if not term.startswith(_CONCEPTNET):
        return term
    return term.removeprefix("/c/en/") if term.startswith("/c/en/") else None


def read_header(line: bytes) -> tuple[int, int] | None:
    """Return (N, D) if the line is a header: two whole numbers and nothing else."""
    parts = line.split()
    is_header = len(parts) == 2 and all(part.isdigit() and len(part) < 19 for part in parts)
    return (int(parts[0]), int(parts[1])) if is_header else None
