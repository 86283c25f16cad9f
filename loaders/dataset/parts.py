"""What the parts of a dataset are called: train, test, unlabelled, and what people call them instead."""

import os
from collections.abc import Iterable
from pathlib import Path

from utils.errors import SemcoError

# Compared in lower case. A validation part is a test part here: images that are evaluated and never trained on.
TRAIN_NAMES = frozenset({"train", "training"})
TEST_NAMES = frozenset({"test", "testing"})
VALID_NAMES = frozenset({"val", "valid", "validation"})
UNLABELLED_NAMES = frozenset({"unlabelled", "unlabeled"})
_NAMES = {"train": TRAIN_NAMES, "test": TEST_NAMES | VALID_NAMES, "unlabelled": UNLABELLED_NAMES}
# Folders and files that systems and programs leave in folders of images.
_LEFTOVERS = frozenset({"@eadir", "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"})


def is_leftover(name: str) -> bool:
    """Say whether a file or folder is hidden (`.DS_Store`, `.ipynb_checkpoints`) or left by a system (`Thumbs.db`)."""
    return name.startswith(".") or name.lower() in _LEFTOVERS


def named_like(names: Iterable[str], known: frozenset[str]) -> list[str]:
    """Return those of `names` that are in `known` in any case, sorted."""
    return sorted(name for name in names if name.lower() in known)


def check_part_names(folder: Path) -> None:
    """Make sure that each part of a dataset folder has its own name: one called otherwise would be overlooked.

    Raises:
        SemcoError: a part has another name, such as Train/ or unlabeled/.
    """
    try:
        with os.scandir(folder) as entries:
            there = {entry.name for entry in entries if entry.is_dir()}
    except OSError as error:
        raise SemcoError(f"dataset folder {folder} cannot be read: {error.strerror}") from error
    for part, known in _NAMES.items():
        others = [name for name in named_like(there, known) if name != part]
        if not others:
            continue
        if part not in there:
            raise SemcoError(f"{folder / others[0]} is not read under this name: rename it to {part}")
        if part != "test" or others[0].lower() not in VALID_NAMES:
            raise SemcoError(f"{folder / others[0]} stands beside {part}/ and is not read: move its images to {part}/")
