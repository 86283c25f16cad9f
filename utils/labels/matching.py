"""Class names -> terms of a vocabulary. Pure strings; every name is matched by a rule that can be read, or not at all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from utils.errors import SemcoError
from utils.words.terms import normalise

# Each compared with every term at once: 64 rows of half a million similarities are 140 MB.
_NAMES_AT_ONCE = 64
# Words that carry no meaning of their own: never a head noun, never a half of a bigram.
FUNCTION_WORDS = frozenset(
    (
        "a", "an", "and", "as", "at", "but", "by", "for", "from", "in", "into", "is", "it", "its", "no", "nor", "not", "of",
        "off", "on", "onto", "or", "out", "over", "per", "so", "than", "that", "the", "then", "these", "this", "those", "to",
        "under", "up", "upon", "via", "with", "without",
    )
)  # fmt: skip


@dataclass(frozen=True)
class LabelMatch:
    """A class name, the vocabulary's term for it, and the rule that found it."""

    label: str
    term: str
    rule: str


@dataclass(frozen=True)
class Unmatched:
    """A class name that no rule matched, and the vocabulary's nearest terms."""

    label: str
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class MatchResult:
    """One entry per class, in the order of the class names: a match, or the news that there is none."""

    entries: tuple[LabelMatch | Unmatched, ...]

    @property
    def unmatched(self) -> list[Unmatched]:
        """The classes without a term."""
        return [entry for entry in self.entries if isinstance(entry, Unmatched)]

    @property
    def shared(self) -> dict[str, list[str]]:
        """Terms that more than one class landed on, with those classes."""
        labels: dict[str, list[str]] = {}
        for entry in self.entries:
            if isinstance(entry, LabelMatch):
                labels.setdefault(entry.term, []).append(entry.label)
        return {term: names for term, names in labels.items() if len(names) > 1}


def match_labels(
    class_names: Sequence[str], vocabulary: Sequence[str], overrides: Mapping[str, str] | None = None
) -> MatchResult:
    """Match every class name to a term of the vocabulary, by the first rule that hits.

    Args:
        vocabulary: terms, in lower case, words joined by `_`; their order decides between equally near terms.
        overrides: class name -> term, which no rule questions.

    Raises:
        SemcoError: an override names an unknown class or an unknown term.
    """
    # Backwards, so that the first of equal terms stays.
    rank = dict(zip(reversed(vocabulary), reversed(range(len(vocabulary))), strict=True))
    given = _check_overrides(overrides or {}, class_names, rank, vocabulary)
    alphabet: list[str] = []
    found: dict[str, tuple[str, str]] = {}
    for label in class_names:
        match = (given[label], "given") if label in given else _match(normalise(label), rank)
        if match is None:
            alphabet = alphabet or sorted(set("".join(vocabulary)))
            match = _one_edit(normalise(label), rank, alphabet)
        if match is not None:
            found[label] = match
    missing = [label for label in class_names if label not in found]
    near = dict(zip(missing, nearest_terms(missing, vocabulary), strict=True))
    return MatchResult(
        tuple(
            LabelMatch(label, *found[label]) if label in found else Unmatched(label, near[label])
            for label in class_names
        )
    )


def check_class(label: str, class_names: Sequence[str]) -> None:
    """Make sure that a name in --label-terms is a class.

    Raises:
        SemcoError: it is not.
    """
    if label not in class_names:
        raise SemcoError(
            f"--label-terms names the class {label!r}, which the dataset does not have: check its spelling"
        )


def nearest_terms(labels: Sequence[str], vocabulary: Sequence[str], count: int = 3) -> list[tuple[str, ...]]:
    """For each class name the terms that are most like it by normalised Levenshtein similarity, the first of equals first."""
    found = []
    for start in range(0, len(labels), _NAMES_AT_ONCE):
        names = [normalise(label) for label in labels[start : start + _NAMES_AT_ONCE]]
        rows = process.cdist(names, vocabulary, scorer=Levenshtein.normalized_similarity, dtype=np.float32, workers=-1)
        for row in rows:
            least = np.partition(row, -count)[-count] if len(row) > count else -np.inf
            close = np.flatnonzero(row >= least)
            best = close[np.argsort(-row[close], kind="stable")][:count]
            found.append(tuple(vocabulary[place] for place in best))
    return found


def _match(name: str, rank: Mapping[str, int]) -> tuple[str, str] | None:
    for term, rule in _candidates(name):
        if term in rank:
            return term, rule
    return None


def _candidates(name: str) -> Iterator[tuple[str, str]]:
    """Yield what to look up, in order of preference, with the rule's name."""
    tokens = name.split("_")
    yield name, "exact"
    if not FUNCTION_WORDS.intersection(tokens[-2:]):
        pair = "_".join(tokens[-2:])
        collapsed = "".join(tokens[-2:])
        yield pair, "bigram"
        yield from _without_s(pair, "singular")
        yield collapsed, "collapsed"
        yield from _without_s(collapsed, "collapsed_singular")
    if "of" in tokens[1:]:
        yield tokens[tokens.index("of", 1) - 1], "of"
    for token in reversed(tokens):
        if token not in FUNCTION_WORDS:
            yield token, "head"


def _without_s(text: str, rule: str) -> Iterator[tuple[str, str]]:
    if len(text) > 1 and text.endswith("s"):
        yield text[:-1], rule


def _one_edit(name: str, rank: Mapping[str, int], alphabet: Sequence[str]) -> tuple[str, str] | None:
    """Find the first term of the vocabulary at Levenshtein distance 1.

    All strings one edit away are looked up: thousands of dictionary look-ups, where comparing with each term would be
    hundreds of thousands of distances.
    """
    splits = [(name[:place], name[place:]) for place in range(len(name) + 1)]
    neighbours = {head + tail[1:] for head, tail in splits if tail}
    neighbours |= {head + char + tail for head, tail in splits for char in alphabet}
    neighbours |= {head + char + tail[1:] for head, tail in splits if tail for char in alphabet}
    known = [term for term in neighbours if term in rank and term and term != name]
    return (min(known, key=rank.__getitem__), "edit1") if known else None


def _check_overrides(
    overrides: Mapping[str, str], class_names: Sequence[str], rank: Mapping[str, int], vocabulary: Sequence[str]
) -> dict[str, str]:
    given = {}
    for label, term in overrides.items():
        check_class(label, class_names)
        found = term if term in rank else normalise(term)
        if found not in rank:
            near = ", ".join(nearest_terms([term], vocabulary)[0])
            raise SemcoError(
                f"--label-terms gives {label!r} the term {term!r}, which has no vector; nearest terms: {near}"
            )
        given[label] = found
    return given
