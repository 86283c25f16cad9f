"""What a GPU would be asked to do, without one: tensors that say they are on `cuda:0` and hold no memory.

They show operations on two devices, synchronisations with the device, copies from memory that is not pinned, and the number of
kernels. They do not show numbers: tests/programs/test_gpu.py does, where there is a GPU.
"""

import json
import subprocess
import sys

import pytest
import torch

from benchmarks.launches import BUDGETS, show
from benchmarks.parts.networks import NETWORKS
from tests.support.project import ROOT

pytestmark = [
    pytest.mark.skipif(torch.version.cuda is None, reason="this PyTorch is built without CUDA"),
    # Older ones (2.6 was tried) ask the driver even for fake tensors, and the budgets count the kernels of this one.
    pytest.mark.skipif(torch.__version__ < (2, 14), reason="fake tensors on a GPU that is not there need PyTorch 2.14"),
]
FORMATS = ("float32", "bfloat16", "float16")
STEPS = [
    f"{dtype}, pixels on {place}, {most} skipped" for dtype in FORMATS for place in ("cuda", "cpu") for most in (0, 5)
]
STEPS += ["labelled only", "resnet18", "short run"]
# What each mutant must be caught by.
MUTANTS = {
    "a CPU number in the step": "mul mixes devices",
    "a CPU tensor in the step": "same device",
    "item": "synchronises with the device",
    "float of the loss": "synchronises with the device",
    "a decision by a value": "synchronises with the device",
    "rows chosen by a mask": "DynamicOutputShape",
    "nonzero": "DynamicOutputShape",
    "a copy to the CPU": "a copy to the CPU synchronises",
    "a constant made on the host": "a blocking copy to the device",
    "a copy from pageable memory": "not pinned",
    "pageable rows of operations": "not pinned",
    "a rate that is a Python number": "_fused_sgd_",
}


@pytest.fixture(scope="module")
def found():
    """Everything, from one process of its own: torch may crash after fake trainings are freed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fake_cuda_run"], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_neither_mixes_devices_nor_synchronises(found, name):
    step = found["steps"][name]
    assert "error" not in step, step["traceback"]
    assert step["faults"] == []
    assert step["images"] == ["cuda", "torch.float32"]
    assert step["channels_last"]
    assert {"forward", "loss", "backward", "optimiser", "average", "figures", "normalise"} <= step["launches"].keys()


@pytest.mark.parametrize("name", STEPS)
def test_a_step_can_be_captured(found, name):
    """A CUDA graph repeats the numbers that the host gave to kernels: they must be the same in every step."""
    assert found["steps"][name]["kernels"] > 100
    assert found["steps"][name]["other_numbers"] == []


def test_skipping_costs_a_few_kernels(found):
    with_guard, without = (found["steps"][f"bfloat16, pixels on cuda, {most} skipped"]["kernels"] for most in (5, 0))
    assert 0 < with_guard - without < 25


@pytest.mark.parametrize("pixels_on", ["cuda", "cpu"])
def test_evaluation_synchronises_once_at_its_end(found, pixels_on):
    evaluation = found["evaluation"][pixels_on]
    assert "error" not in evaluation, evaluation["traceback"]
    assert evaluation["batches"] == 3
    assert evaluation["faults"] == []


@pytest.mark.parametrize(("name", "caught_by"), MUTANTS.items())
def test_a_mutant_is_caught(found, name, caught_by):
    mutant = found["mutants"][name]
    seen = [mutant.get("error", ""), *mutant.get("faults", ()), *mutant.get("other_numbers", ())]
    assert any(caught_by in one for one in seen), seen


def test_every_mutant_is_tried(found):
    assert found["mutants"].keys() == MUTANTS.keys()
    assert list(found["steps"]) == STEPS


@pytest.mark.parametrize("network", NETWORKS)
def test_each_phase_keeps_to_its_budget(found, network):
    """A change that adds launches slows the steps of small networks by as much; `benchmarks.launches --write` renews these."""
    budget, rows = json.loads(BUDGETS.read_text())[network], found["budgets"][network]
    assert rows.keys() == budget.keys()
    assert {phase: one["launches"] for phase, one in rows.items() if one["launches"] > budget[phase]} == {}


def test_a_small_networks_step_takes_at_most_700_launches(found):
    for mu in (3, 7):
        assert sum(one["launches"] for one in found["budgets"][f"WRN-28-2 @32, mu {mu}"].values()) <= 700


def test_augmentation_reads_each_image_for_its_own_operations(found):
    """Every image through every operation would move 4,058 MB in the same step."""
    assert found["budgets"]["ResNet-18 @84, mu 3"]["augmentation"]["bytes"] < 4_058e6 / 4


def test_the_table_is_shown(found):
    text = show({"WRN-28-2 @32, mu 3": found["budgets"]["WRN-28-2 @32, mu 3"]})
    assert "augmentation" in text
    assert text.splitlines()[-1].split()[0] == "sum"
