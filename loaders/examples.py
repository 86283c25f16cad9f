"""A few training images as the network sees them, for people to look at."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from loaders.pixels.decode import decode_image
from loaders.training_data import Selection, TrainingData
from loaders.views.augment import strong_views
from loaders.views.plan import BatchShape, draw_epoch
from utils.flags.config import Config

_COLUMNS = 12
_WEAK, _STRONG = 2, 4


@dataclass(frozen=True)
class ExampleSheet:
    """One picture: `rows` of titles and uint8 images (H, W, 3), one a column; `titles` of the columns; its `name`."""

    name: str
    titles: list[str]
    rows: list[tuple[str, Sequence[np.ndarray]]]


def example_sheets(config: Config, selection: Selection, data: TrainingData) -> list[ExampleSheet]:
    """Show labelled images with weak views, and unlabelled ones, if any are used, with weak and strong views."""
    sheets = [_sheet("labelled", data.pool.labelled, config, selection, data, strong=0)]
    if config.unlabelled_batch:
        sheets.append(_sheet("unlabelled", data.pool.unlabelled, config, selection, data, strong=_STRONG))
    return sheets


def _sheet(
    name: str, pool: Tensor, config: Config, selection: Selection, data: TrainingData, *, strong: int
) -> ExampleSheet:
    # Files of a class usually have neighbouring names, so steps of equal length through the pool see many classes.
    steps = torch.linspace(0, len(pool) - 1, min(_COLUMNS, len(pool)), dtype=torch.float64)
    positions = pool[steps.round().long()]
    index = selection.train
    originals = [decode_image(index.paths[position], config.im_size) for position in positions.tolist()]
    turns = [_draw(config, data, positions, turn) for turn in range(max(_WEAK, strong))]
    rows: list[tuple[str, Sequence[np.ndarray]]] = [(f"short side {config.im_size}", originals)]
    rows += [(f"weak {number}", weak) for number, (weak, _) in enumerate(turns[:_WEAK], start=1)]
    rows += [(f"strong {number}", view) for number, (_, view) in enumerate(turns[:strong], start=1)]
    classes = index.classes
    titles = [classes[index.ids[position]] or "no class" for position in positions.tolist()]
    return ExampleSheet(name, titles, rows)


def _draw(config: Config, data: TrainingData, positions: Tensor, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a weak and a strong view of each position as an epoch would, both uint8 (n, H, W, 3)."""
    count = len(positions)
    shape = BatchShape(steps=1, labelled=0, unlabelled=count)
    plan = draw_epoch(seed=config.seed, epoch=epoch, num_labelled=1, num_unlabelled=count, shape=shape)
    weak, start = (
        data.pool.store.crops(dataclasses.replace(crops, image=positions), config.cropsize)
        for crops in (plan.weak, plan.strong)
    )
    return _pictures(weak), _pictures(strong_views(start, plan.augment))


def _pictures(images: Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).cpu().numpy()
