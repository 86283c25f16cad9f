"""What a run will cost on this device: a few real steps, timed."""

import importlib.util
import itertools
import statistics
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch

from models.evaluate import evaluate
from models.step.cuda_graph import EAGER_STEPS
from models.trainer import Trainer

_TIMED = 3
# The first step also draws the plan, chooses kernels and allocates; the one after the eager steps captures a CUDA graph.
_UNTIMED = {"cpu": 1, "cuda": EAGER_STEPS + 1}
# Beside a step of so many seconds, what the first one did besides and what the others differ by do not matter.
_LONG = 1.0


@dataclass(frozen=True)
class RunCost:
    """Seconds of a training step, of an epoch's steps, and of an evaluation; the peak of memory so far, bytes.

    `memory` is that of the GPU, or of this process where it computes on the CPU; None where the system does not tell.
    """

    step_seconds: float
    epoch_seconds: float
    evaluation_seconds: float
    memory: int | None


def measure_cost(trainer: Trainer, batches: Iterator, validation: Collection) -> RunCost:
    """Make a few training steps and evaluate a batch. The trainer is of no use afterwards: its weights have moved.

    Args:
        batches: endless training batches.
        validation: evaluation batches; their length is the number of images.
    """
    device = trainer.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    trainer.network.train()
    seconds = []
    for _ in range(_UNTIMED[device.type] + _TIMED):
        start = time.perf_counter()
        batch = next(batches)
        trainer.train_step(batch.images, batch.labels, step=0)
        _synchronise(device)
        seconds.append(time.perf_counter() - start)
        if len(seconds) > _UNTIMED[device.type] and seconds[-1] > _LONG:
            break
    step_seconds = statistics.median(seconds[_UNTIMED[device.type] :])
    return RunCost(
        step_seconds=step_seconds,
        epoch_seconds=step_seconds * trainer.schedule.steps_per_epoch,
        evaluation_seconds=_evaluation_seconds(trainer, validation, device),
        memory=_peak_memory(device),
    )


def format_cost(cost: RunCost, *, epochs: int, starts_supervised: bool = False) -> str:
    """Format the cost as one line.

    Args:
        starts_supervised: the run's first steps are cheaper than those that were timed, nobody knows how many.
    """
    in_all = epochs * (cost.epoch_seconds + cost.evaluation_seconds)
    memory = "unknown memory" if cost.memory is None else f"{cost.memory / 2**30:.2f} GiB of memory at most"
    return (
        f"cost: {memory}; {1000 * cost.step_seconds:,.1f} ms per step, "
        f"{_duration(cost.epoch_seconds)} per epoch and {_duration(cost.evaluation_seconds)} to evaluate it, "
        f"{'at most ' if starts_supervised else ''}{_duration(in_all)} for {epochs:,} epochs"
    )


def _evaluation_seconds(trainer: Trainer, validation: Collection, device: torch.device) -> float:
    seconds, shown = 0.0, 1
    for batch in itertools.islice(validation, 2):
        start = time.perf_counter()
        evaluate(trainer.ema.module, trainer.guessor, [batch], forward=trainer.precision.forward)
        _synchronise(device)
        seconds, shown = time.perf_counter() - start, len(batch)
        if seconds > _LONG:
            break
    return seconds * len(validation) / shown


def _peak_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if importlib.util.find_spec("resource") is None:  # Windows
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
