"""Write files in the safetensors format, right and wrong ones, without its package."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def encode(header: Any, data: bytes = b"") -> bytes:
    """A file of any header, text or what JSON can hold, and any data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def save_file(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, value in tensors.items():
        raw = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""
        place = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": _NAMES[value.dtype], "shape": list(value.shape), "data_offsets": place}
        data += raw
    path.write_bytes(encode(header, data))
