"""Measure one way to train on the GPU and print it as JSON: a process of its own, which gpu_check starts with a time limit."""

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.parts.networks import BATCH, LOSS_STEPS, NETWORKS
from benchmarks.parts.workload import Workload, build_workload, losses_of

# Steps between two looks at the clock: a single one cannot be timed without waiting in each.
GROUP = 10
_LOSS_SETTINGS = {"batch": 16, "mu": 3, "steps": LOSS_STEPS, "width": 1, "depth": 16, "images": 400}


def measure(work: Workload, device: torch.device, *, groups: int) -> dict[str, float]:
    """Time steps as a run makes them, and with one batch again and again, of which the difference is waiting for data."""
    whole = _milliseconds(work, work.batches(), device, groups)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    kept = next(iter(work.batches()))
    alone = _milliseconds(work, (kept for _ in range(GROUP * (groups + 1))), device, groups)
    return {
        "ms_per_step": round(whole, 3),
        "ms_per_step_without_data": round(alone, 3),
        "share_waiting_for_data": round(max(0.0, 1 - alone / whole), 4),
        "images_per_second": round(1000 * len(kept.images) / whole, 1),
        "peak_memory_mib": round(peak / 2**20, 1),
        **profile(work, device),
    }


def _milliseconds(work: Workload, batches: Iterator, device: torch.device, groups: int) -> float:
    """Return the median over groups of steps; the first group, which warms up, compiles and captures, is not counted."""
    times = []
    for number, batch in zip(range(GROUP * (groups + 1)), batches, strict=False):
        if number % GROUP == 0:
            _wait(device)
            times.append(time.perf_counter())
        work.trainer.train_step(batch.images, batch.labels, step=number)
    _wait(device)
    times.append(time.perf_counter())
    return 1000 / GROUP * statistics.median(after - before for before, after in itertools.pairwise(times[1:]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def profile(work: Workload, device: torch.device, *, steps: int = 5) -> dict[str, float]:
    """Count what the host launches and how long the GPU is busy, per step, with torch's profiler."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    _wait(device)
    with torch.profiler.profile(activities=activities) as profiler:
        start = time.perf_counter()
        for step, batch in zip(range(steps), work.batches(), strict=False):
            work.trainer.train_step(batch.images, batch.labels, step=step)
        _wait(device)
        elapsed = time.perf_counter() - start
    events = profiler.events()
    launches = sum(
        event.name
        in ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx", "cudaGraphLaunch")
        for event in events
    )
    on_gpu = [event.time_range for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
    return {
        "launches_per_step": round(launches / steps, 1),
        "gpu_operations_per_step": round(len(on_gpu) / steps, 1),
        "gpu_busy_share": round(busy([(one.start, one.end) for one in on_gpu]) / 1e6 / elapsed, 4),
    }


def busy(spans: list[tuple[float, float]]) -> float:
    """Return the length of the union of spans (start, end): streams overlap."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def main() -> int:
    """Measure, or train for the losses, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=list(NETWORKS))
    parser.add_argument("--losses", action="store_true", help="train a small network instead, and print its losses")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--graph", action="store_true")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--groups", type=int, default=6)
    parser.add_argument("--batch", type=int, default=BATCH)
    values = parser.parse_args()
    device, dtype = torch.device(values.device), getattr(torch, values.dtype)
    how = {"dtype": dtype, "graph": values.graph, "compiled": values.compiled}
    found: dict[str, Any]
    if values.losses:
        # In float32 on both sides, not TF32: the losses are to be compared.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        found = {"losses": losses_of(build_workload(values.device, **how, **_LOSS_SETTINGS))}
    else:
        steps = GROUP * (values.groups + 1)
        settings = {"batch": values.batch, "steps": steps, "images": 2000, **NETWORKS[values.network]}
        found = measure(build_workload(values.device, **how, **settings), device, groups=values.groups)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
