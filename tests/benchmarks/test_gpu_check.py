"""The check of a CUDA machine, as far as a CPU can tell: processes, limits, verdicts, table."""

import json
import subprocess
import sys
import time

import pytest

from benchmarks import gpu_check
from benchmarks.parts import gpu_variant
from benchmarks.parts.networks import NETWORKS
from tests.support.project import ROOT

ROW = {
    "ms_per_step": 4.0,
    "ms_per_step_without_data": 3.9,
    "share_waiting_for_data": 0.025,
    "launches_per_step": 700.0,
    "gpu_busy_share": 0.9,
    "peak_memory_mib": 900.0,
}
RIGHT = {"verdict": "as the CPU's"}


def _figures(**milliseconds):
    """Return figures in which each way takes so many milliseconds, None: it crashed."""
    names = {"eager": "eager", "graph": "graph", "compiled": "compiled", "both": "graph + compiled"}
    rows = {
        names[name]: {"error": "crashed"} if value is None else {**ROW, "ms_per_step": value}
        for name, value in milliseconds.items()
    }
    return {
        "gpu_tests": "passed",
        "losses": {
            dtype: {"cpu": {}, "eager": RIGHT, "graph": RIGHT, "graph + compiled": RIGHT}
            for dtype in ("float32", "bfloat16")
        },
        "networks": {"WRN-28-2 @32, mu 3": {**rows, "floor_ms": {"h100": 2.3, "extraordinary": 4.0}}},
    }


@pytest.mark.parametrize(
    ("milliseconds", "flags"),
    [
        ({"eager": 6, "graph": 5, "compiled": 4.5, "both": 3.5}, "--cuda-graph --compile"),
        ({"eager": 6, "graph": 5, "compiled": 4.95, "both": 4.9}, "--cuda-graph"),
        ({"eager": 5, "graph": 4.9, "compiled": 5.5, "both": None}, "neither --cuda-graph nor --compile"),
        ({"eager": None, "graph": None, "compiled": 4, "both": None}, "--compile"),
        ({"eager": None, "graph": None, "compiled": None, "both": None}, "nothing ran"),
    ],
)
def test_the_defaults_are_the_fastest_that_gain(milliseconds, flags):
    (found,) = gpu_check.defaults(_figures(**milliseconds)).values()
    assert found.startswith(flags)


def test_what_computes_something_else_is_no_default():
    figures = _figures(eager=6, graph=5, compiled=4, both=3)
    figures["losses"]["bfloat16"]["graph + compiled"] = {"verdict": "NOT as the CPU's"}
    figures["losses"]["float32"]["graph"] = {"error": "crashed"}
    assert gpu_check.defaults(figures) == {"WRN-28-2 @32, mu 3": gpu_check.FLAGS["eager"]}
    assert gpu_check.is_fine(figures)
    figures["losses"]["float32"]["eager"] = {"error": "crashed"}
    assert not gpu_check.is_fine(figures)


def test_the_table_names_what_crashed():
    figures = _figures(eager=6, graph=5, compiled=None, both=3)
    figures["defaults"] = gpu_check.defaults(figures)
    lines = gpu_check.show(figures).splitlines()
    assert any("compiled" in line and line.endswith("crashed") for line in lines)
    assert lines[-1].endswith("--cuda-graph --compile")
    assert any(line.split()[-6:] == ["6.00", "2.3", "700", "90%", "2%", "900"] for line in lines), lines


@pytest.mark.parametrize(
    ("gpu", "verdict"),
    [
        ([1.0] * 10, "as the CPU's"),
        ([1.0] * 4 + [1.1] * 6, "NOT as the CPU's"),
        ([1.01] + [1.0] * 9, "NOT as the CPU's"),
        ([1.0] * 9 + [float("nan")], "NOT as the CPU's"),
    ],
)
def test_losses_are_judged(gpu, verdict):
    assert gpu_check.judge_losses(gpu, [1.0] * 10, gpu_check.LOSS_BOUNDS["float32"])["verdict"] == verdict


def test_nothing_to_judge_without_losses():
    assert gpu_check.judge_losses(None, [1.0], (1, 1)) == {}


def test_a_variant_that_crashes_costs_its_row_only(monkeypatch):
    soon = time.monotonic() + 60
    wrong = gpu_check.run_variant("--network", "no such", until=soon)
    assert "invalid choice" in wrong["error"]
    assert gpu_check.run_variant(until=time.monotonic() + 1)["error"] == "skipped: no time was left"

    def slow(*_, timeout, **__):
        raise subprocess.TimeoutExpired("variant", timeout)

    monkeypatch.setattr(subprocess, "run", slow)
    assert gpu_check.run_variant(until=soon)["error"].startswith("not finished after")


def test_a_variant_measures_on_a_cpu_too():
    """The very process that gpu_check starts, on the device that every machine has."""
    command = [sys.executable, "-m", "benchmarks.parts.gpu_variant", "--device", "cpu", "--dtype", "float32"]
    network = ["--network", "WRN-28-2 @32, mu 3", "--batch", "1", "--groups", "1"]
    done = subprocess.run([*command, *network], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(ROW) - {"ms_per_step"} <= found.keys()
    assert found["ms_per_step"] > 0
    assert found["launches_per_step"] == found["gpu_busy_share"] == 0


def test_overlapping_kernels_are_busy_once():
    assert gpu_variant.busy([]) == 0
    assert gpu_variant.busy([(5, 9), (0, 2), (1, 4), (6, 7)]) == 8


def test_every_network_has_a_floor_and_every_way_is_measured(monkeypatch):
    assert gpu_check.FLOORS_MS.keys() == NETWORKS.keys()
    monkeypatch.setattr(gpu_check, "run_variant", lambda *arguments, until: {"ms_per_step": len(arguments)})
    found = gpu_check.compare_variants(0.0)
    assert found.keys() == NETWORKS.keys()
    assert all(rows.keys() == {"floor_ms", *gpu_check.VARIANTS} for rows in found.values())
    losses = gpu_check.compare_losses(0.0)
    assert {name for rows in losses.values() for name in rows} == {"cpu", "eager", "graph", "graph + compiled"}


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(gpu_check.torch.cuda, "is_available", lambda: False)
    assert gpu_check.main() == 2
    assert "no CUDA GPU" in capsys.readouterr().err


def test_a_missing_package_is_named(monkeypatch, capsys):
    monkeypatch.setattr(gpu_check.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu_check.importlib.util, "find_spec", lambda name: None if name == "jaxtyping" else name)
    assert gpu_check.main() == 2
    assert "lacks jaxtyping: copy the wheels" in capsys.readouterr().err


def test_what_is_needed_is_checked():
    """The other requirements may be missing: none of them costs a row."""
    others = ["pandas", "sklearn", "scipy", "rapidfuzz", "matplotlib", "tensorboard", "jinja2"]
    code = f"import sys; sys.modules.update(dict.fromkeys({others})); import benchmarks.parts.gpu_variant, benchmarks.gpu_check"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
