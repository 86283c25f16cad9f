"""Strong views of rows sorted by operation: what a GPU does. Bit for bit what `augment` computes, on any device.

Autocontrast, equalize, posterize, brightness and contrast are one look-up: each image and channel has a table of 256 levels.
All but equalize's come from a bank that is made once. Nothing here depends on a result, so nothing synchronises with the device.
"""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from loaders.views.plan import Op
from loaders.views.sorted_rows import BRIGHTNESS_TABLE, CONTRAST_TABLES, POSTERIZE_TABLE, SortedPlan, SortedTurn
from loaders.views.tables import autocontrast_table, blend, posterize
from loaders.views.warp import FILL, warp_by_maps

_LUMA = (19595, 38470, 7471)
_LUMA_HALF, _LUMA_BITS = 0x8000, 16


def apply_sorted(images: Tensor, plan: SortedPlan) -> Tensor:
    """Apply a step's operations and Cutout to images (N, 3, H, W) uint8 in place; the plan's tensors are on their device."""
    for turn in plan.turns:
        if len(turn.rows):
            images.index_copy_(0, turn.rows, _apply_turn(images.index_select(0, turn.rows), turn))
    rows, columns = plan.inside.split(list(images.shape[2:]), dim=1)
    return images.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], FILL)


def _apply_turn(picked: Tensor, turn: SortedTurn) -> Tensor:
    """Return (m, 3, H, W) uint8, the images of a turn through their operations."""
    luma_rows = turn.section(Op.CONTRAST, Op.COLOR)
    luma = _luma(picked[luma_rows])
    contrast = turn.section(Op.CONTRAST, Op.CONTRAST)
    num_contrast = contrast.stop - contrast.start
    done = torch.empty_like(picked)
    looked_up, blended = turn.section(Op.AUTOCONTRAST, Op.CONTRAST), turn.section(Op.COLOR, Op.SHARPNESS)
    if looked_up.stop > looked_up.start:
        _look_up(picked[looked_up], luma[:num_contrast], turn, out=done[looked_up])
    if blended.stop > blended.start:
        _blend(picked[blended], luma[num_contrast:], out=done[blended])
    if len(turn.maps):
        warped = slice(blended.stop, None)
        warp_by_maps(picked[warped], turn.maps, out=done[warped])
    return done


def _look_up(images: Tensor, luma: Tensor, turn: SortedTurn, *, out: Tensor) -> None:
    """Send every level of images (t, 3, H, W) through its image's and channel's table. `luma` is that of the last ones."""
    levels = images.flatten(2).long()
    places = turn.tables
    automatic, equal = turn.section(Op.AUTOCONTRAST, Op.AUTOCONTRAST), turn.section(Op.EQUALIZE, Op.EQUALIZE)
    if equal.stop:
        low, high = levels[: equal.stop].aminmax(dim=2)
        torch.add(high[automatic], low[automatic], alpha=256, out=places[automatic])
    if len(luma):
        pixels = luma[0].numel()
        # int(mean + 0.5), and in the same division on to contrast's first table.
        total = luma.flatten(1).sum(1).add_(CONTRAST_TABLES * pixels + pixels // 2)
        places[len(places) - len(luma) :].copy_(total.floor_divide_(pixels)[:, None])
    tables = _bank(images.device).index_select(0, places.flatten()).view(*places.shape, 256)
    if equal.stop > equal.start:
        tables[equal].copy_(_equalize_tables(levels[equal], high[equal, :, None]))
    torch.gather(tables, 2, levels, out=out.flatten(2))


def _equalize_tables(levels: Tensor, high: Tensor) -> Tensor:
    """Return the tables (n, 3, 256) of `ImageOps.equalize` for levels (n, 3, P) whose largest are `high` (n, 3, 1)."""
    one, every_level = _constants(levels.device)
    counts = levels.new_zeros(*levels.shape[:2], 256).scatter_add_(2, levels, one.expand_as(levels))
    step = (levels.shape[2] - counts.gather(2, high)).floor_divide_(255)
    before = counts.cumsum(2).sub_(counts).add_(step >> 1)
    return torch.where(step > 0, before.floor_divide_(step.clamp(min=1)).clamp_(max=255), every_level)


def _blend(images: Tensor, luma: Tensor, *, out: Tensor) -> None:
    """Blend images away from their greyscale, `luma` (c, 1, H, W) of the first c of them, or from their smoothed selves."""
    start = images.float()
    num_color = len(luma)
    if num_color:
        start[:num_color].copy_(luma)
    if num_color < len(images):
        smoothed = start[num_color:]
        inner = smoothed[:, :, 1:-1, 1:-1]
        # Whole numbers below 2**24: exact in float32 in any order.
        total = F.avg_pool2d(smoothed, 3, stride=1, divisor_override=1) if min(images.shape[2:]) > 2 else inner
        # The kernel sums to 13; a sum over 13 is never near half-way between two levels, so float32 rounds as Pillow does.
        inner.copy_(total.add(inner, alpha=4).mul_(1 / 13).round_())
    blend(start, images, out=out)


def _luma(images: Tensor) -> Tensor:
    """`Image.convert("L")` of (n, 3, H, W) uint8, as (n, 1, H, W) int32."""
    if not len(images):
        return images[:, :1].int()
    weighted = images * _luma_weights(images.device)
    return weighted.sum(1, keepdim=True, dtype=torch.int32).add_(_LUMA_HALF).bitwise_right_shift_(_LUMA_BITS)


@functools.lru_cache
def _luma_weights(device: torch.device) -> Tensor:
    return torch.tensor(_LUMA, dtype=torch.int32, device=device).view(1, 3, 1, 1)


@functools.lru_cache
def _constants(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return a one and the levels 0 to 255, int64."""
    return torch.ones((), dtype=torch.int64, device=device), torch.arange(256, device=device)


@functools.lru_cache
def _bank(device: torch.device) -> Tensor:
    """Return every table that does not depend on a whole histogram, (65,794, 256) uint8: 16 MiB, made once on the host."""
    levels = torch.arange(256, dtype=torch.uint8)
    every = torch.arange(256, dtype=torch.float64)
    low, high = every.repeat_interleave(256)[:, None], every.repeat(256)[:, None]
    bank = torch.empty(POSTERIZE_TABLE + 1, 256, dtype=torch.uint8)
    bank[:CONTRAST_TABLES] = autocontrast_table(low, high)
    bank[CONTRAST_TABLES:BRIGHTNESS_TABLE] = blend(every[:, None].float(), levels)
    bank[BRIGHTNESS_TABLE] = blend(torch.zeros(()), levels)
    bank[POSTERIZE_TABLE] = posterize(levels)
    return bank.to(device)
