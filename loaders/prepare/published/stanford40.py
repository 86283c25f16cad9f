"""Stanford 40 Actions, from its ImageSplits files."""

import argparse
from pathlib import Path

from loaders.prepare.sources.contents import Contents, SourceImage
from loaders.prepare.sources.lists import inside, read_lines
from loaders.prepare.sources.source import no_arguments
from utils.errors import SemcoError

HELP = "Stanford 40 Actions: 4,000 training and 5,532 test photographs"
NAME = "stanford40"
SOURCE = "folder with JPEGImages/ and ImageSplits/ in it"
LINKS = True
DOWNLOADS = False

add_arguments = no_arguments


def read(values: argparse.Namespace) -> Contents:
    """List the images that `ImageSplits/<action>_train.txt` and `<action>_test.txt` name.

    Raises:
        SemcoError: a list is missing, or names another number of images than actions.txt announces.
    """
    splits, photographs = values.source / "ImageSplits", values.source / "JPEGImages"
    parts: dict[str, list[SourceImage]] = {"train": [], "test": []}
    for action, announced in _read_actions(splits / "actions.txt").items():
        found = 0
        for part, images in parts.items():
            path = splits / f"{action}_{part}.txt"
            names = read_lines(path)
            images += [SourceImage(name, action, inside(photographs, name, named_by=path)) for name in names]
            found += len(names)
        if found != announced:
            raise SemcoError(
                f"the lists of {action} in {splits} name {found} images, actions.txt announces {announced}: fetch them again"
            )
    return Contents(parts)


def _read_actions(path: Path) -> dict[str, int]:
    """Read action -> number of its images, from lines with a name and a number below a heading."""
    actions = {}
    for line in read_lines(path)[1:]:
        name, *count = line.split()
        if len(count) != 1 or not count[0].isdigit():
            raise SemcoError(f"{path}: the line {line!r} is no action with its number of images: fetch it again")
        actions[name] = int(count[0])
    return actions
