"""The label chain: class names and word vectors -> a vector and a group for every class."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.errors import SemcoError, one_line
from utils.files.atomic import write_text
from utils.files.tables import read_text
from utils.flags.config import Config
from utils.labels.embedder import embed_texts, readable
from utils.labels.grouping import Grouping, group_labels
from utils.labels.matching import LabelMatch, MatchResult, check_class, match_labels
from utils.progress import Progress
from utils.seeding import Draws, Purpose
from utils.words.word_vectors import WordVectors, open_word_vectors


@dataclass(frozen=True)
class LabelSemantics:
    """What the labels mean.

    `matches`: one a class; `vectors`: float32 (C, D); `grouping`: group of each class; `warnings`: what the user should
    know before training.
    """

    matches: tuple[LabelMatch, ...]
    vectors: np.ndarray
    grouping: Grouping
    warnings: tuple[str, ...]

    def fingerprint(self) -> str:
        """Digest of the vectors and groups, in the order of the classes."""
        total = hashlib.sha256(repr(self.vectors.shape).encode())
        for values in (self.vectors.astype("<f4"), self.grouping.ids.astype("<i8")):
            total.update(values.tobytes())
        return total.hexdigest()


def describe_labels(config: Config, class_names: Sequence[str], *, progress: Progress) -> LabelSemantics:
    """Find a vector and a group for every class.

    Raises:
        SemcoError: word vectors or an embedder that cannot be used, or class names without a term.
    """
    overrides = read_label_terms(config.label_terms) if config.label_terms else {}
    if config.label_embedder is not None:
        return _embed(config, class_names, overrides)
    if config.word_vec_path is None:
        raise SemcoError(
            "--word-vec-path is missing: name a file of word vectors, or set SEMCO_WV_PATH, or choose a --label-embedder"
        )
    word_vectors = open_word_vectors(config.word_vec_path, progress)
    result = match_labels(class_names, word_vectors.terms, overrides)
    if result.unmatched and config.unmatched_labels == "error":
        raise _unmatched_error(result, config.word_vec_path)
    return describe_matches(config, result, word_vectors)


def describe_matches(config: Config, result: MatchResult, word_vectors: WordVectors) -> LabelSemantics:
    """Group the matched classes by their terms' vectors; the others get random vectors."""
    matches = [
        entry if isinstance(entry, LabelMatch) else LabelMatch(entry.label, "", "random") for entry in result.entries
    ]
    vectors = _vectors(result, word_vectors, config.seed)
    return _group(config, matches, vectors, _match_warnings(result))


def _embed(config: Config, class_names: Sequence[str], overrides: Mapping[str, str]) -> LabelSemantics:
    """Let a text encoder read the class names, or the texts that `overrides` gives for them."""
    for label in overrides:
        check_class(label, class_names)
    matches = [
        LabelMatch(label, overrides.get(label) or readable(label), "given" if label in overrides else "embedder")
        for label in class_names
    ]
    vectors = embed_texts(config.label_embedder, [match.term for match in matches])
    return _group(config, matches, vectors, _shared_warnings(MatchResult(tuple(matches))))


def _group(
    config: Config, matches: Sequence[LabelMatch], vectors: np.ndarray, warnings: Iterable[str]
) -> LabelSemantics:
    grouping = group_labels(vectors, config.eps)
    warnings = (*warnings, *_vector_warnings(vectors, grouping, config))
    return LabelSemantics(tuple(matches), vectors, grouping, warnings)


def read_label_terms(path: Path) -> dict[str, str]:
    """Read a CSV `class,term` (with or without that header line).

    Raises:
        SemcoError: missing, not UTF-8, or a line without exactly two fields.
    """
    try:
        rows = [row for row in csv.reader(read_text(path).splitlines()) if row]
    except csv.Error as error:
        raise SemcoError(f"--label-terms {path} is no CSV ({error})") from error
    terms: dict[str, str] = {}
    for row in rows:
        cells = [cell.strip() for cell in row]
        if cells == ["class", "term"]:
            continue
        if len(cells) != 2 or not all(cells):
            raise SemcoError(f"--label-terms {path}: the line {','.join(row)!r} is not `class,term`")
        if terms.setdefault(cells[0], cells[1]) != cells[1]:
            raise SemcoError(f"--label-terms {path} gives {cells[0]!r} two terms, {terms[cells[0]]!r} and {cells[1]!r}")
    return terms


def format_label_table(semantics: LabelSemantics) -> str:
    """Lay out class, term, rule and group, ordered by group, with a line above that says what the groups are."""
    grouping = semantics.grouping
    rows = [("class", "term", "rule", "group")]
    for place in np.argsort(grouping.ids, kind="stable"):
        match = semantics.matches[place]
        rows.append((match.label, one_line(match.term) or "-", match.rule, str(grouping.ids[place])))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    head = f"{len(semantics.matches)} classes in {grouping.count} groups (eps {grouping.eps:g}, D {semantics.vectors.shape[1]})"
    return "\n".join([head, *(f"  {line}" for line in lines)])


def write_label_groups(path: Path, semantics: LabelSemantics) -> None:
    """Write class, term, rule and group of every class as CSV, in the order of the classes.

    What a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("class", "term", "rule", "group"))
    for match, group in zip(semantics.matches, semantics.grouping.ids, strict=True):
        writer.writerow((_no_formula(match.label), _no_formula(match.term), match.rule, group))
    write_text(path, text.getvalue())


def _no_formula(cell: str) -> str:
    return f"'{cell}" if len(cell) > 1 and cell[0] in "=+-@" else cell


def _vectors(result: MatchResult, word_vectors: WordVectors, seed: int) -> np.ndarray:
    """Vectors of the matched classes, and random ones of their usual length for the others."""
    matched = [place for place, entry in enumerate(result.entries) if isinstance(entry, LabelMatch)]
    vectors = np.zeros((len(result.entries), word_vectors.dim), dtype=np.float32)
    if matched:
        vectors[matched] = word_vectors.select([result.entries[place].term for place in matched])
    if missing := sorted(set(range(len(vectors))) - set(matched)):
        length = np.median(np.linalg.norm(vectors[matched], axis=1)) if matched else 1.0
        drawn = _normal(Draws(seed, Purpose.LABEL_VECTORS), len(missing), word_vectors.dim)
        vectors[missing] = drawn * (length / np.linalg.norm(drawn, axis=1, keepdims=True))
    return vectors


def _normal(draws: Draws, *shape: int) -> np.ndarray:
    """Normal numbers by Box and Muller's transform of uniform ones."""
    return np.sqrt(-2.0 * np.log1p(-draws.uniform(*shape))) * np.cos(2.0 * np.pi * draws.uniform(*shape))


def _unmatched_error(result: MatchResult, path: Path) -> SemcoError:
    names = "; ".join(
        f"{entry.label!r} (nearest: {', '.join(term[:50] for term in entry.nearest)})" for entry in result.unmatched
    )
    return SemcoError(
        f"{len(result.unmatched)} of {len(result.entries)} class names match no word vector of {path}: {names}. "
        "Give them terms with --label-terms FILE (CSV class,term), or random vectors with --unmatched-labels random"
    )


def idle_score(vectors: np.ndarray, groups: np.ndarray) -> float:
    """Score that an embedding gets which points to the mean of the unit class vectors, whatever the image.

    This is where an untrained embedding head soon arrives. A --thr-emb below it lets guesses through that know nothing.
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    length = np.linalg.norm(unit.mean(0))
    if length < 1e-6:  # vectors that balance out have no common direction
        return 0.0
    centre = unit.mean(0) / length
    return max(float((unit[groups == group] @ centre).mean()) for group in np.unique(groups))


def _match_warnings(result: MatchResult) -> Iterator[str]:
    if result.unmatched:
        names = ", ".join(repr(entry.label) for entry in result.unmatched)
        yield f"random vectors stand in for {len(result.unmatched)} class names that match no word: {names}"
    yield from _shared_warnings(result)


def _shared_warnings(result: MatchResult) -> Iterator[str]:
    for term, labels in result.shared.items():
        yield f"the classes {', '.join(map(repr, labels))} share the term {term!r}: the embedding head cannot tell them apart"


def _vector_warnings(vectors: np.ndarray, grouping: Grouping, config: Config) -> Iterator[str]:
    if grouping.degenerated:
        yield f"label grouping with eps {grouping.eps:g} left five groups or fewer: every class is its own group instead"
    idle = idle_score(vectors, grouping.ids)
    if config.lam_u > 0 and config.lambda_emb > 0 and idle >= config.thr_emb:
        yield (
            f"these word vectors lie close together: an embedding that knows nothing scores {idle:.2f} and passes "
            f"--thr-emb {config.thr_emb:g}; --thr-emb {(1 + idle) / 2:.2f} keeps such guesses out"
        )
