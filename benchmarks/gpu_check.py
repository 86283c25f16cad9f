"""Check a CUDA machine: the GPU tests, then a short training of WRN-28-2, eager and as a CUDA graph, against the CPU.

`make gpu-check PYTHON=python3.12` needs no network. It writes benchmarks/results/gpu_check_<GPU>.json: GPU, versions,
milliseconds a step, images/s, share of the time that the GPU waits for data, peak memory, and the first losses beside the
CPU's. Without CUDA it says so and exits with 2.
"""

import gc
import importlib.util
import itertools
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.results_file import write_results
from benchmarks.workload import Workload, build_workload, losses_of

BATCH, MU, STEPS, CPU_STEPS = 64, 3, 60, 4
# Named, for other test files import packages that a machine without network may lack.
_GPU_TESTS = ("tests/programs/test_gpu.py", "tests/utils/processes/test_memory.py")


def main() -> int:
    """Run tests and measurements; returns the exit code."""
    if not torch.cuda.is_available():
        print(
            "error: no CUDA GPU is visible to PyTorch: run this on a machine with one (check nvidia-smi)",
            file=sys.stderr,
        )
        return 2
    figures: dict[str, Any] = {"gpu_tests": run_gpu_tests()}
    for name, settings in {
        "bfloat16": {"dtype": torch.bfloat16},
        "bfloat16_graph": {"dtype": torch.bfloat16, "graph": True},
        "float32_with_tf32": {"dtype": torch.float32},
    }.items():
        figures[name] = measure(build_workload("cuda", batch=BATCH, mu=MU, **settings))
        print(name, figures[name])
    figures["losses"] = compare_losses()
    name = re.sub(r"\W+", "_", torch.cuda.get_device_name(0)).strip("_").lower()
    print(write_results(f"gpu_check_{name}", figures, command="make gpu-check"))
    return 0 if figures["gpu_tests"] in ("passed", "pytest is not installed") else 1


def run_gpu_tests() -> str:
    """Run the tests that need a GPU, where pytest is there."""
    if importlib.util.find_spec("pytest") is None:
        print("pytest is not installed here: the GPU tests are left out")
        return "pytest is not installed"
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "gpu", *_GPU_TESTS], check=False)
    return "passed" if done.returncode == 0 else f"pytest ended with {done.returncode}"


def measure(work: Workload) -> dict[str, float]:
    """Time steps of a training: whole, and with the batches at hand, of which the difference is waiting for data."""
    gc.collect()  # trainers are circles of references: the one before may still hold its memory
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    whole = _milliseconds(work, work.batches())
    kept = next(iter(work.batches()))
    alone = _milliseconds(work, (kept for _ in range(STEPS)))
    return {
        "ms_per_step": round(whole, 3),
        "ms_per_step_without_data": round(alone, 3),
        "share_waiting_for_data": round(max(0.0, 1 - alone / whole), 4),
        "images_per_second": round(1000 * len(kept.images) / whole, 1),
        "labelled_images_per_second": round(1000 * BATCH / whole, 1),
        "peak_memory_mib": round(torch.cuda.max_memory_allocated() / 2**20, 1),
    }


def _milliseconds(work: Workload, batches: Iterator) -> float:
    """Median over groups of ten steps, the first group not counted. Single steps cannot be timed without waiting in each."""
    times = []
    for number, batch in enumerate(batches):
        if number % 10 == 0:
            torch.cuda.synchronize()
            times.append(time.perf_counter())
        work.trainer.train_step(batch.images, batch.labels, step=number)
    torch.cuda.synchronize()
    times.append(time.perf_counter())
    return 100 * statistics.median(after - before for before, after in itertools.pairwise(times[1:]))


def compare_losses() -> dict[str, list[float]]:
    """The first losses in float32 on the CPU and on the GPU, eager and captured, from the same weights and views."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    settings = {"batch": 16, "mu": MU, "dtype": torch.float32, "steps": CPU_STEPS + 4}
    return {
        "cpu": losses_of(build_workload("cpu", **settings))[:CPU_STEPS],
        "gpu": losses_of(build_workload("cuda", **settings)),
        "gpu_graph": losses_of(build_workload("cuda", graph=True, **settings)),
    }


if __name__ == "__main__":
    sys.exit(main())
