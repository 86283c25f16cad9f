"""Word vectors from one file format to another: all or some of the terms, with fewer dimensions if wanted."""

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.errors import SemcoError
from utils.files.atomic import atomic_path
from utils.progress import Progress
from utils.words.blocks import VectorBlock
from utils.words.components import PrincipalComponents, fit_components
from utils.words.layouts import LAYOUTS, PICKLE_INSTEAD, SUFFIXES, Content, resolve_layout
from utils.words.terms import spell
from utils.words.word_vectors import WordVectors, open_word_vectors


@dataclass(frozen=True)
class Converted:
    """What was written: number of terms, dimensions; wanted terms that the source lacks; the components, if any."""

    count: int
    dim: int
    missing: list[str]
    components: PrincipalComponents | None


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
    layout = resolve_layout(path, layout)
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
    content = Content(len(wanted), dim or source.dim, _noting(chosen, written), gzipped=path.suffix.lower() == ".gz")
    _write(path, layout, content, written)
    missing = [term for term in dict.fromkeys(terms or ()) if term not in known]
    return Converted(count=content.count, dim=content.dim, missing=missing, components=components)


def _write(path: Path, layout: str, content: Content, written: list[str]) -> None:
    """Write a file atomically; `written` holds its terms once `content` has been gone through."""
    with atomic_path(path) as temporary:
        try:
            LAYOUTS[layout](temporary, content)
        except UnicodeEncodeError as error:
            raise SemcoError(f"the term {error.object[:50]!r} is not text: {PICKLE_INSTEAD}") from error
        _check_readable(temporary, path, written, content.dim)


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
    if SUFFIXES.get(suffix) == "pickle":
        return  # keeps any text
    try:
        found = open_word_vectors(temporary, suffix=suffix)
    except SemcoError as error:
        raise SemcoError(f"{path} could not be read again, for a term's sake: {PICKLE_INSTEAD}") from error
    expected = list(map(spell, terms)) if suffix == ".csv" else terms
    for term, wanted, read in itertools.zip_longest(terms, expected, found.terms):
        if wanted != read:
            raise SemcoError(f"{path}: the term {str(term)[:50]!r} would not be read as itself: {PICKLE_INSTEAD}")
    if found.dim != dim:
        raise SemcoError(f"{path} would be read with {found.dim} dimensions instead of {dim}: {PICKLE_INSTEAD}")


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
