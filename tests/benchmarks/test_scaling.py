"""The model of a step's time says what docs/several_machines.md says."""

from benchmarks.scaling import LINKS, PROCESSES, WORKLOADS, step_seconds, table
from tests.support.project import ROOT


def test_the_documented_table_is_the_models():
    text = (ROOT / "docs" / "several_machines.md").read_text(encoding="utf-8")
    assert "\n".join(table()) in text


def test_what_limits_a_step():
    small, large = WORKLOADS[0], WORKLOADS[-1]
    nvlink = [step_seconds(small, count, "NVLink", size=10**7) for count in PROCESSES]
    assert nvlink[1] == nvlink[-1] < nvlink[0]  # the host, from two GPUs on
    halves = [step_seconds(large, count, "NVLink", size=10**8) for count in (1, 2, 4)]
    assert halves[0] == 2 * halves[1] == 4 * halves[2]  # the GPU
    slow = [step_seconds(small, count, "10 Gb/s network", size=10**7) for count in PROCESSES]
    assert slow == sorted(slow)  # the network
    layers = step_seconds(small, 2, "NVLink", size=10**7, synchronised_layers=25)
    assert layers > step_seconds(small, 2, "NVLink", size=10**7)
    assert step_seconds(small, 1, "NVLink", size=10**7, synchronised_layers=25) == nvlink[0]
    assert set(LINKS) == {"NVLink", "100 Gb/s network", "10 Gb/s network"}
