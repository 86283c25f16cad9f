"""Every random draw of an epoch, as data.

A plan is a pure function of (seed, epoch, counts): the same on CPU and GPU, for any number of processes, and after a
restart. Views refer to images by their position in a pool and to pixels by fractions of the image, so a plan needs no
pixel, no image size and no path.
"""

import enum
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from utils.seeding import Draws, Purpose


class Op(enum.IntEnum):
    """The RandAugment operations. The values are part of what a seed means: never renumber them."""

    IDENTITY = 0
    AUTOCONTRAST = 1
    EQUALIZE = 2
    ROTATE = 3
    SOLARIZE = 4
    COLOR = 5
    CONTRAST = 6
    BRIGHTNESS = 7
    SHARPNESS = 8
    SHEAR_X = 9
    SHEAR_Y = 10
    TRANSLATE_X = 11
    TRANSLATE_Y = 12
    POSTERIZE = 13


class _Rows:
    """Tensors that share their first dimension: one row a view."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def __getitem__(self, rows: slice | Tensor):
        return type(self)(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})  # type: ignore[arg-type]

    def to(self, device: torch.device):
        """Return the rows with all tensors on `device`."""
        return type(self)(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class CropPlan(_Rows):
    """A weak view of each of N images.

    `y`, `x`: where the crop lies among all its possible places, float64 in [0, 1); `flip`: mirrored or not.
    """

    image: Tensor  # (N,) int64, position in the pool
    y: Tensor  # (N,) float64
    x: Tensor  # (N,) float64
    flip: Tensor  # (N,) bool


@dataclass(frozen=True)
class StrongPlan(_Rows):
    """RandAugment and Cutout of each of N views.

    An operation whose coin came up tails stands here as `Op.IDENTITY`. `centre` holds (r1, r2) of the Cutout centre
    `(int(r1 * height), int(r2 * width))`.
    """

    ops: Tensor  # (N, 2) uint8, values of Op
    negative: Tensor  # (N, 2) bool, sign of the operations that have one
    centre: Tensor  # (N, 2) float64 in [0, 1)


@dataclass(frozen=True)
class StepPlan:
    """What one training step looks at; `weak` and `strong` show the same images."""

    labelled: CropPlan
    weak: CropPlan
    strong: CropPlan
    augment: StrongPlan


@dataclass(frozen=True)
class BatchShape:
    """How many images a step takes: `labelled` (B) and `unlabelled` (mu * B), and how many `steps` an epoch has."""

    steps: int
    labelled: int
    unlabelled: int


@dataclass(frozen=True)
class EpochPlan:
    """All views of one epoch, step after step."""

    shape: BatchShape
    labelled: CropPlan
    weak: CropPlan
    strong: CropPlan
    augment: StrongPlan

    def crops(self, num_labelled: int, *, rank: int = 0, world_size: int = 1) -> CropPlan:
        """Return all crops of one process, step after step, and in a step labelled, weak, strong, as a batch holds them.

        Args:
            num_labelled: size of the labelled pool; positions in the unlabelled one are counted on from there.
        """
        parts = [
            (self.labelled, self.shape.labelled, 0),
            (self.weak, self.shape.unlabelled, num_labelled),
            (self.strong, self.shape.unlabelled, num_labelled),
        ]

        def joined(name: str) -> Tensor:
            columns = []
            for part, batch, before in parts:
                values = getattr(part, name).view(self.shape.steps, batch)
                values = values + before if name == "image" else values
                columns.append(values[:, _share(0, batch, rank, world_size)])
            return torch.cat(columns, dim=1).flatten()

        return CropPlan(**{field.name: joined(field.name) for field in fields(CropPlan)})

    def step(self, step: int, *, rank: int = 0, world_size: int = 1) -> StepPlan:
        """Return the views of one step: all of them, or the share of process `rank` out of `world_size`."""
        labelled = _share(step, self.shape.labelled, rank, world_size)
        unlabelled = _share(step, self.shape.unlabelled, rank, world_size)
        return StepPlan(
            labelled=self.labelled[labelled],
            weak=self.weak[unlabelled],
            strong=self.strong[unlabelled],
            augment=self.augment[unlabelled],
        )


def draw_epoch(*, seed: int, epoch: int, num_labelled: int, num_unlabelled: int, shape: BatchShape) -> EpochPlan:
    """Draw an epoch: images with replacement, labelled and unlabelled independently; every view on its own.

    Args:
        num_labelled, num_unlabelled: sizes of the two pools that are sampled.
    """
    total_labelled = shape.steps * shape.labelled
    total_unlabelled = shape.steps * shape.unlabelled
    labelled = Draws(seed, Purpose.LABELLED, epoch)
    images = torch.from_numpy(Draws(seed, Purpose.UNLABELLED, epoch).integers(num_unlabelled, total_unlabelled))
    return EpochPlan(
        shape=shape,
        labelled=_draw_crops(torch.from_numpy(labelled.integers(num_labelled, total_labelled)), labelled),
        weak=_draw_crops(images, Draws(seed, Purpose.WEAK_VIEW, epoch)),
        strong=_draw_crops(images, Draws(seed, Purpose.STRONG_VIEW, epoch)),
        augment=draw_strong(total_unlabelled, seed=seed, epoch=epoch),
    )


def draw_strong(count: int, *, seed: int, epoch: int) -> StrongPlan:
    """Draw RandAugment (N=2 operations, each applied with p=0.5) and Cutout for `count` views."""
    draws = Draws(seed, Purpose.RANDAUGMENT, epoch)
    ops = draws.integers(len(Op), count, 2)
    applied = draws.booleans(count, 2)
    return StrongPlan(
        ops=torch.from_numpy((ops * applied).astype("uint8")),
        negative=torch.from_numpy(draws.booleans(count, 2)),
        centre=torch.from_numpy(Draws(seed, Purpose.CUTOUT, epoch).uniform(count, 2)),
    )


def _draw_crops(images: Tensor, draws: Draws) -> CropPlan:
    count = len(images)
    return CropPlan(
        image=images,
        y=torch.from_numpy(draws.uniform(count)),
        x=torch.from_numpy(draws.uniform(count)),
        flip=torch.from_numpy(draws.booleans(count)),
    )


def _share(step: int, batch: int, rank: int, world_size: int) -> slice:
    if batch % world_size:
        raise ValueError(f"a batch of {batch} cannot be shared equally by {world_size} processes")
    share = batch // world_size
    start = step * batch + rank * share
    return slice(start, start + share)
