"""Lines of a file, plain or gzipped, as bytes and one at a time."""

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from utils.errors import SemcoError
from utils.files.regular import open_regular

# Thousands of numbers fit into this; without a bound, a few packed bytes could fill the memory.
_LONGEST_LINE = 1 << 20


def is_gzip(path: Path) -> bool:
    """Say whether a file is gzipped, whatever its name.

    Raises:
        SemcoError: no regular file.
        OSError: it cannot be opened.
    """
    with open_regular(path, follow_links=True) as file:
        return file.read(2) == b"\x1f\x8b"


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    zipped = is_gzip(path)
    with open_regular(path, follow_links=True, buffering=1 << 20) as file:
        if not zipped:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unzipped:
            yield unzipped  # type: ignore[misc]


def first_bytes(path: Path) -> bytes:
    """Return the first 64 bytes of the content.

    Raises:
        SemcoError: the file cannot be read.
    """
    try:
        with _open(path) as file:
            return file.read(64)
    except (OSError, EOFError, zlib.error) as error:
        raise SemcoError(f"word vectors {path} cannot be read ({error}): fetch the file again") from error


def lines(path: Path) -> Iterator[bytes]:
    """Yield the lines with their ends.

    Raises:
        SemcoError: the file is cut short, damaged, or has a line of a mebibyte.
    """
    try:
        with _open(path) as file:
            buffered = io.BufferedReader(file, 1 << 20) if isinstance(file, gzip.GzipFile) else file  # type: ignore[type-var]
            for number, line in enumerate(iter(lambda: buffered.readline(_LONGEST_LINE), b""), start=1):
                if len(line) == _LONGEST_LINE:
                    raise SemcoError(f"word vectors {path} are damaged: line {number} does not end within a mebibyte")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise SemcoError(f"word vectors {path} are cut short or damaged ({error}): fetch the file again") from error
