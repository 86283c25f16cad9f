"""What the user should know of the label semantics before training: one line per subject, ten names at most."""

from collections.abc import Iterator, Sequence

import numpy as np

from utils.flags.config import Config
from utils.labels.grouping import Grouping, explain_no_effect
from utils.labels.insight import idle_score, lost_hints, same_vectors
from utils.labels.matching import LabelMatch, MatchResult
from utils.labels.threshold import auto_threshold

_SHOWN = 10
_LONGEST_NAME = 60


def quoted(name: str) -> str:
    """Return a name in quotes, cut where it would fill the line."""
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}...")


def list_some(items: Sequence[str], separator: str = ", ") -> str:
    """Join the first ten items and say how many more there are."""
    more = f"{separator}and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return separator.join(items[:_SHOWN]) + more


def match_warnings(result: MatchResult) -> Iterator[str]:
    """Say which classes get random vectors."""
    if result.unmatched:
        names = list_some([quoted(entry.label) for entry in result.unmatched])
        yield f"random vectors stand in for {len(result.unmatched)} class names that match no word: {names}"


def vector_warnings(
    config: Config, matches: Sequence[LabelMatch], vectors: np.ndarray, grouping: Grouping, compared: np.ndarray
) -> Iterator[str]:
    """Say what is amiss with class vectors (C, D), and with the groups that were made of `compared` (C, D)."""
    if config.shuffle_vectors:
        yield (
            "--shuffle-vectors: the class vectors are dealt out at random, as a control; "
            "terms and rules in label_groups.csv are those from before"
        )
    same = same_vectors(vectors)
    if same:
        yield _same_warning(matches, same)
    if not (config.lam_u > 0 and config.lambda_emb > 0):
        return  # nothing is learnt from the embedding head's guesses
    known = {place for members in same for place in members}
    if lost := {place: hint for place, hint in lost_hints(vectors, grouping.ids).items() if place not in known}:
        names = [f"{quoted(matches[place].label)} (as {quoted(matches[hint].label)})" for place, hint in lost.items()]
        yield (
            f"through their groups {len(lost)} classes are never hinted, even where an embedding equals their vector: "
            f"{list_some(names)}; another --eps or --label-terms may help"
        )
    if text := explain_no_effect(compared, grouping):
        yield text
    if config.thr_emb is not None:
        yield from _threshold_warning(config, vectors, grouping.ids)


def _threshold_warning(config: Config, vectors: np.ndarray, groups: np.ndarray) -> Iterator[str]:
    """Say which guesses of embeddings that know too little pass --thr-emb."""
    idle, auto = idle_score(vectors, groups), auto_threshold(vectors, groups)
    way_out = f"--thr-emb {config.thr_emb:g}; --thr-emb auto ({auto:g} here) keeps such guesses out"
    if idle >= config.thr_emb:
        yield (
            f"these class vectors lie close together: an embedding that knows nothing scores {idle:.2f} and passes {way_out}"
        )
    elif config.label_embedder is not None and auto > config.thr_emb:
        # The default is the paper's, made for vectors of single words; with a text encoder it was measured to cost accuracy.
        yield f"an embedding halfway between two classes of this text encoder passes {way_out}"


def _same_warning(matches: Sequence[LabelMatch], same: Sequence[Sequence[int]]) -> str:
    """One line for all sets of classes with one vector; ten classes at most."""
    texts, left = [], _SHOWN
    for members in same:
        if left < 2:
            break
        terms = {matches[place].term for place in members}
        what = f"share the term {quoted(terms.pop())}" if len(terms) == 1 else "share a vector"
        names = ", ".join(quoted(matches[place].label) for place in members[:left])
        more = f" and {len(members) - left} more" if len(members) > left else ""
        texts.append(f"{names}{more} {what}")
        left -= len(members)
    rest = sum(map(len, same[len(texts) :]))
    others = f"; {rest} other classes share vectors likewise (label_groups.csv has all terms)" if rest else ""
    return f"the classes {'; '.join(texts)}{others}: the embedding head cannot tell them apart"
