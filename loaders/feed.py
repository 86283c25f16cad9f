"""What the training loop asks for: the batches of an epoch, those of an evaluation, and those of the diagnostics."""

import dataclasses
import itertools
import logging
from collections.abc import Iterator

import numpy as np
import torch

from loaders.batches import EvaluationBatches, Normalise, PoolBatches, TrainBatch, TrainBatches
from loaders.pixels.capacity import available_memory
from loaders.pixels.store import ImageStore, PixelStore
from loaders.training_data import TrainingData
from loaders.views.plan import BatchShape, CropPlan, draw_epoch
from utils.errors import SemcoError
from utils.flags.config import Config
from utils.processes.world import World
from utils.seeding import Draws, Purpose

LOGGER = logging.getLogger("semco")
_EVALUATION_BATCH = 256
# Rows, places, flips and operations of the views, as `draw_epoch` draws them.
_BYTES_PER_LABELLED, _BYTES_PER_UNLABELLED = 25, 90
# Of a GPU's free memory. The rest is for the network's activations, which nobody has measured yet when this is decided.
_SHARE_OF_FREE_MEMORY = 0.5


def check_plan_fits(config: Config) -> None:
    """Check that the plan of an epoch fits into memory.

    Raises:
        SemcoError: it does not.
    """
    size = config.steps_per_epoch * (
        config.batch_size * _BYTES_PER_LABELLED + config.unlabelled_batch * _BYTES_PER_UNLABELLED
    )
    if size > 0.5 * available_memory():
        raise SemcoError(
            f"--n-imgs-per-epoch {config.n_imgs_per_epoch} with --mu {config.mu} needs {size / 2**30:,.0f} GiB of memory "
            "for the plan of an epoch: lower it and raise --n-epoches"
        )


class Feed:
    """Draws plans and executes them on the world's device, this process's share of each batch."""

    def __init__(self, config: Config, data: TrainingData, *, world: World) -> None:
        data = place_pixels(data, config.data_device, world.device)
        self._config, self._data, self._world = config, data, world
        self._shape = BatchShape(
            steps=config.steps_per_epoch, labelled=config.batch_size, unlabelled=config.unlabelled_batch
        )
        self._normalise = Normalise(data.statistics, world.device)
        self._batches = TrainBatches(
            data.pool,
            cropsize=config.cropsize,
            normalise=self._normalise,
            device=world.device,
            rank=world.rank,
            world_size=world.size,
        )

    def epoch(self, epoch: int, first_step: int = 0, *, with_unlabelled: bool = True) -> Iterator[TrainBatch]:
        """Return the batches of an epoch (counted from 0) from `first_step` on: a function of the seed alone.

        Args:
            with_unlabelled: False for the epoch's labelled images alone.
        """
        plan = draw_epoch(
            seed=self._config.seed,
            epoch=epoch,
            num_labelled=len(self._data.pool.labelled),
            num_unlabelled=len(self._data.pool.unlabelled),
            shape=self._shape if with_unlabelled else dataclasses.replace(self._shape, unlabelled=0),
        )
        return self._batches.epoch(plan, first_step)

    def endless(self) -> Iterator[TrainBatch]:
        """Return the batches of one epoch after another, for ever."""
        return itertools.chain.from_iterable(map(self.epoch, itertools.count()))

    def validation(self, *, shared: bool = True) -> EvaluationBatches:
        """Return this process's share of the validation images, or all of them."""
        share = slice(self._world.rank, None, self._world.size) if shared else slice(None)
        return EvaluationBatches(
            store=self._data.validation,
            rows=self._data.validation_rows[share],
            labels=self._data.validation_labels[share],
            cropsize=self._config.cropsize,
            batch_size=_EVALUATION_BATCH,
            normalise=self._normalise,
            device=self._world.device,
        )

    def pool_sample(self, count: int) -> PoolBatches:
        """Return weak views of `count` unlabelled images, or of all if there are fewer: the same ones each time."""
        pool, draws = self._data.pool, Draws(self._config.seed, Purpose.DIAGNOSTICS)
        drawn = torch.from_numpy(np.argsort(draws.uniform(len(pool.unlabelled)), kind="stable")[:count])
        chosen = drawn.sort().values.to(pool.device)
        y, x, flip = draws.uniform(len(chosen)), draws.uniform(len(chosen)), draws.booleans(len(chosen))
        crops = CropPlan(
            image=pool.unlabelled[chosen], y=torch.from_numpy(y), x=torch.from_numpy(x), flip=torch.from_numpy(flip)
        )
        return PoolBatches(
            store=pool.store,
            crops=crops.to(pool.device),
            labels=self._data.truth[chosen.cpu()],
            cropsize=self._config.cropsize,
            batch_size=_EVALUATION_BATCH,
            normalise=self._normalise,
            device=self._world.device,
        )


def place_pixels(data: TrainingData, wanted: str, device: torch.device) -> TrainingData:
    """Move the decoded pixels to the GPU that trains, if they should be there and fit.

    Args:
        wanted: `cuda`, `cpu`, or `auto`: on the GPU when they fill less than half of its free memory.

    Raises:
        SemcoError: `cuda` is wanted, but there are too many pixels.
    """
    stores = {id(store): store for store in (data.pool.store, data.validation)}.values()
    if wanted == "cpu" or device.type == "cpu" or not all(isinstance(store, PixelStore) for store in stores):
        return data
    size, free = sum(store.num_bytes for store in stores), torch.cuda.mem_get_info(device)[0]
    if wanted == "auto" and size > _SHARE_OF_FREE_MEMORY * free:
        return data
    if size > free:
        raise SemcoError(
            f"--data-device cuda: the pixels take {size / 2**30:.1f} GiB, the GPU has {free / 2**30:.1f} GiB free; "
            "pass --data-device cpu, or a smaller --im-size"
        )
    LOGGER.info("pixels are stored on the GPU")
    return _moved(data, device)


def _moved(data: TrainingData, device: torch.device) -> TrainingData:
    pool = data.pool.to(device)
    validation: ImageStore = pool.store if data.validation is data.pool.store else data.validation.to(device)
    return dataclasses.replace(
        data,
        pool=pool,
        validation=validation,
        validation_rows=data.validation_rows.to(device),
        validation_labels=data.validation_labels.to(device),
    )
