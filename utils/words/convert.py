"""Word vectors from one file format to another, whole or some of them, with fewer dimensions if wanted."""

import contextlib
import csv
import gzip
import io
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
from utils.words.word_vectors import WordVectors

# 9 significant digits are what a float32 needs to come back the same.
_NUMBER = "%.9g"


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
        SemcoError: an unsuitable suffix, vectors that are not finite, no term left, or more dimensions than there are.
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
    content = _Content(len(wanted), dim or source.dim, chosen, gzipped=path.suffix.lower() == ".gz")
    with atomic_path(path) as temporary:
        write(temporary, content)
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
    """A dict from term to float32 vector (D,): rows of one matrix, so that half a million need little more than it."""
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
                    raise SemcoError(f"the term {term!r} cannot stand in a text file: write a .pkl instead")
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
