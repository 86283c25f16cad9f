"""Many word vectors, handed over a few thousand at a time."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.errors import SemcoError

_ROWS = 4096
_SHORTEST, _LONGEST = 1e-9, 1e9


@dataclass(frozen=True)
class VectorBlock:
    """Some terms and their vectors, float32 (n, D)."""

    terms: list[str]
    vectors: np.ndarray

    def __len__(self) -> int:
        return len(self.terms)


def gather_blocks(rows: Iterable[tuple[str, np.ndarray]]) -> Iterator[VectorBlock]:
    """Stack rows (term, vector (D,)) into blocks."""
    rows = iter(rows)
    while chunk := list(itertools.islice(rows, _ROWS)):
        yield VectorBlock([term for term, _ in chunk], np.stack([vector for _, vector in chunk]))


def check_vectors(vectors: np.ndarray, terms: Sequence[str], path: Path) -> np.ndarray:
    """Check vectors (n, D), one per term, and return them: each must be finite and of a length that cosines can be computed with.

    Raises:
        SemcoError: one is not; the message names its term and `path`.
    """
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


def as_float32(numbers: Sequence) -> np.ndarray:
    """Return numbers, or their texts, as an array. What is too large becomes infinite, and is refused where it is used.

    Raises:
        TypeError, ValueError, OverflowError: something is not a number.
    """
    with np.errstate(over="ignore"):
        return np.array(numbers, dtype=np.float32)
