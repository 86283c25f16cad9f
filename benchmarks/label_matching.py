"""Claim: 1,000 ImageNet names are matched against 550,000 terms in under 2 s.

`python -m benchmarks.label_matching` uses a generated vocabulary: unigrams and bigrams of pseudo-words, and all but a fiftieth of
the names' own last words (GloVe 6B leaves 19 of the names unmatched). `--word-vec-path FILE` measures a real one instead, and
the time to read it.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torchvision.models import ResNet50_Weights

from benchmarks.parts.results_file import write_results
from utils.labels.matching import LabelMatch, match_labels
from utils.words.terms import normalise
from utils.words.word_vectors import open_word_vectors

TERMS = 550_000
REPETITIONS = 5


def imagenet_names() -> list[str]:
    """Return the 1,000 class names that torchvision lists."""
    return list(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def generated_vocabulary(names: Sequence[str], count: int) -> list[str]:
    """Make up `count` different pseudo-words and pairs of them, as long as real words, in random order."""
    rng = np.random.default_rng(0)
    syllables = [
        first + vowel + last for first in "bdfgklmnprstvz" for vowel in "aeiou" for last in ("", "n", "r", "s", "l")
    ]
    lasts = sorted({normalise(name).split("_")[-1] for name in names})
    known = lasts[: len(lasts) * 49 // 50]
    terms = set(known)
    while len(terms) < count:
        chosen, lengths = rng.integers(len(syllables), size=(200_000, 4)), rng.integers(1, 5, 200_000)
        words = [
            "".join([syllables[place] for place in row[:length]]) for row, length in zip(chosen, lengths, strict=True)
        ]
        terms.update(words)
        terms.update(map("_".join, zip(words[::2], words[1::2], strict=True)))
    others = rng.permutation(np.array(sorted(terms.difference(known)), dtype=object))[: count - len(known)]
    return rng.permutation([*known, *others]).tolist()


def measure(names: Sequence[str], vocabulary: Sequence[str]) -> dict[str, float | dict[str, int]]:
    """Return the median seconds of matching all names, and what the rules found."""
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        result = match_labels(names, vocabulary)
        times.append(time.perf_counter() - start)
    rules = Counter(entry.rule if isinstance(entry, LabelMatch) else "unmatched" for entry in result.entries)
    return {
        "names": len(names),
        "terms": len(vocabulary),
        "seconds_median": round(float(np.median(times)), 3),
        "seconds_max": round(max(times), 3),
        "rules": dict(rules.most_common()),
    }


def main() -> None:
    """Measure; print the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--word-vec-path", type=Path, help="a real vocabulary instead of a generated one")
    values = parser.parse_args()
    names, figures = imagenet_names(), {}
    if values.word_vec_path is None:
        vocabulary, name = generated_vocabulary(names, TERMS), "label_matching"
    else:
        start = time.perf_counter()
        vocabulary = open_word_vectors(values.word_vec_path).terms
        figures["seconds_to_read"] = round(time.perf_counter() - start, 3)
        name = f"label_matching_{values.word_vec_path.name.split('.txt')[0]}"
    figures |= measure(names, vocabulary)
    print(*(f"{key}: {value}" for key, value in figures.items()), sep="\n")
    print(write_results(name, figures))


if __name__ == "__main__":
    main()
