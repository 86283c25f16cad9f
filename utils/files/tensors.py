"""Files of tensors from elsewhere: read without running code, and checked before a network sees them."""

import mmap
import os
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from utils.errors import SemcoError
from utils.files.archive import HASHING, SIGNATURE, DamagedArchiveError, check_archive
from utils.files.opcodes import UnfitPickleError, walk_pickle
from utils.files.regular import check_regular, open_regular
from utils.files.safe_tensors import SUFFIX, DamagedTensorsError, read_safe_tensors

# Before zip archives, torch wrote: a magic number, the protocol, facts on the machine, the content, the storages' names.
_PICKLES_OF_OLD_FORMAT = 5
# The length of a safetensors header, and the bracket that it opens with.
_HEAD_BYTES = 9
_NEEDED_CLASS = re.compile(r"(?:GLOBAL|class) ([\w.]+)")


def read_tensors(path: Path, *, what: str, remedy: str) -> Any:
    """Read what `torch.save` wrote, in any of its formats, or safetensors, if it is plain data.

    Args:
        what: what the file is for, such as the flag that names it.
        remedy: what to do when it cannot be used.

    Raises:
        SemcoError: missing, damaged, or holding more than tensors, numbers, strings and containers.
    """
    if not os.path.lexists(path):
        raise SemcoError(f"{what} {path} does not exist: {remedy}")
    check_regular(path, what=what)
    try:
        with open_regular(path, follow_links=True) as file:
            head = file.read(_HEAD_BYTES)
        if path.suffix.lower() == SUFFIX or head.endswith(b"{"):
            return read_safe_tensors(path)
        if head.startswith(SIGNATURE):
            check_archive(path, all_entries=False)
        else:
            _check_old_format(path)
        return load_plain(path)
    except pickle.UnpicklingError as error:
        raise SemcoError(f"{what} {path} {needs_more(error)} and was not loaded: {remedy}") from error
    except OSError as error:
        raise SemcoError(f"{what} {path} cannot be read ({error.strerror or error}): {remedy}") from error
    except (UnfitPickleError, DamagedArchiveError) as error:
        raise SemcoError(f"{what} {path} is damaged or holds more than tensors ({error}): {remedy}") from error
    except DamagedTensorsError as error:
        raise SemcoError(f"{what} {path} is damaged ({error}): {remedy}") from error
    # A damaged file makes torch's reader fail in nearly any way; none of them is a bug of this program.
    except Exception as error:
        raise SemcoError(f"{what} {path} is damaged ({type(error).__name__}): {remedy}") from error


def load_plain(path: Path, *, mapped: bool = False) -> Any:
    """Read a file that has been looked through onto the CPU.

    Args:
        mapped: leave the tensors in the file until they are used.

    Raises:
        pickle.UnpicklingError: it needs a class that is no plain data.
        Exception: any other, for a damaged file.
    """
    with warnings.catch_warnings():
        # torch comments on unusual files before it refuses what is wrong with them.
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def needs_more(error: pickle.UnpicklingError) -> str:
    """Say which class a file needs, and how to do without."""
    if not (found := _NEEDED_CLASS.search(str(error))):
        return "is damaged or holds more than tensors"
    return (
        f"holds more than tensors (it needs {found[1][:100]}; save it again with "
        'torch.save({"model": model.state_dict()}, FILE), numbers as float() or int())'
    )


def _check_old_format(path: Path) -> None:
    with (
        open_regular(path, follow_links=True) as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as content,
    ):
        at = 0
        for _ in range(_PICKLES_OF_OLD_FORMAT):
            at = walk_pickle(content, at, refused=HASHING)


def check_tensors(tensors: Mapping[str, Tensor], path: Path, *, what: str) -> None:
    """Make sure that tensors are dense arrays of finite real numbers.

    Raises:
        SemcoError: the first one that is not.
    """
    for name, value in tensors.items():
        if fault := tensor_fault(value):
            raise SemcoError(f"{what} {path}: {name[:100]} {fault}: choose another one")


def tensor_fault(value: Tensor, *, looks_at_numbers: bool = True) -> str | None:
    """Say what keeps a tensor from being a dense array of finite real numbers on the CPU, as the end of a sentence.

    Args:
        looks_at_numbers: false for a tensor that is still in its file.
    """
    if value.device.type != "cpu" or value.layout is not torch.strided or value.is_quantized or value.is_complex():
        kind = ", ".join(str(part).removeprefix("torch.") for part in (value.dtype, value.layout, value.device))
        return f"is no dense array of real numbers ({kind})"
    if looks_at_numbers and not value.isfinite().all():
        return "holds numbers that are not finite"
    return None
