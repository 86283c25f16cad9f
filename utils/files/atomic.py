"""Write files that appear complete or not at all: temporary file in the same folder, fsync, rename."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from utils.errors import SemcoError
from utils.files.lock import try_lock
from utils.files.regular import open_regular

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def atomic_path(path: Path | str, *, needed: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it to `path`, else remove it.

    Temporary files that a killed process left behind for the same `path` are removed first.

    Args:
        needed: bytes that will be written, for the message when the disk is full.

    Raises:
        SemcoError: the disk is full or the folder cannot be written. What was at `path` before is intact.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        handle, temporary = _make_temporary(path)
    except OSError as error:
        raise write_error(path, error, needed, intact=True) from error
    try:
        try:
            yield temporary
            os.fsync(handle)
            # mkstemp makes files private; a result should be as readable as any other file of this user.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            flush(path.parent)
        finally:  # before the message, which says how much is free without it
            os.close(handle)
            with contextlib.suppress(OSError):  # the folder itself may be gone
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, error, needed, intact=True) from error


def write_bytes(path: Path | str, content: bytes | memoryview) -> None:
    """Write `content` to `path` atomically."""
    with atomic_path(path, needed=len(content)) as temporary, temporary.open("wb") as file:
        file.write(content)


def write_text(path: Path | str, content: str) -> None:
    """Write `content` as UTF-8 to `path` atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_error(path: Path, error: OSError, needed: int | None = None, *, intact: bool = False) -> SemcoError:
    """Turn the operating system's refusal to write `path` into one line for the user.

    Args:
        needed: bytes that were to be written.
        intact: what was at `path` before is still there.
    """
    if error.errno in _FULL:
        wanted = f" ({needed / 2**20:,.1f} MiB needed{_free(path.parent)})" if needed is not None else ""
        unchanged = "; what was there before is intact" if intact else ""
        return SemcoError(f"no space left to write {path}{wanted}: free some space or choose another folder{unchanged}")
    return SemcoError(f"cannot write {path}: {error.strerror or error}; choose a folder that you may write to")


def flush(folder: Path) -> None:
    """Flush a folder's newest names to the disk."""
    if os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_temporary(path: Path) -> tuple[int, Path]:
    """Make a file beside `path` and lock it: an unlocked one belongs to a dead process."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        # Before it was locked, another process may have removed it as a leftover.
        if try_lock(handle) is not False and Path(name).exists():
            return handle, Path(name)
        os.close(handle)


def _sweep(path: Path) -> None:
    """Remove the temporary files for `path` whose makers are dead; they may be gigabytes."""
    start = f".{path.name}."
    for other in path.parent.iterdir():  # not glob: the name may hold its wildcards
        if other.name.startswith(start) and other.name.endswith(".part"):
            with contextlib.suppress(OSError, SemcoError), open_regular(other, "r+b") as file:
                if try_lock(file.fileno()):
                    other.unlink(missing_ok=True)


def _free(folder: Path) -> str:
    try:
        return f", {shutil.disk_usage(folder).free / 2**20:,.1f} MiB free"
    except OSError:
        return ""


def _umask() -> int:
    # The only portable way to read the mask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
