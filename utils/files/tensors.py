"""Files of tensors from elsewhere: read without running code, and checked before a network sees them."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from utils.errors import SemcoError


def read_tensors(path: Path, *, what: str, remedy: str) -> Any:
    """Read what `torch.save` wrote, in any of its formats, if it is plain data.

    Args:
        what: what the file is for, such as the flag that names it; `remedy`: what to do when it cannot be used.

    Raises:
        SemcoError: missing, damaged, or holding more than tensors, numbers, strings and containers.
    """
    try:
        with warnings.catch_warnings():
            # torch muses about unusual files before it refuses what is wrong with them.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise SemcoError(f"{what} {path} does not exist: {remedy}") from error
    except pickle.UnpicklingError as error:
        raise SemcoError(f"{what} {path} is damaged or holds more than tensors and was not loaded: {remedy}") from error
    except OSError as error:
        raise SemcoError(f"{what} {path} cannot be read ({error.strerror or error}): {remedy}") from error
    # A damaged file makes torch's reader fail in nearly any way; none of them is a bug of this program.
    except Exception as error:
        raise SemcoError(f"{what} {path} is damaged ({type(error).__name__}): {remedy}") from error


def check_tensors(tensors: Mapping[str, Tensor], path: Path, *, what: str) -> None:
    """Make sure that tensors are dense arrays of finite real numbers.

    Raises:
        SemcoError: the first one that is not.
    """
    for name, value in tensors.items():
        if value.device.type != "cpu" or value.layout is not torch.strided or value.is_quantized or value.is_complex():
            kind = ", ".join(str(part).removeprefix("torch.") for part in (value.dtype, value.layout, value.device))
            raise SemcoError(
                f"{what} {path}: {name[:100]} is no dense array of real numbers ({kind}): choose another one"
            )
        if not value.isfinite().all():
            raise SemcoError(f"{what} {path}: {name[:100]} holds numbers that are not finite: choose an earlier one")
