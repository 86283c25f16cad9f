"""Checkpoints: plain dictionaries of tensors, numbers and strings, written atomically, read without running code."""

import io
import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from utils.errors import SemcoError
from utils.files.atomic import atomic_path

FORMAT = "semco-checkpoint-2"
LAST, PREVIOUS, BEST = "last.pth", "previous.pth", "best.pth"


class DamagedError(SemcoError):
    """The file is no whole checkpoint; an older one may be."""


def save_checkpoint(path: Path, content: dict[str, Any], *, keep_as: Path | None = None) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        keep_as: where the checkpoint goes that stood at `path` before.

    Raises:
        SemcoError: the disk is full or cannot be written; the file that stood there before is untouched.
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
        mapped: read what stands in it besides tensors, quickly; the tensors stay in the file and are not checked.

    Raises:
        DamagedError: not a whole checkpoint.
        SemcoError: missing, from elsewhere, or holding more than plain data.
    """
    try:
        with warnings.catch_warnings():
            # torch muses about unusual pickle protocols before it refuses what is wrong with them.
            warnings.simplefilter("ignore", UserWarning)
            if not mapped and (broken := _changed_part(path)):
                raise DamagedError(f"checkpoint {path} is damaged (in {broken}): use another one")
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except FileNotFoundError as error:
        raise SemcoError(f"checkpoint {path} does not exist: check the path") from error
    except pickle.UnpicklingError as error:
        raise SemcoError(
            f"checkpoint {path} holds more than plain data and was not loaded: use one that you trust"
        ) from error
    except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise DamagedError(f"checkpoint {path} is damaged ({type(error).__name__}): use another one") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SemcoError(
            f"{path} is no checkpoint of this program (expected format {FORMAT}): use one from a run folder"
        )
    return content


def _changed_part(path: Path) -> str | None:
    """Name the first part of the file whose checksum is wrong; torch itself would load it."""
    if not zipfile.is_zipfile(path):
        return None  # torch says what it is instead
    with zipfile.ZipFile(path) as parts:
        return parts.testzip()
