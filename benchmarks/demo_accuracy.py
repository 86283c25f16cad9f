"""Claims, n=3 seeds, on the demo's images: SemCo beats supervised training by a clear margin; bfloat16 does it no harm.

`python -m benchmarks.demo_accuracy` trains each variant with each seed on the same split for the same number of steps and
writes benchmarks/results/demo_accuracy_<variant>.json. Needs `make demo-data` to have run. `semco-bfloat16` wants a processor
with bfloat16 instructions; `semco-bfloat16-emulated` rounds as they do, on any, see emulated_bfloat16.py.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from pathlib import Path

import run_semco
from benchmarks.emulated_bfloat16 import EmulatedBfloat16
from benchmarks.results_file import write_results

VARIANTS = {
    "semco": ["--no-amp"],
    "supervised": ["--no-amp", "--lambda-emb", "0", "--lam-u", "0"],
    "fixmatch": ["--no-amp", "--lambda-emb", "0"],
    "semco-bfloat16": ["--amp-dtype", "bfloat16"],
    "semco-bfloat16-emulated": ["--amp-dtype", "bfloat16"],
}
HEADS = ("top1", "top1_emb", "top1_combined")


def train(variant: str, seed: int) -> dict[str, float]:
    """Train once; returns the last epoch's accuracies in percent."""
    emulation = EmulatedBfloat16() if variant.endswith("-emulated") else contextlib.nullcontext()
    with tempfile.TemporaryDirectory() as folder, emulation:
        flags = ["@demo/demo.flags", *VARIANTS[variant], "--seed", str(seed), "--output-dir", folder]
        if code := run_semco.main(flags):
            sys.exit(code)
        summary = next(Path(folder).rglob("summary.json"))
        last = json.loads(summary.read_text(encoding="utf-8"))["last"]
    return {head: last[head] for head in HEADS}


def aggregate(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and sample standard deviation over the runs, per head."""
    columns = {head: [run[head] for run in runs] for head in HEADS}
    return {
        head: {"mean": round(statistics.mean(values), 2), "std": round(statistics.stdev(values), 2)}
        for head, values in columns.items()
    }


def main() -> None:
    """Train all variants with all seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["semco", "supervised", "fixmatch"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    values = parser.parse_args()
    if len(values.seeds) < 2:
        parser.error("--seeds: a standard deviation needs two or more")
    for variant in values.variants:
        runs = {seed: train(variant, seed) for seed in values.seeds}
        figures = {"flags": VARIANTS[variant], "runs": runs, **aggregate(list(runs.values()))}
        seeds = " ".join(map(str, values.seeds))
        command = f"python -m benchmarks.demo_accuracy --variants {variant} --seeds {seeds}"
        path = write_results(f"demo_accuracy_{variant}", figures, command=command)
        print(
            variant,
            *(f"{head} {figures[head]['mean']:.1f} +- {figures[head]['std']:.1f}" for head in HEADS),
            path,
            sep="  ",
        )


if __name__ == "__main__":
    main()
