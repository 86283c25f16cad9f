"""The host's part of strong views on a GPU: which rows pass through which operation, known before the first kernel.

The plan is drawn on the host, so its rows are sorted by operation there. The GPU then reads only the images that an operation
is for, and nothing synchronises with the device to find out which they are.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from loaders.transfer import to_device
from loaders.views.plan import Op, StrongPlan
from loaders.views.warp import WARPS

# Neighbours share work: the first two the darkest and lightest levels, the first five one look-up, contrast and colour the
# luma, colour and sharpness the blend. IDENTITY and SOLARIZE change nothing (see `augment`) and stand for no rows.
SORTED = (
    Op.AUTOCONTRAST,
    Op.EQUALIZE,
    Op.POSTERIZE,
    Op.BRIGHTNESS,
    Op.CONTRAST,
    Op.COLOR,
    Op.SHARPNESS,
    *WARPS,
)
_RANKS = np.array([SORTED.index(op) if op in SORTED else len(SORTED) for op in Op])
# Where an operation's table stands in `tables.bank`: 256 * darkest + lightest for autocontrast, then 256 means for contrast.
CONTRAST_TABLES = 256 * 256
BRIGHTNESS_TABLE = CONTRAST_TABLES + 256
POSTERIZE_TABLE = BRIGHTNESS_TABLE + 1


@dataclass(frozen=True)
class SortedTurn:
    """One turn of a step: the m of its N images that change, sorted by operation.

    `rows`: (m,) int64, their places in the batch. `tables`: (t, 3) int64, places in the bank of tables, per channel, for the
    first t, which are looked up; zero where the pixels decide, and overwritten there. `maps`: (w,) int64, the affine map of
    each of the last w. `ends`: where each operation of `SORTED` ends among the rows, on the host.
    """

    rows: Tensor
    tables: Tensor
    maps: Tensor
    ends: tuple[int, ...]

    def section(self, first: Op, last: Op) -> slice:
        """Return the place of operations `first` to `last` among the rows."""
        at = SORTED.index(first)
        return slice(self.ends[at - 1] if at else 0, self.ends[SORTED.index(last)])


@dataclass(frozen=True)
class SortedPlan:
    """A step's strong views: `turns`, and `inside`, bool (N, H + W): the rows and columns that Cutout covers."""

    turns: tuple[SortedTurn, ...]
    inside: Tensor

    def to(self, device: torch.device) -> "SortedPlan":
        """Return a copy on `device`, in one transfer that the host does not wait for."""
        rows = [part.flatten() for turn in self.turns for part in (turn.rows, turn.tables, turn.maps)]
        numbers, inside = torch.cat(rows).view(torch.uint8), self.inside.flatten().view(torch.uint8)
        packed = to_device(torch.cat([numbers, inside]), device)
        moved = iter(packed[: len(numbers)].view(torch.int64).split([len(part) for part in rows]))
        turns = tuple(
            SortedTurn(rows=next(moved), tables=next(moved).view(-1, 3), maps=next(moved), ends=turn.ends)
            for turn in self.turns
        )
        return SortedPlan(turns, packed[len(numbers) :].view(torch.bool).view_as(self.inside))


def sort_rows(plan: StrongPlan, height: int, width: int) -> SortedPlan:
    """Sort a step's rows by operation. The plan and the result are in the host's memory."""
    ops, negative = plan.ops.numpy(), plan.negative.numpy()
    turns = tuple(_sort_turn(ops[:, turn], negative[:, turn]) for turn in range(ops.shape[1]))
    return SortedPlan(turns, cutout_places(plan.centre, height, width))


def _sort_turn(ops: np.ndarray, negative: np.ndarray) -> SortedTurn:
    ranks = _RANKS[ops]
    ends = np.bincount(ranks, minlength=len(SORTED) + 1).cumsum()[:-1].tolist()
    rows = ranks.argsort(kind="stable")[: ends[-1]]
    looked_up = ops[rows[: ends[SORTED.index(Op.CONTRAST)]]]
    tables = np.where(looked_up == Op.POSTERIZE, POSTERIZE_TABLE, 0)
    tables[looked_up == Op.BRIGHTNESS] = BRIGHTNESS_TABLE
    warped = rows[ends[SORTED.index(Op.SHARPNESS)] :]
    maps = 2 * (ranks[warped] - SORTED.index(WARPS[0])) + negative[warped]
    return SortedTurn(
        rows=torch.from_numpy(rows),
        tables=torch.from_numpy(np.repeat(tables[:, None], 3, axis=1)),
        maps=torch.from_numpy(maps),
        ends=tuple(ends),
    )


def cutout_places(centre: Tensor, height: int, width: int) -> Tensor:
    """Return which rows and which columns Cutout covers: bool (N, H + W) of centres (N, 2)."""
    half = width // 4
    inside = []
    for axis, size in enumerate((height, width)):
        middle = (centre[:, axis] * size).to(torch.int64)[:, None]
        place = torch.arange(size, device=centre.device)[None, :]
        inside.append((place >= middle - half) & (place < middle + half))
    return torch.cat(inside, dim=1)
