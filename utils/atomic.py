"""Files that appear whole or not at all: temporary file in the same folder, fsync, rename."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from utils.errors import SemcoError

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`, else removed.

    Raises:
        SemcoError: the disk is full or the folder cannot be written. What stood at `path` before is untouched.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise write_error(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        # mkstemp makes files private; a result should be as readable as any other file of this user.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, content: str) -> None:
    """Write `content` as UTF-8 to `path` atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_error(path: Path, error: OSError) -> SemcoError:
    """Turn the operating system's refusal to write `path` into one line for the user."""
    if error.errno in _FULL:
        return SemcoError(
            f"no space left to write {path}: free some space or choose another folder; nothing was changed"
        )
    return SemcoError(f"cannot write {path}: {error.strerror or error}; choose a folder that you may write to")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # The only portable way to read the mask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
