"""Where a dataset's caches go, and what disk and memory can still hold."""

import os
import shutil
from pathlib import Path


def cache_folder(dataset_folder: Path) -> Path:
    """Return where a dataset's caches go: inside it, or in the user's cache folder when it is read-only.

    A user without a home (an unknown uid, no HOME, one that may not be entered) gets the dataset's own folder, of which
    `can_hold` then says no.
    """
    inside = dataset_folder / ".cache"
    if os.access(inside if inside.exists() else dataset_folder, os.W_OK):
        return inside
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return inside
    outside = home / "semco" / dataset_folder.name
    return outside if _can_reach(outside) else inside


def can_hold(folder: Path, size: int) -> bool:
    """Return True if a cache of `size` bytes can be written to `folder`, which need not exist yet."""
    # Not Path.exists, which raises where a folder on the way may not be read.
    existing = next((parent for parent in (folder, *folder.parents) if os.path.lexists(parent)), None)
    if existing is None or not os.path.isdir(existing) or not os.access(existing, os.W_OK | os.X_OK):  # noqa: PTH112
        return False
    return size < 0.8 * shutil.disk_usage(existing).free


def _can_reach(path: Path) -> bool:
    """Return True if this user may look whether `path` exists."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return True


def available_memory() -> int:
    """Return the bytes of memory that a new program can have without swapping, within its control group's limit."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2 if hasattr(os, "sysconf") else 2**32
    return min(free, _left_in_cgroup())


def _left_in_cgroup() -> int:
    """Return what the control group leaves (version 2, then version 1), or an endless amount where there is no limit."""
    for most, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            limit, taken = (Path("/sys/fs/cgroup", name).read_text(encoding="ascii").strip() for name in (most, used))
        except OSError:
            continue
        if limit.isdecimal():
            return max(0, int(limit) - int(taken))
    return 2**63
