"""Where a dataset's caches go, and what disk and memory can still hold."""

import os
import shutil
from pathlib import Path


def cache_folder(dataset_folder: Path) -> Path:
    """Where a dataset's caches go: inside it, or in the user's cache folder when it is read-only."""
    if os.access(dataset_folder, os.W_OK):
        return dataset_folder / ".cache"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "semco" / dataset_folder.name


def can_hold(folder: Path, size: int) -> bool:
    """Say whether a cache of `size` bytes can be written to `folder`, which need not exist yet."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return os.access(existing, os.W_OK) and size < 0.8 * shutil.disk_usage(existing).free


def available_memory() -> int:
    """Bytes of memory that a new program can have without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
