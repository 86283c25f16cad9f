"""Strong views: batched uint8 operations that execute a plan.

Each operation equals Pillow's own output to the last bit; the formulas are those of Pillow's `ImageOps`, `ImageEnhance`,
`Image.transform` and its C sources `Blend.c`, `Convert.c`, `Filter.c` and `Geometry.c`. Images are uint8 tensors of shape
(N, 3, H, W) on any device. RandAugment: Cubuk et al. 2020; Cutout: DeVries and Taylor 2017; the set of operations and
their ranges: Sohn et al. 2020, table 12, at the fixed magnitude of FixMatch's and SemCo's experiments.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from loaders.views.augment_sorted import apply_sorted
from loaders.views.plan import Op, StrongPlan
from loaders.views.sorted_rows import cutout_places, sort_rows
from loaders.views.tables import autocontrast_table, blend, posterize
from loaders.views.warp import FILL, WARPS, warp


def strong_views(images: Tensor, plan: StrongPlan) -> Tensor:
    """Turn crops (N, 3, H, W) uint8 on any device into strong views, in place; the plan is in the host's memory."""
    if images.is_cuda:
        return apply_sorted(images, sort_rows(plan, *images.shape[2:]).to(images.device))
    for turn in range(plan.ops.shape[1]):
        grouped_operations(images, plan.ops[:, turn].long(), plan.negative[:, turn])
    return cutout(images, plan.centre)


def grouped_operations(images: Tensor, ops: Tensor, negative: Tensor) -> Tensor:
    """Apply to each image its own operation of ops (N,) int64, in place, operation by operation: the least arithmetic."""
    keys = 2 * ops + (negative & _IS_WARP[ops])
    rows = keys.argsort(stable=True).split(keys.bincount(minlength=2 * len(Op)).tolist())
    for key, of_key in enumerate(rows):
        op, sign = divmod(key, 2)
        if len(of_key) and op in _OPERATIONS:
            picked, apply = images.index_select(0, of_key), _OPERATIONS[op]
            images.index_copy_(0, of_key, apply(picked) if apply else warp(picked, Op(op), negative=bool(sign)))
    return images


def cutout(images: Tensor, centre: Tensor) -> Tensor:
    """Grey out a square of half-width W // 4 around each centre (N, 2), in place, clipped at the border."""
    height, width = images.shape[2:]
    rows, columns = cutout_places(centre, height, width).split([height, width], dim=1)
    return images.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], FILL)


def autocontrast(images: Tensor) -> Tensor:
    """`ImageOps.autocontrast`: stretch each channel to 0..255; a flat channel stays."""
    flat = images.flatten(2)
    table = autocontrast_table(flat.amin(2, keepdim=True).double(), flat.amax(2, keepdim=True).double())
    return _look_up(flat.long(), table).view_as(images)


def equalize(images: Tensor) -> Tensor:
    """`ImageOps.equalize`: each channel's histogram made flat; a channel with too few pixels above its darkest stays."""
    flat = images.flatten(2).long()
    counts = torch.zeros(*flat.shape[:2], 256, dtype=torch.int64, device=images.device)
    counts.scatter_add_(2, flat, torch.ones_like(flat))
    last = counts.gather(2, flat.amax(2, keepdim=True))
    step = (flat.shape[2] - last) // 255
    before = counts.cumsum(2) - counts
    table = ((step // 2 + before) // step.clamp(min=1)).clamp(max=255)
    return _look_up(flat, torch.where(step > 0, table, torch.arange(256, device=images.device))).view_as(images)


def color(images: Tensor) -> Tensor:
    """`ImageEnhance.Color`: away from the image's own greyscale."""
    return blend(_luma(images), images)


def contrast(images: Tensor) -> Tensor:
    """`ImageEnhance.Contrast`: away from the mean grey."""
    luma = _luma(images)
    # int(mean + 0.5), in whole numbers so that no rounding of the mean can decide.
    pixels = luma[0].numel()
    mean = (2 * luma.flatten(1).sum(1) + pixels) // (2 * pixels)
    return blend(mean[:, None, None, None].int(), images)


def brightness(images: Tensor) -> Tensor:
    """`ImageEnhance.Brightness`: away from black."""
    return blend(torch.zeros((), dtype=torch.int32, device=images.device), images)


def sharpness(images: Tensor) -> Tensor:
    """`ImageEnhance.Sharpness`: away from the image smoothed by `ImageFilter.SMOOTH`, whose border pixels stay."""
    wide = images.float()
    inner = wide[:, :, 1:-1, 1:-1]
    rows = (wide[:, :, :-2] + wide[:, :, 1:-1]).add_(wide[:, :, 2:])
    total = (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:]).add_(inner, alpha=4)
    # The kernel sums to 13; a sum over 13 is never near half-way between two levels, so float32 rounds as Pillow does.
    inner.copy_(total.mul_(1 / 13).round_())
    return blend(wide, images)


def _luma(images: Tensor) -> Tensor:
    """`Image.convert("L")`: ITU-R 601-2 luma in 16-bit fixed point, (N, 1, H, W) int32."""
    red, green, blue = images.int().split(1, dim=1)
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16


def _look_up(levels: Tensor, tables: Tensor) -> Tensor:
    """Levels (N, 3, P) int64 through each image's and channel's own table (N, 3, 256) -> uint8."""
    return tables.to(torch.uint8).gather(2, levels)


_IS_WARP = torch.tensor([op in WARPS for op in Op])
# IDENTITY changes nothing, nor does SOLARIZE: at magnitude 10 it would invert the levels from 256 up. None: a warp.
_OPERATIONS: dict[Op, Callable[[Tensor], Tensor] | None] = {
    Op.AUTOCONTRAST: autocontrast,
    Op.EQUALIZE: equalize,
    Op.COLOR: color,
    Op.CONTRAST: contrast,
    Op.BRIGHTNESS: brightness,
    Op.SHARPNESS: sharpness,
    Op.POSTERIZE: posterize,
    **dict.fromkeys(WARPS),
}
