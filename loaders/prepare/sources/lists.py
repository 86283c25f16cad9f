"""Read the lists of files that datasets come with."""

from pathlib import Path, PurePosixPath

from utils.errors import SemcoError
from utils.files.tables import read_text


def read_lines(path: Path) -> list[str]:
    """Read a text file's lines that are not blank, without surrounding space.

    Raises:
        SemcoError: missing, not text, or without any line.
    """
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise SemcoError(f"{path} is empty: fetch it again")
    return lines


def read_pairs(path: Path) -> dict[str, str]:
    """Read lines `key value`; the value may hold spaces.

    Raises:
        SemcoError: as `read_lines`, a line without a value, or a key that occurs twice.
    """
    pairs: dict[str, str] = {}
    for line in read_lines(path):
        key, *value = line.split(maxsplit=1)
        if not value or key in pairs:
            raise SemcoError(f"{path}: the line {line!r} is not `key value` with a key of its own: fetch it again")
        pairs[key] = value[0]
    return pairs


def inside(folder: Path, name: str, *, named_by: Path) -> Path:
    """Return the path of the file `name` in `folder`.

    Raises:
        SemcoError: it would be elsewhere.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise SemcoError(f"{named_by} names {name!r}, which is not inside {folder}")
    return folder / name
