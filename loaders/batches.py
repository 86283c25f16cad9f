"""Store and plan -> normalised batches on the device."""

import contextlib
import dataclasses
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from loaders.pixels.statistics import PixelStatistics
from loaders.pixels.store import ImageStore, PixelStore
from loaders.transfer import pinned, to_device
from loaders.views.augment import strong_views
from loaders.views.plan import CropPlan, EpochPlan, StrongPlan


@dataclass(frozen=True)
class TrainBatch:
    """One step's views, ready for one forward pass.

    `images`: float32 (B + 2 * mu * B, 3, H, W), channels last, normalised: weak views of the labelled images, then weak
    views of the unlabelled ones, then strong views of the same unlabelled images. `labels`: int64 (B,).
    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class EvaluationBatch:
    """Normalised centre crops float32 (n, 3, H, W) and their labels int64 (n,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Normalise:
    """uint8 levels (n, 3, H, W) -> float32 `(level / 255 - mean) / std`, channels last."""

    def __init__(self, statistics: PixelStatistics, device: torch.device) -> None:
        mean = torch.tensor(statistics.mean, dtype=torch.float64).view(1, 3, 1, 1)
        std = torch.tensor(statistics.std, dtype=torch.float64).view(1, 3, 1, 1)
        self._scale = (1 / (255 * std)).float().to(device)
        self._shift = (-mean / std).float().to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise a batch."""
        return images.to(torch.float32, memory_format=torch.channels_last).mul_(self._scale).add_(self._shift)


@dataclass(frozen=True)
class TrainingPool:
    """The training images, and which of them are labelled.

    `labelled` (L,), `unlabelled` (U,): rows of the store, int64; `labels` (L,): classes of the labelled images, int64.
    """

    store: ImageStore
    labelled: Tensor
    unlabelled: Tensor
    labels: Tensor

    @property
    def device(self) -> torch.device:
        """Where the rows are stored, and the pixels unless they are decoded on the fly."""
        return self.labelled.device

    def to(self, device: torch.device) -> "TrainingPool":
        """Return the pool with pixels and rows on `device`; the store must hold pixels."""
        return TrainingPool(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


class TrainBatches:
    """Makes the batches of an epoch from its plan, for one process out of `world_size`."""

    def __init__(
        self,
        pool: TrainingPool,
        *,
        cropsize: int,
        normalise: Normalise,
        device: torch.device,
        rank: int,
        world_size: int,
    ) -> None:
        self._pool = pool
        self._cropsize = cropsize
        self._normalise = normalise
        self._device = device
        self._rank = rank
        self._world_size = world_size

    def epoch(self, plan: EpochPlan, first_step: int = 0) -> Iterator[TrainBatch]:
        """Yield this process's share of the epoch's batches from `first_step` on."""
        pool, share = self._pool, {"rank": self._rank, "world_size": self._world_size}
        # Once per epoch, not per step: what a GPU would have to launch kernels for.
        views = plan.crops(len(pool.labelled), **share).to(pool.device)
        labels = pool.labels[views.image.view(plan.shape.steps, -1)[:, : plan.shape.labelled // self._world_size]]
        views = dataclasses.replace(views, image=torch.cat([pool.labelled, pool.unlabelled])[views.image])
        batch = len(views) // plan.shape.steps

        def cut() -> Iterator[tuple[int, Tensor]]:
            for step in range(first_step, plan.shape.steps):
                crops = pool.store.crops(views[step * batch : (step + 1) * batch], self._cropsize)
                yield step, pinned(crops, self._device)

        cuts = _ahead_where_it_helps(cut(), pool.store, self._device)
        made = (self._finish(crops, labels[step], plan.step(step, **share).augment) for step, crops in cuts)
        yield from _on_its_own_stream(made, self._device) if self._device.type == "cuda" else made

    def _finish(self, crops: Tensor, labels: Tensor, augment: StrongPlan) -> TrainBatch:
        """Make a batch of crops (n, 3, H, W) uint8, of which the last are to become strong views."""
        views = to_device(crops, self._device)
        if len(augment):
            strong_views(views[len(views) - len(augment) :], augment)
        return TrainBatch(images=self._normalise(views), labels=to_device(labels, self._device))


@dataclass(frozen=True)
class EvaluationBatches:
    """Centre crops of the images at `rows` (n,) of a store, in order; can be iterated again and again.

    `labels`: int64 (n,), one for each of `rows`, -1 where unknown. The length is the number of images.
    """

    store: ImageStore
    rows: Tensor
    labels: Tensor
    cropsize: int
    batch_size: int
    normalise: Normalise
    device: torch.device

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        parts = zip(self.rows.split(self.batch_size), self.labels.split(self.batch_size), strict=True)
        views = ((pinned(self.store.centre_crops(rows, self.cropsize), self.device), labels) for rows, labels in parts)
        for images, labels in _ahead_where_it_helps(views, self.store, self.device):
            images = self.normalise(to_device(images, self.device))
            yield EvaluationBatch(images=images, labels=to_device(labels, self.device))


@dataclass(frozen=True)
class PoolBatches:
    """Weak views of unlabelled images, in order; can be iterated again and again, and shows the same views.

    `crops`: the views, whose `image` are rows of the store; `labels`: the images' true classes, int64 (n,), -1 where unknown.
    """

    store: ImageStore
    crops: CropPlan
    labels: Tensor
    cropsize: int
    batch_size: int
    normalise: Normalise
    device: torch.device

    @property
    def rows(self) -> Tensor:
        """Rows of the store, int64 (n,)."""
        return self.crops.image

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        for start in range(0, len(self), self.batch_size):
            batch = slice(start, start + self.batch_size)
            views = to_device(self.store.crops(self.crops[batch], self.cropsize), self.device)
            yield EvaluationBatch(images=self.normalise(views), labels=to_device(self.labels[batch], self.device))


def _ahead_where_it_helps(items: Iterator, store: ImageStore, device: torch.device) -> Iterator:
    """Prepare items ahead of a consumer on `device` where that does not compete with it.

    Decoding waits for disks and runs outside Python's lock; pixels in memory are cut while a GPU computes. Cutting crops on
    the device that trains would only compete with the training step for the same cores or the same GPU.
    """
    beside = not isinstance(store, PixelStore) or store.pixels.device.type != device.type
    return _ahead(items, depth=2, device=device) if beside else items


def _on_its_own_stream(batches: Iterator[TrainBatch], device: torch.device) -> Iterator[TrainBatch]:
    """Make each batch on a stream of its own, one ahead of the step that takes it, so that the GPU does both at once.

    Before it makes a batch, that stream waits for every step that was given to the GPU: the batch may be put where an earlier
    one was, and the host, which runs ahead, has no more than three of them in memory.
    """
    stream = torch.cuda.Stream(device)

    def make() -> tuple[TrainBatch | None, torch.cuda.Event]:
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            return next(batches, None), stream.record_event()

    batch, is_ready = make()
    while batch is not None:
        following = make()
        torch.cuda.current_stream(device).wait_event(is_ready)
        yield batch
        batch, is_ready = following


def _ahead(items: Iterator, *, depth: int, device: torch.device) -> Iterator:
    """Run an iterator in a thread, up to `depth` items ahead; raise its exceptions here."""
    done = object()
    ready: queue.Queue = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        # A thread starts on the first GPU, and pinning memory would open a context there.
        place = torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()
        try:
            with place:
                for item in items:
                    put((item, None))
                    if stopped.is_set():
                        return
            put((done, None))
        except BaseException as error:  # handed over, and raised in the consumer
            put((None, error))

    thread = threading.Thread(target=work, daemon=True, name="prefetch")
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is done:
                return
            yield item
    finally:
        stopped.set()
        thread.join()
