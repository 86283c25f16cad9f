"""CPU memory -> GPU without making the host wait."""

import torch
from torch import Tensor


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """Return `values` in memory from which `device` copies by itself: out of pageable memory CUDA may wait for its stream."""
    return values.pin_memory() if device.type == "cuda" and values.device.type == "cpu" else values


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy `values` to `device` while the host goes on."""
    return pinned(values, device).to(device, non_blocking=True)
