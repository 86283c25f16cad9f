"""The label chain: class names and word vectors -> a vector and a group for every class."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from utils.errors import SemcoError
from utils.flags.config import Config
from utils.labels.advice import list_some, match_warnings, quoted, vector_warnings
from utils.labels.class_vectors import look_up_vectors, shuffle_vectors
from utils.labels.embedder import embed_texts, readable
from utils.labels.grouping import Grouping, fitted_eps, group_labels
from utils.labels.matching import LabelMatch, MatchResult, compose_shared, match_labels
from utils.labels.overrides import by_class, read_label_terms
from utils.progress import Progress
from utils.words.word_vectors import WordVectors, open_word_vectors


class PlainSemantics(TypedDict):
    """What a trained model needs to know of its classes: `vectors` float32 (C, D), all else one entry per class."""

    class_names: list[str]
    terms: list[str]
    vectors: np.ndarray
    groups: list[int]


@dataclass(frozen=True)
class LabelSemantics:
    """What the labels mean.

    `matches`: one per class; `vectors`: float32 (C, D); `grouping`: group of each class; `warnings`: what the user should
    know before training; `compared`: the vectors (C, D) whose distances make the groups, where they are not `vectors`.
    """

    matches: tuple[LabelMatch, ...]
    vectors: np.ndarray
    grouping: Grouping
    warnings: tuple[str, ...]
    compared: np.ndarray | None = None

    def fingerprint(self) -> str:
        """Return a digest of the vectors and groups, in the order of the classes."""
        total = hashlib.sha256(repr(self.vectors.shape).encode())
        for values in (self.vectors.astype("<f4"), self.grouping.ids.astype("<i8")):
            total.update(values.tobytes())
        return total.hexdigest()

    def as_plain(self) -> PlainSemantics:
        """Return what predicting needs, as plain data."""
        return PlainSemantics(
            class_names=[match.label for match in self.matches],
            terms=[match.term for match in self.matches],
            vectors=self.vectors.astype(np.float32),
            groups=self.grouping.ids.tolist(),
        )


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
    if config.shared_terms == "compose":
        result = compose_shared(result)
    matches = [
        entry if isinstance(entry, LabelMatch) else LabelMatch(entry.label, "", "random") for entry in result.entries
    ]
    vectors = look_up_vectors(result, word_vectors, config.seed)
    return _group(config, matches, vectors, match_warnings(result))


def _embed(config: Config, class_names: Sequence[str], overrides: Mapping[str, str]) -> LabelSemantics:
    """Let a text encoder read the class names, or the texts that `overrides` gives for them."""
    overrides = by_class(overrides, class_names)
    matches = [
        LabelMatch(label, overrides.get(label) or readable(label), "given" if label in overrides else "embedder")
        for label in class_names
    ]
    vectors = embed_texts(config.label_embedder, [match.term for match in matches])
    return _group(config, matches, vectors, (), centre=True)


def _group(
    config: Config,
    matches: Sequence[LabelMatch],
    vectors: np.ndarray,
    warnings: Iterable[str],
    *,
    centre: bool = False,
) -> LabelSemantics:
    """Group the classes by their vectors (C, D), or with `centre` by their differences from the mean vector.

    An encoder's vectors all point into one direction, how far depends on the encoder and its prompt: only what is left
    without it can be compared with a radius.
    """
    if config.shuffle_vectors:
        vectors = shuffle_vectors(vectors, config.seed)
    compared = vectors - vectors.mean(0, dtype=np.float64) if centre else vectors
    eps = fitted_eps(compared) if centre and config.eps is None else config.eps
    grouping = group_labels(compared, eps)
    warnings = (*warnings, *vector_warnings(config, matches, vectors, grouping, compared))
    return LabelSemantics(tuple(matches), vectors, grouping, warnings, compared if centre else None)


def _unmatched_error(result: MatchResult, path: Path) -> SemcoError:
    names = list_some(
        [
            f"{quoted(entry.label)} (nearest: {', '.join(term[:50] for term in entry.nearest)})"
            for entry in result.unmatched
        ],
        separator="; ",
    )
    return SemcoError(
        f"{len(result.unmatched)} of {len(result.entries)} class names match no word vector of {path}: {names}. "
        "Give them terms with --label-terms FILE (CSV class,term), or random vectors with --unmatched-labels random; "
        "`python -m utils.labels match` lists all of them"
    )
