"""Files, folders, globs, tables and lists -> photographs, in a fixed order, each once."""

import glob
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from loaders.dataset.index import table_path
from loaders.dataset.label_table import read_label_table
from loaders.photos.tables import TABLE_SUFFIXES, read_photo_table
from utils.errors import SemcoError, and_more

STDIN = "-"
# Pillow knows these by name only, or hands them to another program.
_NOT_DECODED = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}


@dataclass(frozen=True)
class Photo:
    """An image file, its name as the user gave it, and its class as far as folders or tables say (not checked)."""

    path: Path
    name: str
    truth: str | None


@dataclass(frozen=True)
class Found:
    """Photographs in order; `ignored`: files of the folders that have no image's suffix."""

    photos: tuple[Photo, ...]
    ignored: tuple[Path, ...]


def find_photos(arguments: Sequence[str], class_folders: Mapping[str, str]) -> Found:
    """Find the photographs that the arguments name.

    A folder is searched at any depth, sorted by path. Hidden files, files without an image's suffix and links to folders
    are left out. The class of a photograph is that of the nearest folder at or below the argument that is called after a
    class, the table's class column, or that of the label table for a dataset's train/ or test/.

    Args:
        arguments: files, folders, globs, tables, or `-` for a list on stdin: a path a line, or separated by zero bytes.
        class_folders: name of a folder -> class name.

    Raises:
        SemcoError: an argument that leads to nothing, or a damaged table.
    """
    photos: dict[str, Photo] = {}
    ignored: list[Path] = []
    for text in arguments:
        for photo in _expand(text, class_folders, ignored):
            photos.setdefault(os.path.abspath(photo.path), photo)  # noqa: PTH100 (Path.absolute keeps `..`)
    if not photos:
        hint = f"; {len(ignored)} files have no image's suffix" if ignored else ""
        raise SemcoError(f"no image in {', '.join(arguments[:3])}{and_more(arguments[2:])}{hint}: check the paths")
    return Found(tuple(photos.values()), tuple(ignored))


def missing_files(photos: Sequence[Photo]) -> dict[int, str]:
    """Map the positions of photographs that do not exist to the reason."""
    return {
        place: f"image {photo.path} does not exist: check the path, or pass --skip-bad-images"
        for place, photo in enumerate(photos)
        if not os.path.exists(photo.path)  # noqa: PTH110 (Path.exists raises where a folder may not be read)
    }


def _expand(text: str, class_folders: Mapping[str, str], ignored: list[Path]) -> Iterator[Photo]:
    if text == STDIN:
        yield from (_single(path, class_folders) for path in _listed())
    elif os.path.isdir(text):  # noqa: PTH112
        yield from _in_folder(Path(text), class_folders, ignored)
    elif Path(text).suffix.lower() in TABLE_SUFFIXES:
        yield from (Photo(path, name, truth) for path, name, truth in read_photo_table(Path(text)))
    elif os.path.lexists(text):
        yield _single(text, class_folders)
    elif glob.has_magic(text) and (matches := sorted(glob.glob(text, recursive=True))):  # noqa: PTH207 (yields strings)
        for match in matches:
            if "**" in text and _behind_link(Path(match), Path(text)):
                continue
            if not os.path.isdir(match):  # noqa: PTH112
                yield _single(match, class_folders)
            elif "**" not in text:  # else its files are matches themselves
                yield from _in_folder(Path(match), class_folders, ignored)
    else:
        raise SemcoError(
            f"{text} does not exist: expected an image, a folder, a glob, a table "
            f"({', '.join(sorted(TABLE_SUFFIXES))}), or - for a list on stdin"
        )


def _behind_link(match: Path, pattern: Path) -> bool:
    """Say whether a link to a folder led `**` to a match: it may lead in circles."""
    fixed = next(place for place, part in enumerate(pattern.parts) if glob.has_magic(part))
    return any(parent.is_symlink() for parent in match.parents if len(parent.parts) > fixed)


def _single(text: str, class_folders: Mapping[str, str]) -> Photo:
    path = Path(text)
    return Photo(path, text, class_folders.get(path.parent.name))


def _in_folder(folder: Path, class_folders: Mapping[str, str], ignored: list[Path]) -> Iterator[Photo]:
    listed = _dataset_classes(folder)
    root = class_folders.get(folder.absolute().name)
    for name in sorted(_files(folder, "")):
        path = folder / name
        if path.suffix.lower() not in _suffixes():
            ignored.append(path)
            continue
        above = (class_folders.get(part) for part in reversed(name.split("/")[:-1]))
        truth = next((found for found in above if found is not None), root)
        yield Photo(path, str(path), listed.get(name, truth))


def _dataset_classes(folder: Path) -> dict[str, str | None]:
    """Classes by file name, where the folder is a dataset's train/ or test/."""
    part = folder.absolute().name
    table = table_path(folder.absolute().parent, part)
    if part not in ("train", "test") or not table.is_file():
        return {}
    content = read_label_table(table)
    return dict(zip(content.ids, content.classes, strict=True))


def _files(folder: Path, prefix: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
                elif not os.path.isdir(entry.path):  # noqa: PTH112 (a link to a folder may lead in a circle)
                    yield prefix + entry.name
    except OSError as error:
        raise SemcoError(f"folder {folder} cannot be read: {error.strerror}; check its rights") from error


def _listed() -> list[str]:
    """Read paths from stdin."""
    raw = sys.stdin.buffer.read()
    lines = raw.split(b"\0") if b"\0" in raw else raw.splitlines()
    paths = [os.fsdecode(line) for line in lines if line.strip()]
    if not paths:
        raise SemcoError("the list on stdin is empty: expected the path of an image on each line")
    return paths


@cache
def _suffixes() -> frozenset[str]:
    """Suffixes of the files that Pillow decodes, in lower case."""
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in _NOT_DECODED)
