"""Draw a test part from images that come without one."""

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from loaders.dataset.validation import share_of_class
from loaders.prepare.sources.contents import SourceImage
from utils.flags.arguments import seed_number

Images = Sequence[SourceImage]


def divide(images: Images, test_count: Callable[[int], int], *, seed: int) -> tuple[Images, Images]:
    """Divide the images of each class into training and test images; images without a class stay in training.

    The draw is fixed for ever: the legacy stream of `numpy.random.RandomState(seed)`, classes in sorted order, one
    `permutation` of each class's images in the order of their names, of which the first are test images.

    Args:
        test_count: number of images of a class -> how many of them become test images.
    """
    stream = np.random.RandomState(seed)
    classes: dict[str, list[SourceImage]] = {}
    for image in sorted(images, key=lambda image: image.name):
        if image.class_name is not None:
            classes.setdefault(image.class_name, []).append(image)
    chosen = set()
    for class_name in sorted(classes):
        members = classes[class_name]
        order = stream.permutation(len(members))
        chosen |= {members[place].name for place in order[: test_count(len(members))]}
    parts: tuple[list[SourceImage], list[SourceImage]] = ([], [])
    for image in images:
        parts[image.name in chosen].append(image)
    return parts


def share(fraction: float) -> Callable[[int], int]:
    """Return the rule "this fraction of each class", for `divide`."""
    return lambda count: share_of_class(count, fraction)


def add_division_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --test-fraction and --random-seed."""
    parser.add_argument(
        "--test-fraction",
        type=_fraction,
        metavar="F",
        help="share of each class that becomes the test part, where the source has none (default: no test part)",
    )
    parser.add_argument(
        "--random-seed", type=seed_number, default=0, metavar="N", help="seed of that draw (default: 0)"
    )


def _fraction(text: str) -> float:
    if not 0.0 < (number := float(text)) < 1.0:
        raise ValueError(text)
    return number


# argparse names it in its message about a wrong value.
_fraction.__name__ = "share above 0 and below 1"
