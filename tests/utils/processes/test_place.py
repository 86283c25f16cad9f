"""A process's place among others, by the words of torchrun, of the launcher, or of a user."""

import pytest

from utils.errors import SemcoError
from utils.processes.place import read_place

_GOOD = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
_TORCHRUN = {
    **_GOOD,
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "1",
    "GROUP_WORLD_SIZE": "2",
}
_TASKS = {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_ID": "0", "SLURM_LOCALID": "0"}


def test_by_hand():
    place = read_place(_GOOD)
    assert (place.rank, place.size, place.local_rank, place.local_size, place.port) == (3, 4, 1, 4, 29500)
    assert (place.starter, place.machine, place.console, place.hosts_store) == ("hand", "2", "all", False)
    assert read_place({**_GOOD, "RANK": "0", "LOCAL_RANK": "0"}).hosts_store


def test_under_torchrun():
    place = read_place(_TORCHRUN)
    assert (place.starter, place.machine, place.local_size, place.has_agent_store) == ("torchrun", "1", 2, True)
    assert place.console == "1"
    assert not read_place({**_TORCHRUN, "RANK": "0"}).hosts_store
    assert read_place({**_TORCHRUN, "RANK": "0", "TORCHELASTIC_USE_AGENT_STORE": "False"}).hosts_store


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1"}, {"RANK": "7"}])
def test_a_process_alone(environment):
    assert read_place(environment) is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WORLD_SIZE", "0", "WORLD_SIZE is '0' in the environment: expected a number from 1"),
        ("WORLD_SIZE", "two", "WORLD_SIZE is 'two'"),
        ("RANK", "4", "RANK is 4 in the environment, but WORLD_SIZE is 4: expected 0 to 3"),
        ("RANK", "-1", "RANK is '-1'"),
        ("RANK", "\u0661", "RANK is '\u0661'"),
        ("RANK", "9" * 5000, "expected a number from 0"),
        ("LOCAL_RANK", "", "LOCAL_RANK is ''"),
        ("LOCAL_WORLD_SIZE", "none", "LOCAL_WORLD_SIZE is 'none'"),
        ("MASTER_PORT", "70000", "MASTER_PORT is '70000'.*to 65535"),
        ("MASTER_PORT", "http", "MASTER_PORT is 'http'"),
        ("MASTER_ADDR", None, "but not MASTER_ADDR: start the program with torchrun"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(name, value, words):
    environment = {key: text for key, text in {**_GOOD, name: value}.items() if text is not None}
    with pytest.raises(SemcoError, match=words):
        read_place(environment)


def test_torchrun_as_srun_started_it_on_each_machine():
    assert read_place({**_TORCHRUN, **_TASKS}).starter == "torchrun"
    alone = {**_TORCHRUN, "WORLD_SIZE": "1", "GROUP_WORLD_SIZE": "1", **_TASKS, "SLURM_STEP_NUM_TASKS": "1"}
    assert read_place(alone) is None


@pytest.mark.parametrize("size", ["1", "8"])
def test_torchruns_that_do_not_know_each_other(size):
    """Otherwise `srun -n 8 torchrun` with 8 GPUs would be 8 runs of 8 processes each, or of one."""
    environment = {**_TORCHRUN, **_TASKS, "SLURM_STEP_NUM_TASKS": "8", "GROUP_WORLD_SIZE": "1", "WORLD_SIZE": size}
    with pytest.raises(SemcoError, match="srun started torchrun 8 times, but this torchrun knows 1 of them.*--nnodes="):
        read_place(environment)
