"""Checkpoints: plain dictionaries of tensors, numbers and strings, written atomically, read without running code."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from utils.atomic import atomic_path
from utils.errors import SemcoError

FORMAT = "semco-checkpoint-1"


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        SemcoError: the disk is full or cannot be written; the file that stood there before is untouched.
    """
    with atomic_path(path) as temporary:
        torch.save({"format": FORMAT, **content}, temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of this project onto the CPU.

    Raises:
        SemcoError: missing, damaged, from elsewhere, or holding more than plain data.
    """
    try:
        with warnings.catch_warnings():
            # torch muses about unusual pickle protocols before it refuses what is wrong with them.
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise SemcoError(f"checkpoint {path} does not exist: check the path") from error
    except pickle.UnpicklingError as error:
        raise SemcoError(
            f"checkpoint {path} holds more than plain data and was not loaded: use one that you trust"
        ) from error
    except (OSError, RuntimeError, EOFError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise SemcoError(f"checkpoint {path} is damaged ({type(error).__name__}): use another one") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SemcoError(
            f"{path} is no checkpoint of this program (expected format {FORMAT}): use one from a run folder"
        )
    return content
