"""Runs so short that supervised training was measured to do as well: the rule and its words. docs/short_runs.md has both."""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# How often a run sees each labelled image: up to here, SemCo and FixMatch from random weights were measured to win no more over
# supervised training than seeds differ by (26, 32, 64, 128 and 256 times, each another dataset or number of labels); at 400 and
# 1,600 times SemCo won eight and ten points.
SEEN_WITHOUT_GAIN = 256
NEVER_TOOK_UNLABELLED = (
    "the run ended before --supervised-start let unlabelled images take part: its labelled images were not learnt far enough; "
    "train longer, or lower it"
)
SUPERVISED = ("--lambda-emb", "0", "--lam-u", "0")


def times_seen(*, steps: float, batch_size: int, labelled: int) -> float:
    """Return how often a run of `steps` sees each of its labelled images, `batch_size` of which are in every step."""
    return steps * batch_size / labelled


def takes_unlabelled(records: Iterable[Mapping[str, Any]], supervised_start: float) -> bool:
    """Return True once a run may learn from unlabelled images: at once, or after its labelled images are learnt far enough.

    Args:
        records: of the finished epochs, with `class_labelled`, the mean cross-entropy of the labelled images.
        supervised_start: the geometric mean that the probabilities of their classes have to reach in one of them; 0: none.
    """
    if not supervised_start:
        return True
    # A report's records come from a file, in which anything may stand.
    losses = (record.get("class_labelled") for record in records)
    return any(isinstance(loss, int | float) and loss <= -math.log(supervised_start) for loss in losses)


def warn_of_short_run(*, seen: float, images_per_labelled: int, arguments: Sequence[str]) -> str | None:
    """Say that a semi-supervised run is too short to pay, with the command of the supervised one; None where it is not.

    Args:
        seen: how often the run sees each labelled image.
        images_per_labelled: images that a step puts through the network for each labelled one.
        arguments: the run's own, behind which those of the supervised one go.
    """
    if seen > SEEN_WITHOUT_GAIN:
        return None
    command = shlex.join(["python", "run_semco.py", *arguments, *SUPERVISED])
    return (
        f"this run sees each labelled image {seen:,.3g} times: up to {SEEN_WITHOUT_GAIN} times, supervised training was "
        f"measured to do as well with 1/{images_per_labelled} of the images; to train that: {command}"
    )
