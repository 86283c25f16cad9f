"""From the samples of shards, an image and a label each, to what a dataset folder is made of."""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loaders.dataset.class_names import clean_class_name, clean_class_names
from loaders.prepare.shards.image_bytes import LARGEST_IMAGE, UNKNOWN, image_suffix
from loaders.prepare.sources.contents import Contents, PackedImage, SourceImage, warn
from loaders.prepare.sources.division import add_division_arguments, divide, share
from utils.errors import SemcoError
from utils.files.tables import read_class_names
from utils.flags.arguments import path_argument
from utils.progress import Progress

# The whole of ImageNet has 14 million. Beyond this a file is not what it seems.
MOST_IMAGES = 50_000_000
_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class Sample:
    """One image of a shard: where it comes from, for messages, its first bytes, its class or None."""

    place: str
    image: PackedImage
    head: bytes
    class_name: str | None


class ClassNames:
    """Turns labels into class names.

    Args:
        names: those of the numbers 0, 1, ...; None: numbers have no names.
        of_numbers: also read a text of digits as a number.
    """

    def __init__(self, names: Sequence[str] | None, *, of_numbers: bool) -> None:
        self._names = None if names is None else clean_class_names(names)
        self._known = frozenset(self._names or ())
        self._of_numbers = of_numbers

    def name(self, label: object, place: str) -> str | None:
        """Return the class of a label; None for what stands for no label: null, -1, an empty text.

        Raises:
            SemcoError: it is neither a number with a name nor a text, or it is not in the list of classes.
        """
        if isinstance(label, str):
            label = clean_class_name(label) or None
        if label is None:
            return None
        if isinstance(label, str) and self._of_numbers and _NUMBER.fullmatch(label):
            label = int(label)
        if isinstance(label, bool) or not isinstance(label, int | str):
            raise SemcoError(f"{place} has the label {repr(label)[:100]}: expected a number or a name")
        if isinstance(label, int):
            return self._number(label, place)
        if self._known and label not in self._known:
            raise SemcoError(
                f"{place} has the label {label[:100]!r}, which the list of {len(self._known)} classes lacks"
            )
        return label

    def _number(self, label: int, place: str) -> str | None:
        if label == -1:
            return None
        if self._names is None:
            raise SemcoError(
                f"{place} has the label {label}, a number without a name: list the names in order with --classes FILE"
            )
        if not 0 <= label < len(self._names):
            raise SemcoError(f"{place} has the label {label}, expected 0 to {len(self._names) - 1}, or -1 for none")
        return self._names[label]


def add_packed_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --classes, --test-fraction and --random-seed."""
    parser.add_argument(
        "--classes",
        type=path_argument,
        metavar="FILE",
        help="names of the classes 0, 1, ... in order: text (one a line), CSV, JSON or pickle",
    )
    add_division_arguments(parser)


def given_classes(values: argparse.Namespace) -> list[str] | None:
    """Return the list of --classes, None without it.

    Raises:
        SemcoError: it cannot be read.
    """
    return None if values.classes is None else read_class_names(values.classes)


def gather(
    shards: dict[str, list[Path]], samples: Callable[[Path, str], Iterator[Sample]], values: argparse.Namespace
) -> Contents:
    """Make a dataset's parts of the samples of all shards.

    Names are made from split and position, never from what the source calls its images. Training images without a class
    become unlabelled images; test images without one are left out.

    Args:
        shards: as `find_shards` returns them.
        samples: reads a shard of a split.

    Raises:
        SemcoError: a shard is damaged, holds no images, or the division makes no sense.
    """
    progress = Progress(enabled=values.progress_bar)
    train, unlabelled, kept_out = [], [], list(shards)
    for split in ("train", "unlabelled"):
        for image in _read(split, shards.get(split, []), samples, progress):
            (unlabelled if image.class_name is None or split == "unlabelled" else train).append(image)
        kept_out = [other for other in kept_out if other != split]
    parts: dict[str, Sequence[SourceImage]] = {"train": train}
    # The labels of a benchmark's test split may be secret; then its validation split is what can be evaluated.
    for split in ("test", "validation"):
        if "test" not in parts and split in shards:
            kept_out.remove(split)
            if images := _with_class(split, list(_read(split, shards[split], samples, progress))):
                parts["test"] = images
                if split == "validation":
                    warn("validation becomes the test part: its images are evaluated, never trained on")
    if kept_out:
        warn(f"{', '.join(kept_out)} beside test: not read")
    if values.test_fraction:
        if "test" in parts:
            raise SemcoError(f"{values.source} has a test part already: drop --test-fraction")
        parts["train"], parts["test"] = divide(train, share(values.test_fraction), seed=values.random_seed)
    if unlabelled:
        parts["unlabelled"] = [SourceImage(image.name, None, image.content) for image in unlabelled]
    return Contents(parts)


def _read(
    split: str, paths: Iterable[Path], samples: Callable[[Path, str], Iterator[Sample]], progress: Progress
) -> Iterator[SourceImage]:
    """Yield the images of one split, and warn of those of no known kind.

    Raises:
        SemcoError: no image is of a known kind: these are not images.
    """
    strange: list[str] = []
    number = 0
    paths = list(paths)
    with progress.bar(total=len(paths), what=f"reading the shards of {split}", unit="shards") as bar:
        for path in paths:
            for sample in samples(path, split):
                if sample.image.size > LARGEST_IMAGE:
                    raise SemcoError(
                        f"{sample.place} holds an image of {sample.image.size:,} bytes, expected at most {LARGEST_IMAGE:,}"
                    )
                if (suffix := image_suffix(sample.head)) == UNKNOWN:
                    strange.append(sample.place)
                if number == MOST_IMAGES:
                    raise SemcoError(
                        f"{sample.place} is beyond {MOST_IMAGES:,} images: check that it is the right source"
                    )
                yield SourceImage(f"{split}-{number:08d}{suffix}", sample.class_name, sample.image)
                number += 1
            bar.update(1)
    if number and len(strange) == number:
        raise SemcoError(f"{strange[0]} holds no image in any format that is known, nor do the others of {split}")
    if strange:
        warn(
            f"{len(strange)} images of {split} are in no format that is known: {strange[0]}{', ...' if strange[1:] else ''}; "
            "training names those that are damaged"
        )


def _with_class(split: str, images: Sequence[SourceImage]) -> list[SourceImage]:
    labelled = [image for image in images if image.class_name is not None]
    if len(labelled) < len(images):
        warn(f"{len(images) - len(labelled)} images of {split} have no label, and are left out")
    return labelled
