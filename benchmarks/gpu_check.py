"""Check a CUDA machine and decide on its defaults: the GPU tests, then five networks, eager, captured, compiled, and both.

`make gpu-check PYTHON=python3.12` needs no network and less than eight minutes. Every variant is a process of its own with a
time limit, so that a crash loses one row only. It writes benchmarks/results/gpu_check_<GPU>.json with the floors beside the
measurements, prints a table and the flags to set. Without CUDA it says so and exits with 2.
"""

import importlib.util
import json
import re
import subprocess
import sys
import time
from typing import Any

import torch

from benchmarks.parts.networks import FLOORS_MS, LOSS_STEPS, NETWORKS
from benchmarks.parts.results_file import write_results

MINUTES = 7.5
_TEST_SECONDS, _VARIANT_SECONDS = 120, 60
# Listed by name: other test files import packages that a machine without network may lack.
_GPU_TESTS = ("tests/programs/test_gpu.py", "tests/utils/processes/test_memory.py")
VARIANTS = {
    "eager": [],
    "graph": ["--graph"],
    "compiled": ["--compiled"],
    "graph + compiled": ["--graph", "--compiled"],
}
# What a training on generated images imports besides torch.
_NEEDED = ("numpy", "torchvision", "PIL", "tqdm", "jaxtyping")
_ROUNDS = [["eager", "graph"], ["graph + compiled"], ["compiled"]]
FLAGS = {
    "eager": "neither --cuda-graph nor --compile",
    "graph": "--cuda-graph",
    "compiled": "--compile",
    "graph + compiled": "--cuda-graph --compile",
}
# A variant must gain this much over a simpler one to become the default.
_WORTHWHILE = 1.03
# Relative differences between the GPU's losses and the CPU's, over the first and over all of the steps.
LOSS_BOUNDS = {"float32": (1e-3, 0.05), "bfloat16": (0.05, 0.15)}
_FIRST = 4


def main() -> int:
    """Run tests and measurements; returns the exit code."""
    if not torch.cuda.is_available():
        print(
            "error: no CUDA GPU is visible to PyTorch: run this on a machine with one (check nvidia-smi)",
            file=sys.stderr,
        )
        return 2
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        print(
            f"error: {sys.executable} lacks {', '.join(missing)}: copy the wheels there and install them with pip --no-index",
            file=sys.stderr,
        )
        return 2
    until = time.monotonic() + 60 * MINUTES
    figures: dict[str, Any] = {"gpu_tests": run_gpu_tests()}
    figures["losses"] = compare_losses(until)
    figures["networks"] = compare_variants(until)
    figures["defaults"] = defaults(figures)
    print(show(figures))
    name = re.sub(r"\W+", "_", torch.cuda.get_device_name(0)).strip("_").lower()
    print(write_results(f"gpu_check_{name}", figures, command="make gpu-check"))
    return 0 if is_fine(figures) else 1


def run_gpu_tests() -> str:
    """Run the tests that need a GPU, where pytest is there."""
    if importlib.util.find_spec("pytest") is None:
        print("pytest is not installed here: the GPU tests are skipped")
        return "pytest is not installed"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", *_GPU_TESTS]
    try:
        done = subprocess.run(command, check=False, timeout=_TEST_SECONDS)
    except subprocess.TimeoutExpired:
        return f"not finished after {_TEST_SECONDS} s"
    return "passed" if done.returncode == 0 else f"pytest ended with {done.returncode}"


def run_variant(*arguments: str, until: float) -> dict[str, Any]:
    """Run `gpu_variant` in a process of its own; a crash, or no end by `until` (monotonic seconds), becomes an `error`."""
    limit = min(_VARIANT_SECONDS, until - time.monotonic())
    if limit < 5:
        return {"error": "skipped: no time was left"}
    command = [sys.executable, "-m", "benchmarks.parts.gpu_variant", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"error": f"not finished after {limit:.0f} s"}
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"error": (done.stderr.splitlines() or [f"ended with {done.returncode}"])[-1][:200]}
    return json.loads(lines[-1])


def compare_losses(until: float) -> dict[str, Any]:
    """Compare a small network's first losses on the GPU, each way, with the CPU's, from the same weights and views."""
    found: dict[str, Any] = {}
    for dtype, bounds in LOSS_BOUNDS.items():
        cpu = run_variant("--losses", "--device", "cpu", "--dtype", dtype, until=until)
        found[dtype] = {"cpu": cpu}
        for name in ("eager", "graph", "graph + compiled"):
            gpu = run_variant("--losses", "--dtype", dtype, *VARIANTS[name], until=until)
            found[dtype][name] = {**gpu, **judge_losses(gpu.get("losses"), cpu.get("losses"), bounds)}
            print(f"losses in {dtype}, {name}: {found[dtype][name].get('verdict', gpu.get('error'))}")
    return found


def judge_losses(gpu: list[float] | None, cpu: list[float] | None, bounds: tuple[float, float]) -> dict[str, Any]:
    """Compare losses with the CPU's: closely over the first steps, loosely over all, since rounding grows with training."""
    if gpu is None or cpu is None:
        return {}
    differences = [abs(one - two) / max(abs(two), 1e-9) for one, two in zip(gpu, cpu, strict=True)]
    first, every = max(differences[:_FIRST]), sum(differences) / len(differences)
    fits = first <= bounds[0] and every <= bounds[1]  # also false for NaN
    return {"first": first, "mean": every, "verdict": "as the CPU's" if fits else "NOT as the CPU's"}


def compare_variants(until: float) -> dict[str, Any]:
    """Measure every network every way, in bfloat16.

    What needs no compilation comes first: should time run out, the rows that are skipped are those that matter least.
    """
    found: dict[str, Any] = {}
    for network, (floor, extraordinary) in FLOORS_MS.items():
        found[network] = {"floor_ms": {"h100": floor, "extraordinary": extraordinary}}
    for ways in _ROUNDS:
        for network in NETWORKS:
            for name in ways:
                row = run_variant("--network", network, *VARIANTS[name], until=until)
                found[network][name] = row
                print(f"{network}, {name}: {row.get('ms_per_step', row.get('error'))}", flush=True)
    return found


def defaults(figures: dict[str, Any]) -> dict[str, str]:
    """Choose, per network, the fastest way that computes what the CPU does; a simpler one unless another clearly gains."""
    found = {}
    for network, rows in figures["networks"].items():
        best = None
        for name in VARIANTS:
            milliseconds = rows[name].get("ms_per_step")
            if milliseconds is None or not _is_right(name, figures["losses"]):
                continue
            if best is None or rows[best]["ms_per_step"] > _WORTHWHILE * milliseconds:
                best = name
        found[network] = FLAGS[best] if best else "nothing ran to its end with the CPU's losses"
    return found


def _is_right(name: str, losses: dict[str, Any]) -> bool:
    """Say whether no comparison of this way with the CPU went wrong; what compiles is judged with the graph."""
    tried = "graph + compiled" if "compiled" in name else name
    return all(rows[tried].get("verdict") == "as the CPU's" for rows in losses.values())


def is_fine(figures: dict[str, Any]) -> bool:
    """Say whether tests passed and eager steps ran everywhere and computed what the CPU computes."""
    return (
        figures["gpu_tests"] in ("passed", "pytest is not installed")
        and all("error" not in rows["eager"] for rows in figures["networks"].values())
        and _is_right("eager", figures["losses"])
    )


def show(figures: dict[str, Any]) -> str:
    """Return the measurements as a table, and which flags to set."""
    lines = [f"{'':<24}{'':<18}{'ms/step':>9}{'floor':>8}{'launches':>10}{'busy':>7}{'data':>7}{'MiB':>9}"]
    for network, rows in figures["networks"].items():
        for name in VARIANTS:
            row = rows[name]
            if "error" in row:
                lines.append(f"{network:<24}{name:<18}{row['error']}")
                continue
            lines.append(
                f"{network:<24}{name:<18}{row['ms_per_step']:>9.2f}{rows['floor_ms']['h100']:>8.1f}"
                f"{row['launches_per_step']:>10.0f}{row['gpu_busy_share']:>7.0%}{row['share_waiting_for_data']:>7.0%}"
                f"{row['peak_memory_mib']:>9.0f}"
            )
    lines.append(f"losses over {LOSS_STEPS} steps beside the CPU's:")
    for dtype, ways in figures["losses"].items():
        lines += [
            f"  {dtype}, {name}: {row.get('verdict', row.get('error'))}" for name, row in ways.items() if name != "cpu"
        ]
    lines.append("defaults to set:")
    lines += [f"  {network}: {flags}" for network, flags in figures["defaults"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
