"""Matches -> class vectors: of a term, of several terms, or random ones."""

import numpy as np

from utils.labels.linkage import unit_vectors
from utils.labels.matching import LabelMatch, MatchResult
from utils.seeding import Draws, Purpose
from utils.words.word_vectors import WordVectors

# How much more the matched term counts in a composed vector than each other word: `terrier` in "Border terrier". Of the weights
# 1 to 5, three and more leave the fewest of ImageNet's class names without a hint, and keep the kinds of a thing together.
_HEAD_WEIGHT = 3.0


def look_up_vectors(result: MatchResult, word_vectors: WordVectors, seed: int) -> np.ndarray:
    """Return the vectors of the classes, float32 (C, D); unmatched classes get random ones of the usual length.

    Raises:
        SemcoError: a vector is zero or not finite.
    """
    terms = list(dict.fromkeys(term for entry in result.entries for term in _terms(entry)))
    known = dict(zip(terms, word_vectors.select(terms), strict=True)) if terms else {}
    vectors = np.zeros((len(result.entries), word_vectors.dim), dtype=np.float32)
    missing = []
    for place, entry in enumerate(result.entries):
        if parts := _terms(entry):
            vectors[place] = known[parts[0]] if len(parts) == 1 else _compose(np.stack([known[term] for term in parts]))
        else:
            missing.append(place)
    if missing:
        lengths = np.linalg.norm(np.delete(vectors, missing, axis=0), axis=1)
        length = np.median(lengths) if len(lengths) else 1.0
        drawn = _normal(Draws(seed, Purpose.LABEL_VECTORS), len(missing), word_vectors.dim)
        vectors[missing] = drawn * (length / np.linalg.norm(drawn, axis=1, keepdims=True))
    return vectors


def shuffle_vectors(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Deal the class vectors (C, D) out to the classes again, in an order drawn from the seed."""
    return vectors[np.argsort(Draws(seed, Purpose.SHUFFLED_VECTORS).uniform(len(vectors)), kind="stable")]


def _terms(entry: object) -> tuple[str, ...]:
    """The terms that a class's vector is made of; none for an unmatched class."""
    if not isinstance(entry, LabelMatch):
        return ()
    return entry.parts if entry.rule == "composed" else (entry.term,)


def _compose(vectors: np.ndarray) -> np.ndarray:
    """Mean direction of the vectors of a name's words (n, D), the last and most weighty one's length, (D,)."""
    weights = np.ones(len(vectors))
    weights[-1] = _HEAD_WEIGHT
    mean = weights @ unit_vectors(vectors)
    # Of unit vectors, one weighing three can be balanced by three others that point the other way.
    if np.linalg.norm(mean) < 1e-6:
        return vectors[-1]
    return (mean * (np.linalg.norm(vectors[-1].astype(np.float64)) / np.linalg.norm(mean))).astype(np.float32)


def _normal(draws: Draws, *shape: int) -> np.ndarray:
    """Draw normal numbers by Box and Muller's transform of uniform ones."""
    return np.sqrt(-2.0 * np.log1p(-draws.uniform(*shape))) * np.cos(2.0 * np.pi * draws.uniform(*shape))
