"""Count what a training step asks of a GPU, on a machine without one: `python -m benchmarks.launches`.

Prints, for five networks, kernel launches and bytes by phase, of a step in bfloat16 without compilation and without a CUDA
graph. Batch normalisation and convolutions count as the kernels that cuDNN and PyTorch make of them (`fake_cuda`).
"""

import argparse
import contextlib
import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.parts import fake_cuda, workload
from benchmarks.parts.fake_cuda import Recorder
from benchmarks.parts.networks import BATCH, NETWORKS
from loaders import batches as batches_module
from loaders.pixels.store import PixelStore
from loaders.views import augment, warp
from loaders.views.plan import BatchShape, draw_epoch
from loaders.views.sorted_rows import sort_rows
from models.step.tally import Tally
from models.trainer import Trainer

BUDGETS = Path(__file__).parent / "results" / "launch_budgets.json"
# How many are run. The last one is counted, since by then everything made only once exists. Batches are made one ahead.
STEPS = 4
IMAGES = 60


def count_step(recorder: Recorder, **settings: Any) -> None:
    """Run `STEPS` steps on fake tensors and leave in `recorder` what the last one asked for; settings as `build_workload`'s."""
    settings = {"batch": BATCH, "images": IMAGES, "dtype": torch.bfloat16, **settings, "steps": STEPS + 1}
    with prepared(settings), watched(recorder):
        work = workload.build_workload("cuda", **settings)
        _KEPT.append(work)
        with recorder.during("rest"):
            for step, batch in enumerate(itertools.islice(work.batches(), STEPS)):
                work.trainer.train_step(batch.images, batch.labels, step=step)
                if step == STEPS - 2:
                    recorder.begin()


# torch 2.14 may crash some time after a training on fake tensors is freed.
_KEPT: list[Any] = []


@contextlib.contextmanager
def prepared(settings: dict[str, Any]) -> Iterator[None]:
    """Make for real what depends on values, since fake tensors have none: images, taps, the plan's sorted rows, groups."""
    size, mu, count = settings.get("size", 32), settings.get("mu", 3), settings["images"]
    with _real():
        store = workload.generated_store(count, size)
        for op in warp.WARPS:
            for negative in (False, True):
                warp._taps(op, negative, size, size)
        shape = BatchShape(steps=STEPS + 1, labelled=settings["batch"], unlabelled=mu * settings["batch"])
        num_labelled = count // 10
        plan = draw_epoch(seed=1, epoch=0, num_labelled=num_labelled, num_unlabelled=count - num_labelled, shape=shape)
        rows = iter([sort_rows(plan.step(step).augment, size, size) for step in range(STEPS + 1)])
    classes = settings.get("classes", 100)
    groups = torch.zeros(classes, max(1, classes * 9 // 10), dtype=torch.int64)
    with (
        mock.patch.object(workload, "generated_store", return_value=store),
        mock.patch("models.label_guessor.F.one_hot", return_value=groups),
        mock.patch.object(augment, "sort_rows", side_effect=rows),
        # A thread of its own would leave the fake mode, which is the thread's.
        mock.patch.object(batches_module, "_ahead_where_it_helps", lambda items, *_: items),
    ):
        yield


@contextlib.contextmanager
def _real() -> Iterator[None]:
    """Compute with real tensors, inside the fake mode too."""
    with torch.utils._python_dispatch._disable_current_modes():
        yield


@contextlib.contextmanager
def watched(recorder: Recorder) -> Iterator[None]:
    """Count each phase of a step separately."""
    phases = [
        (PixelStore, "crops", "crops"),
        (batches_module, "strong_views", "augmentation"),
        (batches_module.Normalise, "__call__", "normalise"),
        (Trainer, "_loss", "loss"),
        (Tensor, "backward", "backward"),
        (Tally, "add", "figures"),
        (torch.optim.SGD, "step", "optimiser"),
        (workload.ModelEma, "update", "average"),
    ]
    with contextlib.ExitStack() as stack:
        for owner, name, phase in phases:
            stack.enter_context(mock.patch.object(owner, name, recorder.watched(phase, getattr(owner, name))))
        stack.enter_context(mock.patch.object(workload, "callable_network", _watched_network(recorder)))
        yield


def _watched_network(recorder: Recorder):
    make = workload.callable_network

    @functools.wraps(make)
    def run(*args: Any, **kwargs: Any) -> nn.Module:
        network = make(*args, **kwargs)
        network.forward = recorder.watched("forward", network.forward)
        return network

    return run


def table(networks: dict[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, int]]]:
    """Return launches and bytes of each network's step, by phase."""
    found = {}
    for name, settings in networks.items():
        with fake_cuda.fake_cuda() as recorder:
            count_step(recorder, **settings)
            if recorder.faults:
                raise RuntimeError(f"{name}: {recorder.faults[0]}")
            found[name] = {
                phase: {"launches": seen.launches, "bytes": seen.bytes}
                for phase, seen in recorder.phases.items()
                if seen.launches
            }
        forget()
    return found


def forget() -> None:
    """Clear what is made once per device: under the fake mode it consists of fake tensors."""
    from loaders.pixels import store
    from loaders.views import augment_sorted

    for cached in (
        warp._all_taps,
        store._along,
        augment_sorted._bank,
        augment_sorted._constants,
        augment_sorted._luma_weights,
    ):
        cached.cache_clear()


def main() -> None:
    """Print the table; with --write, store it as the budgets that a test enforces for every phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=list(NETWORKS), help="only these networks (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help=f"write {BUDGETS.name}")
    values = parser.parse_args()
    found = table({name: NETWORKS[name] for name in values.only or NETWORKS})
    if values.write:
        text = json.dumps(
            {name: {phase: one["launches"] for phase, one in rows.items()} for name, rows in found.items()}, indent=2
        )
        BUDGETS.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(found) if values.json else show(found))
    fake_cuda.leave(0)


def show(found: dict[str, dict[str, dict[str, int]]]) -> str:
    """Return the table as text: launches, and MB that are read and written, by phase."""
    phases = list(dict.fromkeys(phase for rows in found.values() for phase in rows))
    lines = []
    for name, rows in found.items():
        lines += [f"{name}, B={BATCH}", f"  {'phase':<14}{'launches':>10}{'MB':>12}"]
        for phase in phases:
            if one := rows.get(phase):
                lines.append(f"  {phase:<14}{one['launches']:>10}{one['bytes'] / 1e6:>12.1f}")
        total = {what: sum(one[what] for one in rows.values()) for what in ("launches", "bytes")}
        lines.append(f"  {'sum':<14}{total['launches']:>10}{total['bytes'] / 1e6:>12.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
