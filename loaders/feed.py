"""What the training loop asks for: the batches of an epoch, and those of an evaluation."""

from collections.abc import Iterator

from torch import Tensor

from loaders.batches import EvaluationBatches, Normalise, TrainBatch, TrainBatches
from loaders.data_device import place_pixels
from loaders.pixels.capacity import available_memory
from loaders.training_data import TrainingData
from loaders.views.plan import BatchShape, draw_epoch
from utils.errors import SemcoError
from utils.flags.config import Config
from utils.processes.world import World

_EVALUATION_BATCH = 256


# Positions, places, flips and operations of the views, as `draw_epoch` draws them.
_BYTES_PER_LABELLED, _BYTES_PER_UNLABELLED = 25, 90


def check_plan_fits(config: Config) -> None:
    """Make sure that the plan of an epoch fits into memory.

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


class Views:
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

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[TrainBatch]:
        """The batches of an epoch (counted from 0), from `first_step` on: a function of the seed alone."""
        plan = draw_epoch(
            seed=self._config.seed,
            epoch=epoch,
            num_labelled=len(self._data.pool.labelled),
            num_unlabelled=len(self._data.pool.unlabelled),
            shape=self._shape,
        )
        return self._batches.epoch(plan, first_step)

    def sample(self, most: int = 64) -> Tensor:
        """Views (n, 3, H, W) of the first step, n <= `most`, to try a network on."""
        return next(iter(self.epoch(0))).images[:most]

    def validation(self) -> EvaluationBatches:
        """The validation images, this process's share of them."""
        mine = slice(self._world.rank, None, self._world.size)
        return EvaluationBatches(
            store=self._data.validation,
            rows=self._data.validation_rows[mine],
            labels=self._data.validation_labels[mine],
            cropsize=self._config.cropsize,
            batch_size=_EVALUATION_BATCH,
            normalise=self._normalise,
            device=self._world.device,
        )
