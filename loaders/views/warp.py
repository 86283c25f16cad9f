"""Rotation, shear and translation of batches of uint8 images, equal to Pillow's `Image.transform(..., BILINEAR)`.

At a fixed magnitude an image size has ten affine maps. Where each output pixel comes from is computed once, in
float64 and in the order of operations of Pillow's `Geometry.c`; warping is then four gathers and two lerps. `warp` does it to
images that share a map, `warp_by_maps` to images that each have their own.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from loaders.views.plan import Op

FILL = 128
# As many values are interpolated at a time, so that the float64 numbers in between stay in its caches.
_CACHED_VALUES = 2**17
_DEGREES = 30.0
_SHEAR = 0.3
WARPS = (Op.ROTATE, Op.SHEAR_X, Op.SHEAR_Y, Op.TRANSLATE_X, Op.TRANSLATE_Y)


@dataclass(frozen=True)
class Taps:
    """Where the P = H * W pixels of a warped image come from.

    `near` and `far` hold flat positions of the upper and lower pair of neighbours, (2, P) int64, left one first.
    `dx`, `dy`: float64 weights (P, 1), None where all are zero. `outside`: bool (P, 1), True where the fill shows.
    """

    near: Tensor
    far: Tensor
    dx: Tensor | None
    dy: Tensor | None
    outside: Tensor


def warp(images: Tensor, op: Op, *, negative: bool) -> Tensor:
    """Apply one affine map to a batch (N, 3, H, W) uint8 on the CPU; what comes from outside is (128, 128, 128)."""
    taps = _taps(op, negative, *images.shape[2:])
    # Pixel by pixel, all images side by side: a gather then copies runs of 3 * N bytes instead of single ones.
    pixels = images.flatten(0, 1).flatten(1).t().contiguous()
    at_once = max(1, _CACHED_VALUES // pixels.shape[1])
    warped = torch.empty_like(pixels)
    for first in range(0, len(pixels), at_once):
        part = slice(first, first + at_once)
        warped[part] = _interpolate(pixels, taps, part)
    return warped.masked_fill_(taps.outside, FILL).t().contiguous().view_as(images)


def _interpolate(pixels: Tensor, taps: Taps, part: slice) -> Tensor:
    """Levels before truncation at a part of the P places; pixels (P, channels) uint8 -> (p, channels)."""

    def row(places: Tensor) -> Tensor:
        left = pixels.index_select(0, places[0, part])
        return left if taps.dx is None else _lerp(left, pixels.index_select(0, places[1, part]), taps.dx[part])

    upper = row(taps.near)
    return upper if taps.dy is None else _lerp(upper, row(taps.far), taps.dy[part])


def warp_by_maps(images: Tensor, maps: Tensor, *, out: Tensor) -> None:
    """Warp each image of (N, 3, H, W) uint8 by its own of the ten maps: maps (N,) int64, `2 * place in WARPS + negative`."""
    places, weights, outside = (part.index_select(0, maps) for part in _all_taps(*images.shape[2:], images.device))
    corners = images.flatten(2).gather(2, places[:, None].expand(-1, images.shape[1], -1))
    left, right = corners.view(*images.shape[:2], 2, 2, -1).unbind(3)
    dx, dy = weights[:, None].unbind(2)
    upper, lower = _lerp(left, right, dx[:, :, None]).unbind(2)
    out.flatten(2).copy_(lower.sub_(upper).mul_(dy).add_(upper)).masked_fill_(outside[:, None], FILL)


def _lerp(start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
    """`start + (end - start) * weight` in float64."""
    return end.double().sub_(start).mul_(weight).add_(start)


def affine_matrix(op: Op, *, negative: bool, height: int, width: int) -> tuple[float, ...]:
    """The six numbers of `Image.transform` that map an output pixel to where it comes from."""
    sign = -1.0 if negative else 1.0
    if op is Op.ROTATE:
        return _rotation(sign * _DEGREES, height, width)
    shift = sign * (width // 3)
    return {
        Op.SHEAR_X: (1.0, sign * _SHEAR, 0.0, 0.0, 1.0, 0.0),
        Op.SHEAR_Y: (1.0, 0.0, 0.0, sign * _SHEAR, 1.0, 0.0),
        Op.TRANSLATE_X: (1.0, 0.0, shift, 0.0, 1.0, 0.0),
        Op.TRANSLATE_Y: (1.0, 0.0, 0.0, 0.0, 1.0, shift),
    }[op]


def _rotation(degrees: float, height: int, width: int) -> tuple[float, ...]:
    """The matrix of `Image.rotate` about the image centre, rounded to 15 digits as Pillow does."""
    angle = -math.radians(degrees % 360.0)
    cos, sin = round(math.cos(angle), 15), round(math.sin(angle), 15)
    minus_sin = round(-math.sin(angle), 15)
    middle_x, middle_y = width / 2.0, height / 2.0
    shift_x = cos * -middle_x + sin * -middle_y + 0.0
    shift_y = minus_sin * -middle_x + cos * -middle_y + 0.0
    return cos, sin, shift_x + middle_x, minus_sin, cos, shift_y + middle_y


@functools.lru_cache(maxsize=64)
def _taps(op: Op, negative: bool, height: int, width: int) -> Taps:
    a, b, c, d, e, f = affine_matrix(op, negative=negative, height=height, width=width)
    column = torch.arange(width, dtype=torch.float64).repeat(height) + 0.5
    row = torch.arange(height, dtype=torch.float64).repeat_interleave(width) + 0.5
    x, y = a * column + b * row + c, d * column + e * row + f
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = x - 0.5, y - 0.5
    left, top = x.floor(), y.floor()
    columns = [(left + step).clamp(0, width - 1).long() for step in (0, 1)]
    # Below the last row and above the first Pillow reads one row only, which clamping makes of the two as well.
    rows = [(top + step).clamp(0, height - 1).long() for step in (0, 1)]

    def weights(fraction: Tensor) -> Tensor | None:
        return fraction[:, None] if bool(fraction[inside].any()) else None

    return Taps(
        near=torch.stack([rows[0] * width + columns[0], rows[0] * width + columns[1]]),
        far=torch.stack([rows[1] * width + columns[0], rows[1] * width + columns[1]]),
        dx=weights(x - left),
        dy=weights(y - top),
        outside=~inside[:, None],
    )


@functools.lru_cache(maxsize=8)
def _all_taps(height: int, width: int, device: torch.device) -> tuple[Tensor, ...]:
    """Return the taps of all ten maps: places of four corners (10, 4P) int64, weights dx and dy (10, 2, P), outside (10, P)."""
    maps = [_taps(op, negative, height, width) for op in WARPS for negative in (False, True)]
    none = torch.zeros(height * width, 1, dtype=torch.float64)
    parts = (
        [torch.cat([taps.near, taps.far]).flatten() for taps in maps],
        [torch.cat([none if weight is None else weight for weight in (taps.dx, taps.dy)], 1).t() for taps in maps],
        [taps.outside.flatten() for taps in maps],
    )
    return tuple(torch.stack(part).to(device) for part in parts)
