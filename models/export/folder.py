"""A folder that appears complete or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from utils.errors import SemcoError
from utils.files.atomic import flush, write_error
from utils.files.lock import try_lock


def check_absent(path: Path) -> None:
    """Make sure that nothing would be overwritten.

    Raises:
        SemcoError: `path` exists, and is no empty folder.
    """
    if os.path.lexists(path) and not (path.is_dir() and not path.is_symlink() and not any(path.iterdir())):
        raise SemcoError(f"{path} exists: remove it, or choose another folder for the export")


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success its files are flushed and it is renamed, else it is removed.

    What a killed process left for the same `path` is removed first.

    Raises:
        SemcoError: the disk is full, or the folder cannot be made.
    """
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        handle = os.open(temporary, os.O_RDONLY)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        try_lock(handle)  # an unlocked one is a leftover
        yield temporary
        for file in temporary.iterdir():
            with file.open("r+b") as opened:
                os.fsync(opened.fileno())
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(path)
        flush(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        os.close(handle)
        shutil.rmtree(temporary, ignore_errors=True)


def _sweep(path: Path) -> None:
    for other in path.parent.iterdir():
        if other.name.startswith(f".{path.name}.") and other.name.endswith(".part") and other.is_dir():
            with contextlib.suppress(OSError):
                handle = os.open(other, os.O_RDONLY)
                try:
                    if try_lock(handle):
                        shutil.rmtree(other, ignore_errors=True)
                finally:
                    os.close(handle)


def _umask() -> int:
    # The only portable way to read the mask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
