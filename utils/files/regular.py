"""Open regular files only: a pipe would block for ever, and a device never ends."""

import errno
import functools
import os
import stat
from pathlib import Path
from typing import IO, Any

from utils.errors import SemcoError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}
# Neither exists on every system.
_NO_FOLLOW, _NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)


def check_regular(path: Path | str, *, what: str = "", most_bytes: int | None = None) -> int:
    """Make sure that `path`, or what it links to, is a regular file, without opening it; return its size in bytes.

    Args:
        what: what the file is for, in front of its name in the message.
        most_bytes: the largest size that makes sense.

    Raises:
        SemcoError: it is missing, cannot be reached, is no regular file, or is too large.
    """
    name = f"{what} {path}".strip()
    try:
        found = os.stat(path)  # noqa: PTH116 (a path with a zero byte raises here, as it does when it is opened)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SemcoError(f"cannot read {name}: {reason}; check the path") from error
    _check_kind(found, name)
    if most_bytes is not None and found.st_size > most_bytes:
        raise SemcoError(
            f"{name} holds {found.st_size / 2**20:,.0f} MiB, expected at most {most_bytes / 2**20:,.0f} MiB: "
            "check that it is the right file"
        )
    return found.st_size


def open_regular(
    path: Path | str, mode: str = "rb", *, follow_links: bool = False, encoding: str | None = None, **settings: Any
) -> IO[Any]:
    """Open a regular file as `open` does, and nothing else.

    Args:
        follow_links: open what a link leads to. Only for files that the user names: inside a run folder, which may come from
            elsewhere, a link would lead to a file that is none of the run's.
        settings: more of `open`'s arguments.

    Raises:
        SemcoError: it is a link that may not be followed, a folder, a pipe, a socket or a device.
        OSError: it cannot be opened for any other reason.
    """
    opener = functools.partial(_open, follow_links=follow_links)
    return open(path, mode, encoding=encoding, opener=opener, **settings)


def open_handle(path: Path | str, flags: int, *, follow_links: bool = False) -> int:
    """Open a regular file as `os.open` does; arguments and errors are those of `open_regular`."""
    return _open(path, flags, follow_links=follow_links)


def _open(path: Path | str, flags: int, *, follow_links: bool) -> int:
    links = 0 if follow_links else _NO_FOLLOW
    if not follow_links and not links and os.path.islink(path):  # noqa: PTH114
        raise SemcoError(_complaint(str(path), "a link"))
    try:
        handle = os.open(path, flags | links | _NO_WAIT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError as error:
        # What a link, and a pipe or socket that nobody listens to, answer.
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
            _check_kind(os.stat(path, follow_symlinks=follow_links), str(path))  # noqa: PTH116
        raise
    try:
        _check_kind(os.fstat(handle), str(path))
    except SemcoError:
        os.close(handle)
        raise
    return handle


def _check_kind(found: os.stat_result, name: str) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind != stat.S_IFREG:
        raise SemcoError(_complaint(name, _KINDS.get(kind, "no file")))


def _complaint(name: str, kind: str) -> str:
    return f"{name} is {kind}: expected a regular file"
