"""Images -> a folder per class, under names that no class name can turn against the file system."""

import filecmp
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.files.atomic import write_error

# Of a name's 255 bytes, the rest is for numbers behind it and for temporary files.
_LONGEST = 100
_UNFIT = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(1, 10))}


@dataclass(frozen=True)
class Copied:
    """Number of images that were copied, and of those that were there already."""

    new: int
    there: int


def class_folders(class_names: Sequence[str]) -> dict[str, str]:
    """Give each class the name of a folder, its own as far as it can be one; no two share a folder."""
    taken: set[str] = set()
    folders = {}
    # Names that can stay as they are come first, so that no repaired one takes theirs.
    for name in sorted(class_names, key=lambda one: safe_name(one) != one):
        base = folder = safe_name(name)
        number = 2
        # Some file systems take `A` and `a` for one name.
        while folder.casefold() in taken:
            folder = f"{base}-{number}"
            number += 1
        taken.add(folder.casefold())
        folders[name] = folder
    return {name: folders[name] for name in class_names}


def safe_name(name: str) -> str:
    """Turn any text into the name of one visible file or folder on any system."""
    kept = "".join(
        char for char in unicodedata.normalize("NFC", name) if unicodedata.category(char) not in ("Cf", "Cs")
    )
    plain = _UNFIT.sub("_", kept).strip(" .")
    plain = plain.encode("utf-8")[:_LONGEST].decode("utf-8", "ignore").strip(" .")
    if name.strip().startswith("."):
        plain = f"_{plain}"
    return f"{plain}_" if not plain or plain.split(".")[0].casefold() in _RESERVED else plain


def copy_into_folders(target: Path, images: Iterable[tuple[Path, str]], folders: dict[str, str]) -> Copied:
    """Copy images, each given with its class, into `target`/<class>.

    Nothing is overwritten: a file of the same name and content counts as copied, another one gets a number behind its name.

    Raises:
        SemcoError: the disk is full, or a file cannot be read or written.
    """
    new = there = 0
    for source, class_name in images:
        folder = target / folders[class_name]
        try:
            if _copy(source, folder):
                new += 1
            else:
                there += 1
        except OSError as error:
            raise write_error(folder / source.name, error) from error
    return Copied(new, there)


def _copy(source: Path, folder: Path) -> bool:
    """Copy a file; False when it is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    name = _safe_file_name(source)
    goal, number = folder / name, 2
    while os.path.lexists(goal):
        if goal.is_file() and filecmp.cmp(source, goal, shallow=False):
            return False
        goal = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        number += 1
    handle, temporary = tempfile.mkstemp(prefix=".copy-", suffix=".part", dir=folder)
    try:
        os.close(handle)
        shutil.copyfile(source, temporary)
        shutil.copymode(source, temporary)
        os.rename(temporary, goal)  # noqa: PTH104
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
    return True


def _safe_file_name(source: Path) -> str:
    suffix = safe_name(source.suffix[1:]) if source.suffix else ""
    return safe_name(source.stem) + (f".{suffix}" if suffix else "")
