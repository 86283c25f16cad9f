"""Locks that end with the process that holds them, however it ends."""

import contextlib
import errno
import logging
import os
import socket
from pathlib import Path

from utils.errors import SemcoError
from utils.files.regular import open_handle

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOGGER = logging.getLogger("semco")
_HELD_BY_ANOTHER = {errno.EAGAIN, errno.EACCES}


def try_lock(handle: int) -> bool | None:
    """Lock an open file: True if it worked, False if another process holds it, None where there are no locks.

    The kernel releases the lock when the file is closed, also when its process is killed.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD_BY_ANOTHER else None
    return True


class InUseError(SemcoError):
    """Another process is at work in the folder."""


class FolderLock:
    """Keep a second run out of a run folder.

    Raises:
        InUseError: another process is at work in it.
        SemcoError: it cannot be written, or its lock is no regular file.
    """

    def __init__(self, folder: Path) -> None:
        self._handle = -1
        try:
            # A folder from elsewhere may hold a link under this name, and what it leads to would be overwritten.
            self._handle = open_handle(folder / ".lock", os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise SemcoError(
                f"cannot write to the run folder {folder}: {error.strerror}; make it writable, or start a new run"
            ) from error
        locked = try_lock(self._handle)
        if locked is False:
            holder = os.pread(self._handle, 200, 0).decode(errors="replace").strip() or "another process"
            self.release()
            raise InUseError(f"run folder {folder} is in use by {holder}: wait for it to end, or start a new run")
        if locked is None:
            LOGGER.warning("%s cannot be locked here: make sure that no other run uses this folder", folder)
            return
        with contextlib.suppress(OSError):  # on a full disk the lock still holds, only without a name
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        """Let other runs in."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def __del__(self) -> None:
        self.release()
