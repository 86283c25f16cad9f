"""Measure this machine: `make bench`, or `python -m benchmarks.bench --only views end_to_end`.

Both sides of every comparison run in turn in one process; medians are reported. Writes benchmarks/results/bench_<device>.json.
"""

import argparse
import os
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.parts import bench_startup, bench_training, bench_views
from benchmarks.parts.results_file import write_results
from models.step.precision import choose_dtype

_DATASET_SIZES = [1_000, 10_000, 100_000, 1_000_000]


def sections(device: str, dtype: torch.dtype, repetitions: int) -> dict[str, Callable[[], Any]]:
    """Return what can be measured, by name."""
    return {
        "views": lambda: bench_views.views_per_second(repetitions=repetitions),
        "end_to_end": lambda: bench_training.end_to_end(device, dtype, repetitions=repetitions),
        "shares": lambda: bench_training.shares(device, dtype, steps=4 * repetitions),
        "growth": lambda: bench_training.growth(device, dtype, repetitions=repetitions),
        "evaluation": lambda: bench_training.evaluation(device, dtype, repetitions=repetitions),
        "startup": lambda: bench_startup.startup(60_000),
        "index_growth": lambda: bench_startup.index_growth(_DATASET_SIZES),
    }


def main() -> None:
    """Measure; print the figures and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="only these sections (default: all)")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), help="number format (default: chosen by the machine)"
    )
    values = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, values.dtype) if values.dtype else choose_dtype(torch.device(device), "auto")
    known = sections(device, dtype, values.repetitions)
    if unknown := set(values.only or ()) - set(known):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    figures: dict[str, Any] = {"device": device, "number_format": str(dtype), "load_before": os.getloadavg()[0]}
    print(f"computing in {dtype} on {device}, {torch.get_num_threads()} threads; load {figures['load_before']:.1f}")
    for name in values.only or known:
        figures[name] = known[name]()
        show(name, figures[name])
    name = f"bench_{device}" + ("_" + "_".join(values.only) if values.only else "")
    print(write_results(name, figures))


def show(title: str, content: Any, depth: int = 0) -> None:
    """Print nested figures as an indented table."""
    if not isinstance(content, dict):
        print("  " * depth + f"{title:<{46 - 2 * depth}} {content}")
        return
    print("  " * depth + str(title))
    for name, value in content.items():
        show(name, value, depth + 1)


if __name__ == "__main__":
    main()
