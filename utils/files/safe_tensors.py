"""Files in the safetensors format: a length, a JSON header, raw numbers. There is nothing in them that could run."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from utils.files.regular import check_regular, open_regular

SUFFIX = ".safetensors"
_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class DamagedTensorsError(Exception):
    """What is wrong with a file; the end of a sentence."""


def read_safe_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file onto the CPU.

    Raises:
        DamagedTensorsError: it is damaged or holds numbers of another kind.
        SemcoError: it is no regular file.
        OSError: it cannot be read.
    """
    content = bytearray(check_regular(path))
    with open_regular(path, follow_links=True) as file:
        file.readinto(content)
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    if not _LENGTH_BYTES < start <= min(len(content), _LONGEST_HEADER):
        raise DamagedTensorsError("its header is longer than the file")
    try:
        header = json.loads(content[_LENGTH_BYTES:start])
    except (ValueError, RecursionError) as error:
        raise DamagedTensorsError("its header is no JSON") from error
    if not isinstance(header, dict):
        raise DamagedTensorsError("its header is no table")
    return {name: _read(content, start, name, entry) for name, entry in header.items() if name != "__metadata__"}


def _read(content: bytearray, start: int, name: str, entry: Any) -> Tensor:
    dtype, shape, (begin, end) = _check(entry, name)
    if start + end > len(content) or math.prod(shape) * dtype.itemsize != end - begin:
        raise DamagedTensorsError(f"{name[:100]} is cut short or of another shape")
    if begin == end:
        return torch.empty(shape, dtype=dtype)
    raw = torch.frombuffer(content, dtype=torch.uint8, count=end - begin, offset=start + begin)
    # The copy is aligned, whatever the header's length.
    return raw.clone().view(dtype).reshape(shape)


def _check(entry: Any, name: str) -> tuple[torch.dtype, list[int], list[int]]:
    fields = [entry.get(field) for field in ("dtype", "shape", "data_offsets")] if isinstance(entry, dict) else [None]
    if isinstance(fields[0], str) and fields[0] not in _DTYPES:
        raise DamagedTensorsError(f"{name[:100]} is of type {fields[0][:20]}, expected one of {', '.join(_DTYPES)}")
    if not isinstance(fields[0], str) or not all(map(_is_list_of_sizes, fields[1:])):
        raise DamagedTensorsError(f"{name[:100]} has no type, shape and place")
    dtype, shape, place = fields
    if len(place) != 2 or place[0] > place[1] or len(shape) > 16:
        raise DamagedTensorsError(f"{name[:100]} has no type, shape and place")
    return _DTYPES[dtype], shape, place


def _is_list_of_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 <= size < 2**48 for size in value)
