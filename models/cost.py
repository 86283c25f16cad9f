"""What a run will cost on this device: a few real steps, timed."""

import itertools
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from models.evaluate import evaluate
from models.trainer import Trainer

_TIMED = 3
# The first step also draws the plan, chooses kernels and allocates; a CUDA graph is captured in the fourth.
_UNTIMED = {"cpu": 1, "cuda": 4}


@dataclass(frozen=True)
class RunCost:
    """Seconds of a training step, of an epoch's steps, and of an evaluation; the most memory used so far, bytes.

    `memory` is that of the GPU, or of this process where it computes on the CPU.
    """

    step_seconds: float
    epoch_seconds: float
    evaluation_seconds: float
    memory: int


def measure_cost(trainer: Trainer, epoch_batches: Callable[[int], Iterable], validation: Iterable) -> RunCost:
    """Make a few training steps and evaluate a batch. The trainer is of no use afterwards: its weights have moved.

    Args:
        epoch_batches: the batches of an epoch; `validation`: batches whose length is the number of all their images.
    """
    device = trainer.guessor.class_vectors.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    trainer.network.train()
    seconds = []
    batches = itertools.chain.from_iterable(epoch_batches(epoch) for epoch in itertools.count())
    for _ in range(_UNTIMED[device.type] + _TIMED):
        start = time.perf_counter()
        batch = next(batches)
        trainer.train_step(batch.images, batch.labels, step=0)
        _wait_for(device)
        seconds.append(time.perf_counter() - start)
    step_seconds = statistics.median(seconds[-_TIMED:])
    return RunCost(
        step_seconds=step_seconds,
        epoch_seconds=step_seconds * trainer.schedule.steps_per_epoch,
        evaluation_seconds=_evaluation_seconds(trainer, validation, device),
        memory=_peak_memory(device),
    )


def format_cost(cost: RunCost, *, epochs: int) -> str:
    """Lay the cost out in one line."""
    whole = epochs * (cost.epoch_seconds + cost.evaluation_seconds)
    return (
        f"cost: {cost.memory / 2**30:.2f} GiB of memory at most; {1000 * cost.step_seconds:,.1f} ms a step, "
        f"{_duration(cost.epoch_seconds)} an epoch and {_duration(cost.evaluation_seconds)} to evaluate it, "
        f"{_duration(whole)} for {epochs:,} epochs"
    )


def _evaluation_seconds(trainer: Trainer, validation: Iterable, device: torch.device) -> float:
    seconds, shown = 0.0, 1
    for batch in itertools.islice(validation, 2):
        start = time.perf_counter()
        evaluate(trainer.ema.module, trainer.guessor, [batch], forward=trainer.precision.forward)
        _wait_for(device)
        seconds, shown = time.perf_counter() - start, len(batch)
    return seconds * len(validation) / shown


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
