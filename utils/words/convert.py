"""Word vectors from one file format to another: all or some of the terms, with fewer dimensions if wanted."""

import contextlib
import csv
import gzip
import io
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from utils.errors import SemcoError
from utils.files.atomic import atomic_path
from utils.files.pickles import dump_large_pickle
from utils.progress import Progress
from utils.words.blocks import VectorBlock
from utils.words.components import PrincipalComponents, fit_components
from utils.words.terms import spell
from utils.words.word_vectors import WordVectors, open_word_vectors

# 9 significant digits are what a float32 needs to come back the same.
_NUMBER = "%.9g"
_PICKLE_INSTEAD = "write a .pkl instead"


@dataclass(frozen=True)
class Converted:
    """What was written: number of terms, dimensions; wanted terms that the source lacks; the components, if any."""

    count: int
    dim: int
    missing: list[str]
    components: PrincipalComponents | None


@dataclass(frozen=True)
class _Content:
    """Vectors to be written: `count` terms of `dim` dimensions, a block at a time; to be packed with gzip or not."""

    count: int
    dim: int
    blocks: Iterable[VectorBlock]
    gzipped: bool


def convert(
    source: WordVectors,
    path: Path,
    *,
    layout: str = "auto",
    dim: int | None = None,
    terms: Collection[str] | None = None,
    progress: Progress,
) -> Converted:
    """Write vectors to `path`, atomically, one block after the other.

    Args:
        layout: one of `LAYOUTS`, or `auto`: the one that suits the file's suffix.
        dim: keep that many principal components, which are fitted on all terms of the source.
        terms: write these terms only.

    Raises:
        SemcoError: an unsuitable suffix, vectors that are not finite, no term left, more dimensions than there are, or a term
            that the format cannot hold.
    """
    write = LAYOUTS[resolve_layout(path, layout)]
    known = set(source.terms)
    wanted = known if terms is None else known.intersection(terms)
    if not wanted:
        raise SemcoError(f"none of the {len(terms or ())} wanted terms has a vector: check their spelling")

    def blocks(what: str) -> Iterator[VectorBlock]:
        shown = progress.chunks(source.blocks(), total=len(known), what=what, unit="terms")
        return map(_checked, shown)

    components = None
    if dim is not None:
        components = fit_components((block.vectors for block in blocks("measuring the variance")), dim)
    chosen = _choose(blocks(f"writing {path.name}"), wanted, components)
    written: list[str] = []
    content = _Content(len(wanted), dim or source.dim, _noting(chosen, written), gzipped=path.suffix.lower() == ".gz")
    with atomic_path(path) as temporary:
        try:
            write(temporary, content)
        except UnicodeEncodeError as error:
            raise SemcoError(f"the term {error.object[:50]!r} is not text: {_PICKLE_INSTEAD}") from error
        _check_readable(temporary, path, written, content.dim)
    missing = [term for term in dict.fromkeys(terms or ()) if term not in known]
    return Converted(count=content.count, dim=content.dim, missing=missing, components=components)


def resolve_layout(path: Path, layout: str) -> str:
    """Return the layout of a file: as asked for, or the usual one for its suffix.

    Raises:
        SemcoError: the suffix is unknown, or would make readers take the file for another layout.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    plain = suffixes[:-1] if suffixes[-1:] == [".gz"] else suffixes
    usual = _SUFFIXES.get(plain[-1] if plain else "")
    is_text = usual == "numberbatch"
    if usual is None or (plain != suffixes and not is_text):
        known = ", ".join(
            [*_SUFFIXES, *(f"{suffix}.gz" for suffix, name in _SUFFIXES.items() if name == "numberbatch")]
        )
        raise SemcoError(f"{path} does not say in which format to write: let it end in one of {known}")
    if layout == "auto":
        return usual
    if layout != usual and not (is_text and layout in _TEXT_LAYOUTS):
        raise SemcoError(f"{path} would not be read as {layout}: choose a suffix that suits --format {layout}")
    return layout


def _noting(blocks: Iterable[VectorBlock], terms: list[str]) -> Iterator[VectorBlock]:
    """Pass blocks on and add their terms to a list."""
    for block in blocks:
        terms += block.terms
        yield block


def _check_readable(temporary: Path, path: Path, terms: list[str], dim: int) -> None:
    """Make sure that what was written for `path` is read as what it was, by the reader that will open it.

    Raises:
        SemcoError: a term would be read as another one, or not at all.
    """
    suffix = path.suffix.lower()
    if _SUFFIXES.get(suffix) == "pickle":
        return  # keeps any text
    try:
        found = open_word_vectors(temporary, suffix=suffix)
    except SemcoError as error:
        raise SemcoError(f"{path} could not be read again, for a term's sake: {_PICKLE_INSTEAD}") from error
    expected = list(map(spell, terms)) if suffix == ".csv" else terms
    for term, wanted, read in itertools.zip_longest(terms, expected, found.terms):
        if wanted != read:
            raise SemcoError(f"{path}: the term {str(term)[:50]!r} would not be read as itself: {_PICKLE_INSTEAD}")
    if found.dim != dim:
        raise SemcoError(f"{path} would be read with {found.dim} dimensions instead of {dim}: {_PICKLE_INSTEAD}")


def _checked(block: VectorBlock) -> VectorBlock:
    finite = np.isfinite(block.vectors).all(1)
    if not finite.all():
        raise SemcoError(
            f"the vector of {block.terms[int(finite.argmin())]!r} is not finite; fetch the word vectors again"
        )
    return block


def _choose(
    blocks: Iterable[VectorBlock], wanted: Collection[str], components: PrincipalComponents | None
) -> Iterator[VectorBlock]:
    for block in blocks:
        rows = [row for row, term in enumerate(block.terms) if term in wanted]
        if rows:
            vectors = block.vectors[rows]
            yield VectorBlock(
                [block.terms[row] for row in rows], vectors if components is None else components.project(vectors)
            )


def _write_pickle(path: Path, content: _Content) -> None:
    """Write a dict from term to float32 vector (D,): rows of one matrix, so that half a million need little more than it."""
    matrix = np.empty((content.count, content.dim), dtype=np.float32)
    terms: list[str] = []
    for block in content.blocks:
        matrix[len(terms) : len(terms) + len(block)] = block.vectors
        terms += block.terms
    dump_large_pickle(path, dict(zip(terms, matrix, strict=True)))


def _write_csv(path: Path, content: _Content) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        # Not bare numbers: a header of numbers would be taken for a class.
        writer.writerow(["class", *(f"d{place}" for place in range(1, content.dim + 1))])
        for term, row in _rows(content):
            writer.writerow([term, *(_NUMBER % value for value in row)])


def _text_writer(*, header: bool, prefix: str = "") -> Callable[..., None]:
    def write(path: Path, content: _Content) -> None:
        line = " ".join([_NUMBER] * content.dim)
        with _open_text(path, gzipped=content.gzipped) as file:
            if header:
                file.write(f"{content.count} {content.dim}\n")
            for term, row in _rows(content):
                if not term or "\n" in term:
                    raise SemcoError(f"the term {term!r} cannot stand in a text file: {_PICKLE_INSTEAD}")
                file.write(f"{prefix}{term} {line % tuple(row)}\n")

    return write


def _rows(content: _Content) -> Iterator[tuple[str, list[float]]]:
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


_SUFFIXES = {
    ".pkl": "pickle", ".pickle": "pickle", ".p": "pickle", ".csv": "csv", ".txt": "numberbatch", ".vec": "numberbatch",
}  # fmt: skip
_TEXT_LAYOUTS = {
    "numberbatch": _text_writer(header=True),
    "conceptnet": _text_writer(header=True, prefix="/c/en/"),
    "glove": _text_writer(header=False),
}
LAYOUTS: dict[str, Callable[..., None]] = {"pickle": _write_pickle, "csv": _write_csv, **_TEXT_LAYOUTS}
