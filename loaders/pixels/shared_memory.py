"""Pixels in memory that all processes of a machine map, where no disk can hold a cache."""

import os
from collections.abc import Callable, Mapping

from loaders.pixels.cache_file import write_into
from loaders.pixels.decode_pass import DecodePass

NOT_SHARED = ""


def share_pixels(decode: Callable[[], DecodePass], *, check: Callable[[Mapping[int, str]], None]) -> str:
    """Decode into memory with the content of a cache file; return the path under which other processes open it.

    The memory has no name: it is freed when the last process that maps it has ended, however it ended. Unlike a file in
    /dev/shm it does not depend on how large that is.

    Args:
        check: called with what cannot be decoded; what it raises frees the memory.

    Returns:
        The path, `NOT_SHARED` where the system has no such memory; nothing is decoded then.
    """
    if not hasattr(os, "memfd_create") or not os.path.isdir(f"/proc/{os.getpid()}/fd"):  # noqa: PTH112
        return NOT_SHARED
    handle = os.memfd_create("semco pixels")
    try:
        with os.fdopen(handle, "wb", closefd=False) as file:
            write_into(file, decode(), check=check)
    except BaseException:
        os.close(handle)
        raise
    # The handle stays open: until the others have mapped it, this process alone keeps the memory.
    return f"/proc/{os.getpid()}/fd/{handle}"
