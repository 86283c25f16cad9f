"""srun's environment, as its tasks see it on 1 machine of 8 GPUs, 2 of 4 and 8 of 1."""

import pytest

from utils.errors import SemcoError
from utils.processes.place import read_place
from utils.processes.slurm import first_host
from utils.processes.world import choose_gpu


def tasks(machines: int, each: int, **more: str) -> list[dict[str, str]]:
    """What srun writes for every task of `srun --nodes=M --ntasks-per-node=N`, in a batch job of another shape."""
    names = f"gpu[07-{6 + machines:02d}]" if machines > 1 else "gpu07"
    step = {
        "SLURM_JOB_ID": "4242", "SLURM_STEP_ID": "1", "SLURM_STEPID": "1", "SLURM_JOB_NODELIST": "cpu01," + names,
        "SLURM_STEP_NODELIST": names, "SLURM_NTASKS": "99", "SLURM_STEP_NUM_TASKS": str(machines * each),
        "SLURM_STEP_TASKS_PER_NODE": f"{each}(x{machines})" if machines > 1 else str(each),
        "SLURM_TASKS_PER_NODE": "99", "SLURM_STEP_NUM_NODES": str(machines), "ENVIRONMENT": "BATCH", **more,
    }  # fmt: skip
    return [
        {**step, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank % each), "SLURM_NODEID": str(rank // each)}
        for rank in range(machines * each)
    ]


@pytest.mark.parametrize(("machines", "each"), [(1, 8), (2, 4), (8, 1)])
def test_the_tasks_of_a_step_are_one_run(machines, each):
    places = [read_place(environment) for environment in tasks(machines, each)]
    assert [place.rank for place in places] == list(range(8))
    assert {place.size for place in places} == {8}
    assert {place.local_size for place in places} == {each}
    assert [place.local_rank for place in places] == list(range(each)) * machines
    assert [place.machine for place in places] == [str(rank // each) for rank in range(8)]
    assert {(place.starter, place.address, place.console) for place in places} == {("srun", "gpu07", "all")}
    assert len({place.port for place in places}) == 1
    assert 12_000 <= places[0].port < 32_000
    other = read_place(tasks(machines, each, SLURM_JOB_ID="4243")[0])
    assert other.port != places[0].port


def test_what_a_user_sets_is_kept():
    environment = tasks(2, 4, MASTER_ADDR="10.0.0.1", MASTER_PORT="5000", WORLD_SIZE="8")[5]
    place = read_place(environment)
    assert (place.rank, place.size, place.address, place.port) == (5, 8, "10.0.0.1", 5000)


def test_variables_that_a_simpler_slurm_writes():
    simple = {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1", "SLURM_JOB_NODELIST": "a1,a2"}
    place = read_place(simple)
    assert (place.rank, place.size, place.local_rank, place.local_size, place.address) == (5, 8, 1, 8, "a1")
    assert place.machine == "4"


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "8", "ENVIRONMENT": "BATCH"},  # a batch script
        {"SLURM_NTASKS": "8", "SLURM_JOB_NODELIST": "a[1-2]"},  # salloc's shell
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_STEP_ID": "4294967290"},  # an interactive step
        tasks(1, 1)[0],
    ],
)
def test_a_process_that_is_no_task_among_others_is_alone(environment):
    assert read_place(environment) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SLURM_PROCID": "8"}, "RANK is 8 in the environment, but WORLD_SIZE is 8"),
        ({"SLURM_LOCALID": None}, "SLURM_LOCALID is not in the environment.*srun --nodes=2 --ntasks-per-node=8"),
        ({"WORLD_SIZE": "4"}, "WORLD_SIZE is '4' in the environment, but srun started 8 tasks: unset it"),
        ({"SLURM_STEP_NODELIST": None, "SLURM_JOB_NODELIST": None}, r"MASTER_ADDR=\$\(scontrol show hostnames"),
        ({"SLURM_STEP_NUM_TASKS": "many"}, "WORLD_SIZE is 'many'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_way_out(changes, words):
    environment = {name: text for name, text in {**tasks(2, 4)[1], **changes}.items() if text is not None}
    with pytest.raises(SemcoError, match=words):
        read_place(environment)


@pytest.mark.parametrize(
    ("machines", "first"),
    [
        ("gpu07", "gpu07"),
        ("gpu[07-09,12],login", "gpu07"),
        ("a-1,a-2", "a-1"),
        ("rack[3,5]n[01-02]", "rack3n01"),
        ("10.7.0.[1-2]", "10.7.0.1"),
        ("node[2]", "node2"),
    ],
)
def test_the_first_machine(machines, first):
    assert first_host(machines) == first


def test_each_task_takes_its_own_gpu():
    one_machine, eight = (list(map(read_place, tasks(*shape))) for shape in ((1, 8), (8, 1)))
    assert [choose_gpu(place, visible=8) for place in one_machine] == list(range(8))
    assert [choose_gpu(place, visible=1) for place in one_machine] == [0] * 8  # --gpus-per-task=1
    assert [choose_gpu(place, visible=8) for place in eight] == [0] * 8
    with pytest.raises(SemcoError, match="LOCAL_RANK is 4 in the environment, but 4 GPUs are visible"):
        choose_gpu(one_machine[4], visible=4)
