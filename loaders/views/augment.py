"""Strong views: batched uint8 operations that execute a plan.

Each operation equals Pillow's own output to the last bit; the formulas are those of Pillow's `ImageOps`, `ImageEnhance`,
`Image.transform` and its C sources `Blend.c`, `Convert.c`, `Filter.c` and `Geometry.c`. Images are uint8 tensors of shape
(N, 3, H, W) on any device. RandAugment: Cubuk et al. 2020; Cutout: DeVries and Taylor 2017; the set of operations and
their ranges: Sohn et al. 2020, table 12, at the fixed magnitude of FixMatch's and SemCo's experiments.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from loaders.views.plan import Op, StrongPlan
from loaders.views.warp import FILL, WARPS, warp, warp_each

# At magnitude 10, the largest: the strongest enhancement, four bits of a level.
_FACTOR = 0.1 + 1.8
_POSTERIZE_MASK = 0b11110000


def strong_views(images: Tensor, plan: StrongPlan) -> Tensor:
    """Turn crops (N, 3, H, W) uint8 into strong views of the same shape; the plan lies on their device."""
    make_turn = all_operations if images.is_cuda else grouped_operations
    images = images.clone()
    for turn in range(plan.ops.shape[1]):
        images = make_turn(images, plan.ops[:, turn].long(), plan.negative[:, turn])
    return cutout(images, plan.centre)


def grouped_operations(images: Tensor, ops: Tensor, negative: Tensor) -> Tensor:
    """Apply to each image its own operation of ops (N,) int64, in place, operation by operation: the least arithmetic."""
    keys = 2 * ops + (negative & _is_warp(ops.device)[ops])
    rows = keys.argsort(stable=True).split(keys.bincount(minlength=2 * len(Op)).tolist())
    for key, of_key in enumerate(rows):
        op, sign = divmod(key, 2)
        if len(of_key) and op in _OPERATIONS:
            picked, apply = images.index_select(0, of_key), _OPERATIONS[op]
            images.index_copy_(0, of_key, apply(picked) if apply else warp(picked, Op(op), negative=bool(sign)))
    return images


def all_operations(images: Tensor, ops: Tensor, negative: Tensor) -> Tensor:
    """Do the same by putting every image through every operation: few launches, and none that waits for a count."""
    chosen = images
    for op, apply in _OPERATIONS.items():
        if apply:
            chosen = torch.where((ops == op)[:, None, None, None], apply(images), chosen)
    is_warp = _is_warp(ops.device)[ops]
    return torch.where(is_warp[:, None, None, None], warp_each(images, ops, negative), chosen)


def cutout(images: Tensor, centre: Tensor) -> Tensor:
    """Grey out a square of half-width W // 4 around each centre (N, 2), in place, clipped at the border."""
    height, width = images.shape[2:]
    half = width // 4
    inside = []
    for axis, size in enumerate((height, width)):
        middle = (centre[:, axis] * size).to(torch.int64)[:, None]
        place = torch.arange(size, device=images.device)[None, :]
        inside.append((place >= middle - half) & (place < middle + half))
    return images.masked_fill_((inside[0][:, :, None] & inside[1][:, None, :])[:, None], FILL)


def autocontrast(images: Tensor) -> Tensor:
    """`ImageOps.autocontrast`: stretch each channel to 0..255; a flat channel stays."""
    flat = images.flatten(2)
    low = flat.amin(2, keepdim=True).double()
    span = flat.amax(2, keepdim=True) - low
    # Not `255.0 / span`: torch computes that as `255.0 * (1 / span)`, which rounds twice.
    scale = torch.full_like(span, 255.0) / span
    # Pillow rounds `value * scale` and `-low * scale` on their own before it adds them, and so must this.
    table = (_levels(images) * scale + (-low * scale)).clamp(0, 255)
    return _look_up(flat.long(), torch.where(span > 0, table, _levels(images))).view_as(images)


def equalize(images: Tensor) -> Tensor:
    """`ImageOps.equalize`: each channel's histogram made flat; a channel with too few pixels above its darkest stays."""
    flat = images.flatten(2).long()
    counts = torch.zeros(*flat.shape[:2], 256, dtype=torch.int64, device=images.device)
    counts.scatter_add_(2, flat, torch.ones_like(flat))
    last = counts.gather(2, flat.amax(2, keepdim=True))
    step = (flat.shape[2] - last) // 255
    before = counts.cumsum(2) - counts
    table = ((step // 2 + before) // step.clamp(min=1)).clamp(max=255)
    return _look_up(flat, torch.where(step > 0, table, _levels(images).long())).view_as(images)


def posterize(images: Tensor) -> Tensor:
    """`ImageOps.posterize`: keep the upper bits."""
    return images & _POSTERIZE_MASK


def color(images: Tensor) -> Tensor:
    """`ImageEnhance.Color`: away from the image's own greyscale."""
    return _blend(_luma(images), images)


def contrast(images: Tensor) -> Tensor:
    """`ImageEnhance.Contrast`: away from the mean grey."""
    luma = _luma(images)
    # int(mean + 0.5), in whole numbers so that no rounding of the mean can decide.
    pixels = luma[0].numel()
    mean = (2 * luma.flatten(1).sum(1) + pixels) // (2 * pixels)
    return _blend(mean[:, None, None, None].int(), images)


def brightness(images: Tensor) -> Tensor:
    """`ImageEnhance.Brightness`: away from black."""
    return _blend(torch.zeros((), dtype=torch.int32, device=images.device), images)


def sharpness(images: Tensor) -> Tensor:
    """`ImageEnhance.Sharpness`: away from the image smoothed by `ImageFilter.SMOOTH`, whose border pixels stay."""
    wide = images.float()
    inner = wide[:, :, 1:-1, 1:-1]
    rows = (wide[:, :, :-2] + wide[:, :, 1:-1]).add_(wide[:, :, 2:])
    total = (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:]).add_(inner, alpha=4)
    # The kernel sums to 13; a sum over 13 is never near half-way between two levels, so float32 rounds as Pillow does.
    inner.copy_(total.mul_(1 / 13).round_())
    return _blend(wide, images)


def _blend(start: Tensor, images: Tensor) -> Tensor:
    """`Image.blend(start, image, factor)` in float32, as `Blend.c` computes it: cut towards zero, then clipped."""
    start = start.float()
    return (images - start).mul_(_FACTOR).add_(start).clamp_(0, 255).to(torch.uint8)


def _luma(images: Tensor) -> Tensor:
    """`Image.convert("L")`: ITU-R 601-2 luma in 16-bit fixed point, (N, 1, H, W) int32."""
    red, green, blue = images.int().split(1, dim=1)
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16


def _levels(images: Tensor) -> Tensor:
    return torch.arange(256, device=images.device, dtype=torch.float64)


def _look_up(levels: Tensor, tables: Tensor) -> Tensor:
    """Levels (N, 3, P) int64 through each image's and channel's own table (N, 3, 256) -> uint8."""
    return tables.to(torch.uint8).gather(2, levels)


@functools.lru_cache
def _is_warp(device: torch.device) -> Tensor:
    return torch.tensor([op in WARPS for op in Op], device=device)


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
