"""Runs so short that supervised training was measured to do as well: the rule and its words. docs/short_runs.md has both."""

import shlex
from collections.abc import Sequence

# (labels per class, steps): with at least so many labels, SemCo and FixMatch from random weights were measured to win
# nothing over supervised training up to so many steps.
_NOTHING_WON = (
    (25, 1_000),  # a CIFAR-100 subset
    (100, 2_000),  # ten classes of 32-pixel images in colour
)
SUPERVISED = ("--lambda-emb", "0", "--lam-u", "0")


def steps_without_gain(labels_per_class: float) -> int:
    """Return up to how many steps nothing was won over supervised training; 0 where something was, or nobody measured."""
    return max((steps for labels, steps in _NOTHING_WON if labels_per_class >= labels), default=0)


def warn_of_short_run(
    *, steps: int, labels_per_class: float, images_per_labelled: int, arguments: Sequence[str]
) -> str | None:
    """Say that a semi-supervised run is too short to pay, with the command of the supervised one; None where it is not.

    Args:
        steps: steps that the run makes.
        images_per_labelled: images that a step puts through the network for each labelled one.
        arguments: the run's own, behind which those of the supervised one go.
    """
    if steps > (most := steps_without_gain(labels_per_class)):
        return None
    command = shlex.join(["python", "run_semco.py", *arguments, *SUPERVISED])
    return (
        f"this run makes {steps:,} steps: at {labels_per_class:,.4g} labels per class and up to {most:,} steps, supervised "
        f"training was measured to do as well with 1/{images_per_labelled} of the images; to train that: {command}"
    )
