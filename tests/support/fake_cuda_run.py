"""Trains on fake CUDA tensors and prints what was found as JSON: `python -m tests.support.fake_cuda_run`.

A process of its own, as torch may crash after fake trainings are freed; test_fake_cuda.py reads what it prints.
"""

import contextlib
import itertools
import json
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from unittest import mock

import torch

from benchmarks import launches
from benchmarks.parts import fake_cuda, workload
from benchmarks.parts.networks import NETWORKS
from loaders.batches import EvaluationBatches, Normalise
from models import trainer as trainer_module
from models.evaluate import evaluate
from models.trainer import Trainer

SMALL = {"batch": 4, "mu": 3, "depth": 10, "width": 1, "classes": 5, "dim": 8, "images": 60}
KEPT = []


def steps(*, setup: Callable[[Trainer], None] = lambda trainer: None, around=contextlib.nullcontext, **changes) -> dict:
    """Train some steps; return the last one's faults, its launches, and whether its kernels got other numbers than before."""
    settings = {**SMALL, "dtype": torch.bfloat16, **changes, "steps": launches.STEPS + 1}
    with fake_cuda.fake_cuda() as recorder, launches.prepared(settings), launches.watched(recorder), around():
        work = workload.build_workload("cuda", **settings)
        KEPT.append(work)
        setup(work.trainer)
        traces = []
        with recorder.during("rest"):
            for step, batch in enumerate(itertools.islice(work.batches(), launches.STEPS)):
                # The rate is set before the step that a graph would replay.
                trainer_module.set_learning_rate(work.trainer.optimizer, work.trainer.schedule.learning_rate(step))
                before = len(recorder.trace)
                work.trainer._compute(batch.images, batch.labels)
                traces.append(recorder.trace[before:])
                if step == launches.STEPS - 2:
                    recorder.begin()  # what is made once has been made; the next batch is part of the next step
        found = {
            "faults": recorder.faults,
            "launches": {name: phase.launches for name, phase in recorder.phases.items()},
            "images": [batch.images.device.type, str(batch.images.dtype)],
            "channels_last": batch.images.is_contiguous(memory_format=torch.channels_last),
            "kernels": len(traces[-1]),
        }
    found["other_numbers"] = [f"{one} {two}" for one, two in zip(*traces[-2:], strict=True) if one != two]
    launches.forget()
    return found


class _ReadError(Exception):
    """The end of an evaluation, where its sums are read once."""


def evaluation(pixels_on: str) -> dict:
    """Evaluate on fake tensors up to the one read at the end."""

    def read(_):
        raise _ReadError

    with launches.prepared({**SMALL, "size": 32}), fake_cuda.fake_cuda() as recorder:
        work = workload.build_workload("cuda", **SMALL, steps=1, dtype=torch.bfloat16, pixels_on=pixels_on)
        KEPT.append(work)
        rows = torch.arange(20, device=pixels_on)
        batches = EvaluationBatches(
            store=work.pool.store,
            rows=rows,
            labels=rows % 5,
            cropsize=32,
            batch_size=8,
            normalise=Normalise(workload.STATISTICS, torch.device("cuda")),
            device=torch.device("cuda"),
        )
        trainer = work.trainer
        batches, seen = _counted(batches)
        recorder.begin()
        with recorder.during("evaluation"), contextlib.suppress(_ReadError):
            evaluate(
                trainer.ema.module,
                trainer.guessor,
                batches,
                forward=trainer.precision.forward,
                reduce=read,
            )
        found = {"faults": list(recorder.faults), "batches": len(seen)}
    launches.forget()
    return found


def _counted(items: Iterable) -> tuple[Iterator, list[int]]:
    """Return the items, and a list that gets an entry for each one that is taken."""
    taken: list[int] = []
    return (taken.append(1) or item for item in items), taken


def _changed_loss(change: Callable):
    """Mutate the step: put `change` of the loss in the place of the loss."""
    original = trainer_module.co_training_loss

    def changed(**given):
        parts = original(**given)
        return parts._replace(total=change(parts.total, given["labels"]))

    return lambda: mock.patch.object(trainer_module, "co_training_loss", changed)


def _python_rate(trainer: Trainer) -> None:
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.1


MUTANTS = {
    "a CPU number in the step": {"around": _changed_loss(lambda total, _: total * torch.ones(()))},
    "a CPU tensor in the step": {"around": _changed_loss(lambda total, _: (total * torch.ones(2)).sum())},
    "item": {"around": _changed_loss(lambda total, _: total * (1 + 0 * total.item()))},
    "float of the loss": {"around": _changed_loss(lambda total, _: total + 0 * float(total))},
    "a decision by a value": {"around": _changed_loss(lambda total, _: total if total > 0 else -total)},
    "rows chosen by a mask": {"around": _changed_loss(lambda total, labels: total + labels[labels > 0].sum())},
    "nonzero": {"around": _changed_loss(lambda total, labels: total + labels.nonzero().sum())},
    "a copy to the CPU": {
        "around": _changed_loss(lambda total, _: total + total.detach().cpu().to(total.device).sum())
    },
    "a constant made on the host": {
        "around": _changed_loss(lambda total, _: total + torch.tensor([1.0], device="cuda").sum())
    },
    "a copy from pageable memory": {
        "around": lambda: mock.patch("loaders.transfer.pinned", lambda values, _: values),
        "pixels_on": "cpu",
    },
    "pageable rows of operations": {"around": lambda: mock.patch("loaders.transfer.pinned", lambda values, _: values)},
    "a rate that is a Python number": {"setup": _python_rate},
}


def attempt(run: Callable[[], dict]) -> dict:
    """Return what a run found, or its error."""
    try:
        return run()
    except Exception as error:
        launches.forget()
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}


def main() -> None:
    """Run everything and print it."""
    warnings.simplefilter("ignore")
    found: dict = {"steps": {}, "evaluation": {}, "mutants": {}}
    for dtype, pixels_on, most_skipped in itertools.product(
        (torch.float32, torch.bfloat16, torch.float16), ("cuda", "cpu"), (0, 5)
    ):
        name = f"{str(dtype).removeprefix('torch.')}, pixels on {pixels_on}, {most_skipped} skipped"
        found["steps"][name] = attempt(
            lambda: steps(dtype=dtype, pixels_on=pixels_on, most_skipped=most_skipped)  # noqa: B023
        )
    found["steps"]["labelled only"] = attempt(lambda: steps(mu=0))
    found["steps"]["resnet18"] = attempt(lambda: steps(backbone="resnet18"))
    found["steps"]["short run"] = attempt(lambda: steps(separate_strong=True, ramp_up=True, most_skipped=5))
    for pixels_on in ("cuda", "cpu"):
        found["evaluation"][pixels_on] = attempt(lambda: evaluation(pixels_on))  # noqa: B023
    for name, changes in MUTANTS.items():
        found["mutants"][name] = attempt(lambda: steps(**changes))  # noqa: B023
    found["budgets"] = attempt(lambda: launches.table(NETWORKS))
    json.dump(found, sys.stdout)
    fake_cuda.leave(0)


if __name__ == "__main__":
    main()
