"""The terms of a vocabulary, looked up as they are written, however they are spelt, or by likeness."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from utils.words.terms import fold, fold_all, normalise

# Each compared with every term at once: 64 rows of half a million similarities are 140 MB.
_NAMES_AT_ONCE = 64


class Vocabulary:
    """Terms in their order, which decides between terms that suit a name equally well."""

    def __init__(self, terms: Sequence[str]) -> None:
        self.terms = terms
        self._known = frozenset(terms)
        # Backwards, so that the first of equal terms stays.
        self._by_spelling = dict(zip(reversed(fold_all(terms)), reversed(range(len(terms))), strict=True))

    def find(self, text: str) -> str | None:
        """Return the term that is written like `text`, else the first that is equal in case, NFC, `-`, space and `_`."""
        if not text or text in self._known:
            return text or None
        place = self._by_spelling.get(fold(text))
        return None if place is None else self.terms[place]

    def one_edit_away(self, name: str) -> str | None:
        """Return the first term at Levenshtein distance 1 from a normalised name.

        All strings one edit away are looked up: thousands of dictionary look-ups, where comparing with each term would
        be hundreds of thousands of distances.
        """
        splits = [(name[:place], name[place:]) for place in range(len(name) + 1)]
        neighbours = {head + tail[1:] for head, tail in splits if tail}
        neighbours |= {head + char + tail for head, tail in splits for char in self._alphabet}
        neighbours |= {head + char + tail[1:] for head, tail in splits if tail for char in self._alphabet}
        places = [self._by_spelling[near] for near in neighbours - {name, ""} if near in self._by_spelling]
        return self.terms[min(places)] if places else None

    def nearest(self, labels: Sequence[str], count: int = 3) -> list[tuple[str, ...]]:
        """Return for each class name the terms most like it by normalised Levenshtein similarity, the first of equals first."""
        found = []
        for start in range(0, len(labels), _NAMES_AT_ONCE):
            names = [normalise(label) for label in labels[start : start + _NAMES_AT_ONCE]]
            rows = process.cdist(
                names, self.terms, scorer=Levenshtein.normalized_similarity, dtype=np.float32, workers=-1
            )
            for row in rows:
                least = np.partition(row, -count)[-count] if len(row) > count else -np.inf
                close = np.flatnonzero(row >= least)
                best = close[np.argsort(-row[close], kind="stable")][:count]
                found.append(tuple(self.terms[place] for place in best))
        return found

    @cached_property
    def _alphabet(self) -> list[str]:
        return sorted(set("".join(self._by_spelling)))
