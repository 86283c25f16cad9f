"""STL-10 with its unlabelled images, read by torchvision."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from loaders.prepare.contents import Contents, SourceImage
from loaders.prepare.download import add_download_argument, open_with_torchvision
from utils.progress import Progress

HELP = "STL-10: 5,000 training, 8,000 test and 100,000 unlabelled images of 96x96 pixels"
NAME = "stl10"
LINKS = False
# The labels 1 to 10 of the binary files, in order.
CLASS_NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    parser.add_argument(
        "--source",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder that holds STL-10's binary files, unpacked or as .tar.gz",
    )
    add_download_argument(parser)


def read(values: argparse.Namespace, progress: Progress) -> Contents:
    """Read all images.

    Raises:
        SemcoError: a file is missing or its checksum is wrong.
    """

    def images(split: str) -> Iterator[tuple[int, np.ndarray, int]]:
        data = open_with_torchvision("STL10", values, title="STL-10", split=split)
        pixels = data.data.transpose(0, 2, 3, 1)
        return zip(range(len(pixels)), pixels, data.labels, strict=True)

    return Contents(
        {
            **{
                part: [
                    SourceImage(f"{number:04d}.png", CLASS_NAMES[label], image) for number, image, label in images(part)
                ]
                for part in ("train", "test")
            },
            "unlabelled": [SourceImage(f"{number:05d}.png", None, image) for number, image, _ in images("unlabeled")],
        }
    )
