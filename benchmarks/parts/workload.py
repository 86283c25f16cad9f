"""The training that benchmarks time: this project's own, on generated images, built without files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from loaders.batches import Normalise, TrainBatch, TrainBatches, TrainingPool
from loaders.pixels.statistics import PixelStatistics
from loaders.pixels.store import PixelStore, store_from_shapes
from loaders.views.plan import BatchShape, EpochPlan, draw_epoch
from models.label_guessor import LabelGuessor
from models.networks.two_head import build_model
from models.step.called import callable_network
from models.step.ema import ModelEma
from models.step.optimizer import build_optimizer
from models.step.precision import TorchPrecision
from models.step.ramp_up import RampUp
from models.trainer import Method, Trainer
from utils.processes.world import World
from utils.schedule import Schedule

STATISTICS = PixelStatistics((0.5,) * 3, (0.25,) * 3, "generated")


@dataclass(frozen=True)
class Workload:
    """Hold a trainer and its batches; each call of `batches` yields `steps` of them."""

    trainer: Trainer
    train_batches: TrainBatches
    pool: TrainingPool
    shape: BatchShape

    def batches(self) -> Iterator[TrainBatch]:
        """Yield the batches of one and the same epoch."""
        return self.train_batches.epoch(self.plan())

    def plan(self) -> EpochPlan:
        """Draw the plan of that epoch."""
        return draw_epoch(
            seed=1,
            epoch=0,
            num_labelled=len(self.pool.labelled),
            num_unlabelled=len(self.pool.unlabelled),
            shape=self.shape,
        )


def generated_store(count: int, size: int, *, seed: int = 0) -> PixelStore:
    """Generate `count` smooth colour images, `size` pixels a side, on which every operation has an effect."""
    rng = np.random.default_rng(seed)
    kinds = min(count, 512)
    coarse = torch.from_numpy(rng.integers(0, 256, (kinds, 3, 6, 6)).astype(np.float32))
    fine = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 255).to(torch.uint8)
    pixels = fine.permute(0, 2, 3, 1).reshape(kinds, size * size, 3)
    chosen = torch.from_numpy(rng.integers(0, kinds, count))
    return store_from_shapes(pixels[chosen].reshape(-1, 3), np.full((count, 2), size))


def build_workload(
    device: str,
    *,
    batch: int = 16,
    mu: int = 3,
    steps: int = 60,
    size: int = 32,
    classes: int = 100,
    images: int = 2000,
    pixels_on: str | None = None,
    **network: Any,
) -> Workload:
    """Build a trainer and the batches of `images` generated images on `device`, where the pixels are stored too.

    Args:
        batch: labelled images per step, B; `mu`: unlabelled ones per labelled one; `size`: side of the images in pixels.
        pixels_on: where the pixels are stored, if not on `device`.
        network: further arguments of `build_trainer`.
    """
    place = torch.device(device)
    labelled = images // 10
    pool = TrainingPool(
        store=generated_store(images, size),
        labelled=torch.arange(labelled),
        unlabelled=torch.arange(labelled, images),
        labels=torch.arange(labelled) % classes,
    ).to(torch.device(pixels_on or device))
    batches = TrainBatches(
        pool, cropsize=size, normalise=Normalise(STATISTICS, place), device=place, rank=0, world_size=1
    )
    trainer = build_trainer(place, classes=classes, **network)
    return Workload(trainer, batches, pool, BatchShape(steps=steps, labelled=batch, unlabelled=mu * batch))


def build_trainer(
    device: torch.device,
    *,
    backbone: str = "wres",
    depth: int = 28,
    width: int = 2,
    classes: int = 100,
    dim: int = 128,
    dtype: torch.dtype = torch.float32,
    graph: bool = False,
    compiled: bool = False,
    most_skipped: int = 0,
    separate_strong: bool = False,
    ramp_up: bool = False,
) -> Trainer:
    """Build a trainer with random class vectors of `dim` dimensions, in training mode, whose network is called as in a run."""
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    model = build_model(
        backbone=backbone,
        num_classes=classes,
        embedding_dim=dim,
        wres_depth=depth,
        wres_width=width,
        bn_momentum=0.05,
    ).to(device, memory_format=torch.channels_last)
    vectors = torch.randn(classes, dim, generator=torch.Generator().manual_seed(3))
    schedule = Schedule(
        steps_per_epoch=1,
        total_steps=10_000,
        last_epoch=1,
        lr=0.03,
        early_stopping_epochs=0,
        min_wait_before_es=-1,
        es_metric="accuracy",
    )
    world, precision = World.alone(device), TorchPrecision(device, dtype)
    return Trainer(
        network=callable_network(model, precision, world, compiled=compiled).train(),
        model=model,
        ema=ModelEma(model, decay=0.999),
        guessor=LabelGuessor(vectors, torch.arange(classes) * 9 // 10, thr_emb=0.2).to(device),
        optimizer=build_optimizer(model, lr=0.03, momentum=0.9, weight_decay=5e-4),
        precision=precision,
        method=Method(thr=0.3, lam_u=1.0, lambda_emb=3.0, cotrain=True),
        schedule=schedule,
        world=world,
        most_skipped=most_skipped,
        cuda_graph=graph,
        compiled=compiled,
        separate_strong=separate_strong,
        ramp_up=RampUp(classes, lam_u=1.0, lambda_emb=3.0, reduce=world.sum, world_size=1) if ramp_up else None,
    )


def losses_of(work: Workload) -> list[float]:
    """Train on the batches and return the loss of every step."""
    found = []
    for step, batch in enumerate(work.batches()):
        work.trainer.tally.begin(step)
        work.trainer.train_step(batch.images, batch.labels, step=step)
        found.append(work.trainer.tally.read()[0]["total"])
    return found
