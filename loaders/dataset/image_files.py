"""The files of a dataset folder: one walk, and what to say of an image that is not found."""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from loaders.dataset.parts import UNLABELLED_NAMES, is_leftover
from utils.errors import SemcoError, and_more


def check_images(folder: Path, ids: Sequence[str]) -> None:
    """Make sure that the images of a label table are in `folder`, and that no unlabelled ones hide there.

    Compares with one walk through the folder: a million single look-ups would take minutes on network disks.

    Raises:
        SemcoError: an image is missing, or unlabelled/ is inside the folder instead of beside it.
    """
    there = set(_files(folder, ""))
    missing = [name for name in sorted(ids) if name not in there]
    if missing:
        reason = _why_missing(folder, missing[0])
        if reason is None:
            near = near_name(missing[0], there)
            reason = "does not exist" + (f", but {near} is there" if near else "")
            advice = "write ids as the files are called" if near else "restore it or take it out of the labels feather"
        else:
            advice = "restore it or take it out of the labels feather"
        raise SemcoError(f"image {folder / missing[0]} {reason}{and_more(missing)}: {advice}")
    named = set(ids)
    for name in there:
        first, slash, _ = name.partition("/")
        if slash and first.lower() in UNLABELLED_NAMES and name not in named:
            raise SemcoError(
                f"{folder / first} holds images that no label table names: move it beside {folder.name}/, "
                f"to {folder.parent / 'unlabelled'}"
            )


def near_name(name: str, there: Iterable[str]) -> str | None:
    """Find the file that `name` may mean: in another case or Unicode form, or with or without a suffix; None if there is none."""
    wanted = _loose(name), _loose(_stem(name))
    found = sorted(other for other in there if _loose(other) == wanted[0])
    return next(iter(found or sorted(other for other in there if _loose(_stem(other)) in wanted)), None)


def unlabelled_images(folder: Path) -> tuple[list[str], list[str]]:
    """Return the files below `folder`, and those that are hidden or left by a system; none where there is no folder."""
    if not folder.is_dir():
        return [], []
    names: list[str] = []
    leftovers: list[str] = []
    for name in _files(folder, ""):
        (leftovers if any(map(is_leftover, name.split("/"))) else names).append(name)
    return names, sorted(leftovers)


def _loose(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if PurePosixPath(name).name else name


def _why_missing(folder: Path, name: str) -> str | None:
    """Say why a file that may be there does not count as an image, None where there is none."""
    path = folder / name
    linked = next((parent for parent in path.parents if parent != folder and parent.is_symlink()), None)
    if linked is not None and folder in linked.parents:
        return f"is behind the linked folder {linked}, which is not followed"
    if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110 (a link to itself makes Path.exists raise)
        return "is a link that leads nowhere"
    return "is no image file" if os.path.lexists(path) else None


def _files(folder: Path, prefix: str) -> Iterator[str]:
    """Yield the files below a folder.

    Links to files count: `--link` makes them. Links to folders can lead in circles, and pipes and devices never end.
    """
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
                elif _is_regular(entry):
                    yield prefix + entry.name
    except OSError as error:
        raise SemcoError(f"image folder {folder} cannot be read: {error.strerror}") from error


def _is_regular(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself, or into a folder that may not be read
        return False
