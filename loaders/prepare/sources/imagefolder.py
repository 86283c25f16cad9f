"""Class folders -> dataset folder: `train/<class>/*` and `test/<class>/*`, or just `<class>/*`."""

import argparse
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from loaders.dataset.class_names import clean_class_name
from loaders.dataset.parts import TEST_NAMES, TRAIN_NAMES, UNLABELLED_NAMES, VALID_NAMES, is_leftover, named_like
from loaders.pixels.formats import HEIC_NEEDS, is_heic, is_image
from loaders.prepare.sources.contents import Contents, SourceImage, warn
from loaders.prepare.sources.division import add_division_arguments, divide, share
from utils.errors import SemcoError

HELP = (
    "class folders: DIR/train/<class>/* and DIR/test/<class>/*, or just DIR/<class>/*; DIR/unlabelled/* if there is any"
)
NAME = None
SOURCE = "folder with the class folders"
LINKS = True
DOWNLOADS = False
_PART_NAMES = {"train": TRAIN_NAMES, "test": TEST_NAMES, "validation": VALID_NAMES}
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    add_division_arguments(parser)


def read(values: argparse.Namespace) -> Contents:
    """List the images of the class folders.

    An image is called `<class>__<file>` in the dataset, so that equal file names of two classes stay apart.

    Raises:
        SemcoError: a folder is missing or empty, or a part is there twice.
    """
    walk = _Walk()
    folders = {folder.name: folder for folder in walk.folders(values.source)}
    unlabelled = [folders.pop(name) for name in named_like(folders, UNLABELLED_NAMES)]
    found = _find_parts(values.source, folders)
    if found:
        parts = {}
        for part, folder in found.items():
            inside = walk.folders(folder)
            beside = [entry for entry in inside if entry.name.lower() in UNLABELLED_NAMES]
            if beside and part == "test":
                raise SemcoError(f"{beside[0]} is inside a test part: unlabelled images are training images, move it")
            unlabelled += beside
            parts[part] = _read_classes(folder, [entry for entry in inside if entry not in beside], walk)
        if others := sorted(folders.keys() - {folder.name for folder in found.values()}):
            more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
            warn(f"{values.source} holds {', '.join(others[:_SHOWN])}{more} beside train and test: not read")
    else:
        parts = {"train": _read_classes(values.source, list(folders.values()), walk)}
    if values.test_fraction:
        if "test" in parts:
            raise SemcoError(f"{values.source} has a test part already: drop --test-fraction")
        parts["train"], parts["test"] = divide(parts["train"], share(values.test_fraction), seed=values.random_seed)
    if unlabelled:
        parts["unlabelled"] = [
            SourceImage(name, None, path) for folder in unlabelled for name, path in walk.images(folder)
        ]
    walk.report()
    return Contents(parts)


def _find_parts(source: Path, folders: dict[str, Path]) -> dict[str, Path]:
    """Find the folders that are parts of the dataset, not classes: part -> folder; none in a folder of class folders."""
    named = {part: named_like(folders, known) for part, known in _PART_NAMES.items()}
    there = [name for names in named.values() for name in names]
    # A folder of pictures of trains may well be called train: a part has folders within, or comes with another part.
    if not any(_Walk().folders(folders[name]) for name in there):
        if named["train"] and (named["test"] or named["validation"]):
            raise SemcoError(
                f"{source} holds {', '.join(there)} without class folders in them: expected train/<class>/ and test/<class>/"
            )
        return {}
    for part, names in named.items():
        if len(names) > 1:
            raise SemcoError(f"{source} holds {' and '.join(names)}, which both are the {part} part: merge them")
    if not named["train"]:
        raise SemcoError(
            f"{source / 'train'} does not exist, but {there[0]}/ does: expected class folders train/<class>/"
        )
    found = {"train": folders[named["train"][0]]}
    if named["test"]:
        found["test"] = folders[named["test"][0]]
    elif named["validation"]:
        found["test"] = folders[named["validation"][0]]
        warn(f"{found['test']} becomes the test part: its images are evaluated, never trained on")
    return found


def _read_classes(folder: Path, class_folders: Sequence[Path], walk: "_Walk") -> list[SourceImage]:
    if not class_folders:
        raise SemcoError(f"{folder} holds no class folders: expected folders with images in them")
    images = []
    for class_folder in class_folders:
        found = walk.images(class_folder)
        if not found:
            raise SemcoError(
                f"{class_folder} holds no image{walk.why_none(class_folder)}: add some, or remove the class"
            )
        class_name = clean_class_name(class_folder.name)
        images += [SourceImage(f"{class_folder.name}__{name}", class_name, path) for name, path in found]
    return images


class _Walk:
    """Finds folders and images, and counts what it leaves out."""

    def __init__(self) -> None:
        self._left_out: dict[str, list[Path]] = defaultdict(list)

    def folders(self, folder: Path) -> list[Path]:
        """Return the folders directly in `folder`, sorted, without those that systems leave."""
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
        self._left_out["leftovers"] += [entry for entry in entries if is_leftover(entry.name)]
        return [entry for entry in entries if not is_leftover(entry.name)]

    def images(self, folder: Path) -> list[tuple[str, Path]]:
        """Return the images at any depth, sorted, each with a name without `/`."""
        images = []
        for path in sorted(_files(folder)):
            parts = path.relative_to(folder).parts
            if any(map(is_leftover, parts)):
                self._left_out["leftovers"].append(path)
            elif is_image(path):
                images.append(("__".join(parts), path))
            else:
                self._left_out["heic" if is_heic(path) else "others"].append(path)
        return images

    def why_none(self, folder: Path) -> str:
        """Say what a folder without images holds instead, as a part of a sentence."""
        inside = {kind: [path for path in paths if folder in path.parents] for kind, paths in self._left_out.items()}
        if heic := inside.get("heic"):
            return f" that can be read, but {len(heic)} in HEIC ({HEIC_NEEDS})"
        others = inside.get("others")
        return (
            f" (its {len(others)} files are none: {others[0].name}{', ...' if len(others) > 1 else ''})"
            if others
            else ""
        )

    def report(self) -> None:
        """Warn of what was left out, in one line for each reason."""
        for kind, text in (
            ("heic", f"images are left out: {HEIC_NEEDS}"),
            ("others", "files are left out, because they are no images"),
            ("leftovers", "files and folders that are hidden or left by systems are skipped"),
        ):
            if paths := self._left_out[kind]:
                warn(f"{len(paths)} {text}: {paths[0]}{', ...' if len(paths) > 1 else ''}")


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, those behind links too; links to folders, which may lead in circles, are not followed."""

    def refuse(error: OSError) -> None:
        raise error

    for inner, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            entry = Path(inner, name)
            if not os.path.exists(entry):  # noqa: PTH110 (a link to itself makes Path.exists raise)
                raise SemcoError(f"{entry} is a link that leads nowhere: restore the image or remove the link")
            if entry.is_file():
                yield entry
