"""CPU memory -> GPU without synchronising with it."""

import torch
from torch import Tensor


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """Return `values` in page-locked memory if `device` is a GPU: it copies from there without making the host wait."""
    return values.pin_memory() if device.type == "cuda" and values.device.type == "cpu" else values


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copy `values` to `device` without synchronising with it."""
    return pinned(values, device).to(device, non_blocking=True)
