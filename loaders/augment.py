"""Strong views: batched uint8 operations that execute a plan.

Each operation equals Pillow's own output to the last bit; the formulas are those of Pillow's `ImageOps`, `ImageEnhance`,
`Image.transform` and its C sources `Blend.c`, `Convert.c`, `Filter.c` and `Geometry.c`. Images are uint8 tensors of shape
(N, 3, H, W) on any device. RandAugment: Cubuk et al. 2020; Cutout: DeVries and Taylor 2017; the set of operations and
their ranges: Sohn et al. 2020, table 12, at the fixed magnitude of FixMatch's and SemCo's experiments.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from loaders.plan import Op, StrongPlan
from loaders.warp import FILL, WARPS, warp

MAGNITUDE = 10
_FACTOR = 0.1 + 1.8 * MAGNITUDE / 10
_SOLARIZE_FROM = int(256 * MAGNITUDE / 10)
_POSTERIZE_MASK = 256 - (1 << (8 - int(4 * MAGNITUDE / 10)))


def strong_views(images: Tensor, plan: StrongPlan) -> Tensor:
    """Turn crops (N, 3, H, W) uint8 into strong views of the same shape; the plan lies on the CPU.

    The plan is read on the host, so picking the images of each operation costs no synchronisation with the device.
    """
    images = images.clone()
    for turn in range(plan.ops.shape[1]):
        for op, negative, rows in _by_operation(plan.ops[:, turn], plan.negative[:, turn], images.device):
            picked = images.index_select(0, rows)
            apply = _OPERATIONS[op]
            images.index_copy_(0, rows, warp(picked, op, negative=negative) if apply is None else apply(picked))
    return cutout(images, plan.centre.to(images.device, non_blocking=True))


def _by_operation(ops: Tensor, negative: Tensor, device: torch.device) -> Iterator[tuple[Op, bool, Tensor]]:
    """Yield each operation (and sign, for warps) that occurs in ops (N,) with the rows it is for, int64 on `device`."""
    keys = 2 * ops.long() + (negative & _IS_WARP[ops.long()])
    # One transfer for all operations of a round.
    rows = keys.argsort(stable=True).to(device, non_blocking=True)
    start = 0
    for key, count in enumerate(keys.bincount(minlength=2 * len(Op)).tolist()):
        op, sign = divmod(key, 2)
        if count and op != Op.IDENTITY:
            yield Op(op), bool(sign), rows[start : start + count]
        start += count


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


def solarize(images: Tensor) -> Tensor:
    """`ImageOps.solarize`: invert levels from the threshold up. At magnitude 10 the threshold is 256: nothing changes."""
    return torch.where(images >= _SOLARIZE_FROM, 255 - images, images) if _SOLARIZE_FROM < 256 else images


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
    total = _threes(_threes(wide, 2), 3).add_(wide[:, :, 1:-1, 1:-1], alpha=4)
    # The kernel sums to 13; a sum over 13 is never near half-way between two levels, so float32 rounds as Pillow does.
    wide[:, :, 1:-1, 1:-1] = total.mul_(1 / 13).round_()
    return _blend(wide, images)


def _threes(values: Tensor, dim: int) -> Tensor:
    """Sums of each three neighbours along `dim`."""
    count = values.shape[dim] - 2
    first, second, third = (values.narrow(dim, start, count) for start in range(3))
    return (first + second).add_(third)


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


_OPERATIONS: dict[Op, Callable[[Tensor], Tensor] | None] = {
    Op.AUTOCONTRAST: autocontrast,
    Op.EQUALIZE: equalize,
    Op.SOLARIZE: solarize,
    Op.COLOR: color,
    Op.CONTRAST: contrast,
    Op.BRIGHTNESS: brightness,
    Op.SHARPNESS: sharpness,
    Op.POSTERIZE: posterize,
    **dict.fromkeys(WARPS),
}
_IS_WARP = torch.tensor([op in WARPS for op in Op])
