"""Locks that end with the process that holds them, however it ends."""

import contextlib
import errno
import fcntl
import logging
import os
import socket
from pathlib import Path

from utils.errors import SemcoError

LOGGER = logging.getLogger("semco")
_HELD_BY_ANOTHER = {errno.EAGAIN, errno.EACCES}


def try_lock(handle: int) -> bool | None:
    """Lock an open file: True if it worked, False if another process holds it, None where the file system has no locks.

    The kernel lets go of the lock when the file is closed, a killed process's files included.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD_BY_ANOTHER else None
    return True


class FolderLock:
    """Keeps a second run out of a run folder.

    Raises:
        SemcoError: another process is at work in it, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._handle = -1
        try:
            self._handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise SemcoError(
                f"cannot write to the run folder {folder}: {error.strerror}; make it writable, or start a new run"
            ) from error
        locked = try_lock(self._handle)
        if locked is False:
            holder = os.pread(self._handle, 200, 0).decode(errors="replace").strip() or "another process"
            self.release()
            raise SemcoError(f"run folder {folder} is in use by {holder}: wait for it to end, or start a new run")
        if locked is None:
            LOGGER.warning("the file system of %s has no locks: make sure that no other run uses this folder", folder)
            return
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same, only without a name
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        """Let others in."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def __del__(self) -> None:
        self.release()
