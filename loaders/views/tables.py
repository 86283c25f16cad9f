"""Formulas that turn levels into levels, which the operations of `augment` and the tables of `augment_sorted` share."""

import torch
from torch import Tensor

# At magnitude 10, the largest: the strongest enhancement, four bits of a level.
_FACTOR = 0.1 + 1.8
_POSTERIZE_MASK = 0b11110000


def autocontrast_table(low: Tensor, high: Tensor) -> Tensor:
    """Return tables (..., 256) uint8 that stretch `low`..`high`, float64 (..., 1), to 0..255; equal ones leave all as it is."""
    levels = torch.arange(256, device=low.device, dtype=torch.float64)
    span = high - low
    # Not `255.0 / span`: torch computes that as `255.0 * (1 / span)`, which rounds twice.
    scale = torch.full_like(span, 255.0) / span
    # Pillow rounds `value * scale` and `-low * scale` on their own before it adds them, and so must this.
    table = (levels * scale + (-low * scale)).clamp(0, 255)
    return torch.where(span > 0, table, levels).to(torch.uint8)


def blend(start: Tensor, images: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`Image.blend(start, image, factor)` in float32, as `Blend.c` computes it: cut towards zero, then clipped."""
    start = start.float()
    blended = (images - start).mul_(_FACTOR).add_(start).clamp_(0, 255)
    return blended.to(torch.uint8) if out is None else out.copy_(blended)


def posterize(images: Tensor) -> Tensor:
    """`ImageOps.posterize`: keep the upper bits."""
    return images & _POSTERIZE_MASK
