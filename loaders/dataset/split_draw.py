"""Draw which training images are labelled, and which of the others are used for validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loaders.dataset.label_table import LabelTable
from utils.errors import SemcoError


@dataclass(frozen=True)
class Draw:
    """Drawn images, file name -> class.

    `labelled`: those whose class is used in training; `validation`: others of the same part, empty when none were asked for;
    `exhausted`: classes that have no more images than were asked for, so that all of them are labelled.
    """

    labelled: dict[str, str]
    validation: dict[str, str]
    exhausted: list[str]


def draw_split(table: LabelTable, *, seed: int, per_class: int = 0, total: int = 0, valid_per_class: int = 0) -> Draw:
    """Draw `per_class` labelled images per class, or `total` in all, and `valid_per_class` validation images per class.

    The draw is part of every published split and fixed for ever: the legacy stream of `numpy.random.seed(seed)`, classes
    in sorted order, `choice` without replacement among a class's images in file order. A class that has no more images than
    are asked for gives all of them and draws nothing. Validation images are drawn in the same way afterwards, from the
    images left, so that asking for them changes no labelled image.

    Raises:
        SemcoError: there are too few images for `total` or for validation.
    """
    stream = np.random.RandomState(seed)
    images = images_by_class(table)
    counts = _balanced_counts(images, total, stream) if total else dict.fromkeys(images, per_class)
    labelled = _choose(images, counts, stream)
    left = {name: [file for file in files if file not in labelled] for name, files in images.items()}
    if short := [name for name, files in left.items() if len(files) < valid_per_class]:
        raise SemcoError(
            f"--valid-per-label {valid_per_class} asks for more than the {len(left[short[0]])} images of class {short[0]!r} "
            f"that are not labelled (and so in {len(short)} classes in all): lower it, or label fewer images"
        )
    return Draw(
        labelled=labelled,
        validation=_choose(left, dict.fromkeys(left, valid_per_class), stream) if valid_per_class else {},
        exhausted=[name for name, files in images.items() if len(files) <= counts[name]],
    )


def images_by_class(table: LabelTable) -> dict[str, list[str]]:
    """Group the images by class, in file order, with sorted classes; images without a class are left out."""
    images: dict[str, list[str]] = {}
    for name, class_name in zip(table.ids, table.classes, strict=True):
        if class_name is not None:
            images.setdefault(class_name, []).append(name)
    return dict(sorted(images.items()))


def _choose(
    images: Mapping[str, Sequence[str]], counts: Mapping[str, int], stream: np.random.RandomState
) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for class_name, files in images.items():
        if len(files) > counts[class_name]:
            files = [str(name) for name in stream.choice(files, counts[class_name], replace=False)]
        chosen.update(dict.fromkeys(files, class_name))
    return chosen


def _balanced_counts(images: Mapping[str, Sequence[str]], total: int, stream: np.random.RandomState) -> dict[str, int]:
    """Share `total` labels among the classes as equally as their sizes allow.

    A share without a remainder draws nothing, and equals the draw of as many images per class. Otherwise the classes that
    give one image more are drawn first.
    """
    sizes = {name: len(files) for name, files in images.items()}
    if total < len(sizes):
        raise SemcoError(f"--labels-total {total} is less than the {len(sizes)} classes: each needs a labelled image")
    if total > sum(sizes.values()):
        raise SemcoError(f"--labels-total {total} is more than the {sum(sizes.values())} training images with a class")
    level, rest = 0, total
    # Classes that are used up drop out; the others share what is left.
    while (open_classes := [name for name in sizes if sizes[name] > level]) and rest >= len(open_classes):
        level += 1
        rest -= len(open_classes)
    counts = {name: min(size, level) for name, size in sizes.items()}
    for name in stream.choice(open_classes, rest, replace=False) if rest else ():
        counts[str(name)] += 1
    return counts
