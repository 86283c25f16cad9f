"""Which images are used for validation: those of a split, of the test part, or some of the labelled ones, held out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loaders.dataset.index import DatasetIndex, has_test_part, load_index
from loaders.dataset.split import Split, locate_split, read_split
from utils.errors import SemcoError
from utils.flags.config import Config
from utils.seeding import Draws, Purpose


@dataclass(frozen=True)
class Validation:
    """Validation images: `rows`, positions in `index`, and their `labels`, both int64 (n,).

    `source`: where they come from, for people; `split`: the one that names them, if any.
    """

    index: DatasetIndex
    rows: np.ndarray
    labels: np.ndarray
    source: str
    split: Split | None = None


def select_validation(
    config: Config, folder: Path, train: DatasetIndex, labelled: np.ndarray, labels: np.ndarray
) -> Validation:
    """Choose the validation images as the flags say.

    Args:
        labelled, labels: positions in `train` of the images that the training split names, and their classes; int64 (n,).

    Raises:
        SemcoError: there are none, or the flags name training images.
    """
    if config.valid_fraction:
        return _held_out(config, train, labelled, labels)
    if config.valid_split_pickle is not None:
        split = read_split(config.valid_split_pickle)
        index = train if split.part == "train" else load_index(folder, "test", class_names=train.class_names)
        rows, codes = locate_split(split, index)
        if index is train and len(np.intersect1d(labelled, rows)):
            raise SemcoError(
                f"{config.valid_split_pickle} holds labelled training images: make disjoint splits with split_maker.py"
            )
        return Validation(index, rows, codes, f"{len(rows)} images of {split.path}", split)
    if not has_test_part(folder):
        raise SemcoError(
            f"dataset {folder} has no test part to validate on: pass --valid-fraction 0.2 to hold out labelled images, "
            "or name images with --valid-split-pickle"
        )
    index = load_index(folder, "test", class_names=train.class_names)
    rows = np.flatnonzero(index.labels >= 0)
    if not len(rows):
        raise SemcoError(f"no image of {index.folder} has a class: validation needs some, or pass --valid-split-pickle")
    return Validation(index, rows, index.labels[rows], f"all {len(rows)} images of {index.folder}")


def _held_out(config: Config, train: DatasetIndex, labelled: np.ndarray, labels: np.ndarray) -> Validation:
    chosen = hold_out(labels, config.valid_fraction, seed=config.seed)
    if not chosen.any():
        raise SemcoError(
            "--valid-fraction finds no class with two labelled images or more: label more, "
            "or name validation images with --valid-split-pickle"
        )
    source = (
        f"{chosen.sum()} of the {len(labels)} labelled images, held out by --valid-fraction {config.valid_fraction:g}"
    )
    if single := len(np.setdiff1d(labels, labels[chosen])):
        source += f"; {single} classes have a single labelled image and no validation"
    return Validation(train, labelled[chosen], labels[chosen], source)


def hold_out(labels: np.ndarray, fraction: float, *, seed: int) -> np.ndarray:
    """Draw which labelled images to hold out for validation, bool (n,): `share_of_class` of each class.

    Args:
        labels: classes of the labelled images, int64 (n,).
    """
    order = Draws(seed, Purpose.VALIDATION).uniform(len(labels))
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        first = np.argsort(order[members], kind="stable")[: share_of_class(len(members), fraction)]
        chosen[members[first]] = True
    return chosen


def share_of_class(count: int, fraction: float) -> int:
    """Return how many of a class's `count` images to hold out: rounded, at least one, but never the last."""
    return min(max(1, int(fraction * count + 0.5)), count - 1)
