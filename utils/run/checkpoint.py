"""Checkpoints: plain dictionaries of tensors, numbers and strings, written atomically, read without running code."""

import io
import logging
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from utils.errors import SemcoError
from utils.files.archive import DamagedArchiveError, check_archive
from utils.files.atomic import atomic_path
from utils.files.opcodes import UnfitPickleError
from utils.files.regular import check_regular
from utils.files.tensors import load_plain, needs_more
from utils.run.schema import find_fault

LOGGER = logging.getLogger("semco")
FORMAT = "semco-checkpoint-2"
LAST, PREVIOUS, BEST = "last.pth", "previous.pth", "best.pth"


class DamagedError(SemcoError):
    """The file is no intact checkpoint; an older one may be."""


def save_checkpoint(path: Path, content: dict[str, Any], *, keep_as: Path | None = None) -> None:
    """Write a checkpoint completely or not at all.

    Args:
        keep_as: where the checkpoint goes that was at `path` before.

    Raises:
        SemcoError: the disk is full or cannot be written; the file that was there before is intact.
    """
    # Built in memory first: its size is known before a byte is written, and a failing write is Python's own error.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    data = buffer.getbuffer()
    with atomic_path(path, needed=len(data)) as temporary:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Killed here, the run has no `path`, but what it held under its other name.
        if keep_as is not None and path.exists():
            path.replace(keep_as)


def load_checkpoint(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    """Read a checkpoint of this project onto the CPU, and check that no bit of it has changed since it was written.

    Args:
        mapped: read everything but the tensors, quickly; they stay in the file, and their bits are not checked.

    Raises:
        DamagedError: no intact checkpoint, or one that holds more than plain data.
        SemcoError: missing, or from elsewhere.
    """
    # Not Path.exists, which raises where the folder may not be read.
    if not os.path.lexists(path):
        raise SemcoError(f"checkpoint {path} does not exist: check the path")
    check_regular(path, what="checkpoint")
    try:
        check_archive(path, all_entries=not mapped)
        content = load_plain(path, mapped=mapped)
    except pickle.UnpicklingError as error:
        raise DamagedError(f"checkpoint {path} {needs_more(error)}: use one that you trust") from error
    except (DamagedArchiveError, UnfitPickleError) as error:
        raise DamagedError(f"checkpoint {path} is damaged ({error}): use another one") from error
    # A damaged file makes its readers fail in nearly any way; none of them is a bug of this program.
    except Exception as error:
        raise DamagedError(f"checkpoint {path} is damaged ({type(error).__name__}): use another one") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SemcoError(
            f"{path} is no checkpoint of this program (expected format {FORMAT}): use one from a run folder"
        )
    return content


def load_run(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    """Read a checkpoint that a run can resume from; arguments are those of `load_checkpoint`.

    Raises:
        DamagedError: it is damaged, or its content is not the state of a run.
        SemcoError: as `load_checkpoint`.
    """
    content = load_checkpoint(path, mapped=mapped)
    if fault := find_fault(content, looks_at_numbers=not mapped):
        raise DamagedError(f"checkpoint {path} is not the state of a run ({fault}): use another one")
    return content


def fallbacks(path: Path) -> list[Path]:
    """The checkpoint itself, and the one that may stand in for it."""
    before = path.with_name(PREVIOUS)
    return [path, before] if path.name == LAST and os.path.lexists(before) else [path]


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a run folder, the newest first."""
    return [folder / name for name in (LAST, PREVIOUS) if os.path.lexists(folder / name)]


def newest_of(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Peek into a run folder's newest intact checkpoint; None where there is none, with a warning if any is damaged."""
    paths = checkpoints_in(folder)
    try:
        return read_first(paths) if paths else None
    except SemcoError as error:
        LOGGER.warning("%s", error)
        return None


def read_first(paths: Sequence[Path], *, mapped: bool = True) -> tuple[Path, dict[str, Any]]:
    """Read the first of `paths` that is intact; warn of those before it.

    Raises:
        SemcoError: the last one is damaged too.
    """
    for path in paths[:-1]:
        try:
            return path, load_run(path, mapped=mapped)
        except SemcoError as error:
            LOGGER.warning("%s; trying the one before it", error)
    return paths[-1], load_run(paths[-1], mapped=mapped)
