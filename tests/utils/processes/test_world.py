"""Several processes train one network: what is equal in all of them, what one of them writes, how they end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist

import run_semco
from tests.support.project import ROOT
from tests.support.run_equality import assert_equal_runs, records_without_times
from tests.support.several_processes import PROGRAM, together, watched
from tests.support.tiny_runs import flags_for
from utils.errors import SemcoError
from utils.processes.world import World, _check_own, join_world

SIGTERM = {"action": "signal", "number": signal.SIGTERM}
STEPS = 40  # an epoch; the processes agree every 20 steps


def flags(root: Path, output: Path, *more: str, steps: int = STEPS) -> list[str]:
    shape = ("--batch-size", "2", "--n-imgs-per-epoch", str(2 * steps), "--ema-alpha", "0.9", "--thr-emb", "0.9")
    return flags_for(root, output, *shape, *more)


def only_run(output: Path) -> Path:
    (folder,) = output.glob("tiny/x14/*")
    return folder


def assert_equal_weights(output: Path) -> None:
    """Parameters, and the average with its running statistics, must have the same bits in both processes."""
    one, two = (torch.load(output / f"rank{rank}.pth", weights_only=True) for rank in range(2))
    for part in ("model", "ema"):
        tensors = one[part]
        for name, tensor in tensors.items():
            assert torch.equal(tensor, two[part][name]), (part, name)


_TALK = """
import json, pathlib, sys, time, torch
from utils.processes.start import met_siblings
from utils.processes.world import join_world
file = pathlib.Path(sys.argv[1])
with met_siblings() as siblings, join_world("cpu", parallel=True, siblings=siblings) as world:
    found = {"rank": world.rank, "size": world.size, "is_main": world.is_main, "here": world.machine.processes}
    found["sum"] = world.sum(torch.tensor([1.0, world.rank])).tolist()
    found["agreed"] = world.agree(2**40 + world.rank)
    tensor = torch.full((3,), float(world.rank))
    world.share([tensor])
    found["shared"] = tensor.tolist()
    with world.first_on_each_machine(file.parent):
        found["there"] = file.exists()
        if world.is_main:
            time.sleep(0.5)
            file.touch()
    if world.is_main:
        time.sleep(0.5)
        file.unlink()
    world.after_main("the end")
    found["gone"] = not file.exists()
print(json.dumps(found))
"""


def test_processes_talk(tmp_path):
    ended = together("-c", _TALK, str(tmp_path / "file"))
    assert [process.returncode for process in ended] == [0, 0], ended
    common = {"size": 2, "here": 2, "gone": True, "sum": [2.0, 1.0], "agreed": 2**40, "shared": [0.0] * 3}
    assert [json.loads(process.stdout) for process in ended] == [
        {"rank": rank, "is_main": rank == 0, "there": rank == 1, **common} for rank in range(2)
    ]


def test_one_process_talks_to_itself():
    world = join_world("cpu", parallel=True)
    tensor = torch.arange(3.0)
    assert world == World(rank=0, size=1, device=torch.device("cpu"))
    assert (world.agree(7), world.sum(tensor) is tensor) == (7, True)
    with world, world.first_on_each_machine(Path()):
        world.share([tensor])
    world.after_main("the end")
    assert tensor.tolist() == [0, 1, 2]


_MORE = [
    pytest.param([], id=""),
    pytest.param(["--strong-bn", "separate", "--ramp-up", "agreement"], id="short", marks=pytest.mark.slow),
]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("more", _MORE)
@pytest.mark.parametrize("frozen", [True, False])
def test_two_processes_train_one_network(tiny_dataset, tmp_path, frozen, more):
    """With a frozen backbone no batch statistics depend on how a batch is shared: one process must find the same."""

    def flags_to(output: Path, *resume: str) -> list[str]:
        return flags(tiny_dataset, output, *(["--freeze-backbone"] if frozen else []), *more, *resume, steps=4)

    main, other = together(*watched(*flags_to(tmp_path)))
    assert (main.returncode, other.returncode) == (0, 0), main.stderr + other.stderr
    assert other.stdout == other.stderr == ""
    folder = only_run(tmp_path)
    assert json.loads((folder / "config.json").read_text())["resolved"]["processes"] == 2
    assert [record["epoch"] for record in records_without_times(folder)] == [1, 2]
    assert_equal_weights(tmp_path)
    # A single process can take up the checkpoint, and finds nothing left to do.
    assert run_semco.main(flags_to(tmp_path, "--resume", str(folder))) == 0
    if frozen:
        assert run_semco.main(flags_to(tmp_path / "alone")) == 0
        alone = records_without_times(only_run(tmp_path / "alone"))
        for two, one in zip(records_without_times(folder), alone, strict=True):
            assert two == pytest.approx(one, rel=1e-4)


@pytest.fixture(scope="module")
def whole(tiny_dataset, tmp_path_factory):
    """The run folder of two processes that nothing interrupted."""
    output = tmp_path_factory.mktemp("whole")
    assert [process.returncode for process in together(*watched(*flags(tiny_dataset, output)))] == [0, 0]
    return only_run(output)


@pytest.mark.slow
@pytest.mark.parametrize(("step", "kept"), [(5, 20), (STEPS + 25, STEPS)])
def test_a_signal_to_one_process_stops_both(tiny_dataset, whole, tmp_path, step, kept):
    ended = together(*watched(*flags(tiny_dataset, tmp_path), rank=1, step=step, **SIGTERM))
    assert [process.returncode for process in ended] == [143, 143]
    assert f"saved after {step // STEPS} epochs and {kept} steps" in ended[0].stdout
    ended = together(*watched(*flags(tiny_dataset, tmp_path, "--resume", "auto")))
    assert [process.returncode for process in ended] == [0, 0], ended
    assert_equal_runs(whole, only_run(tmp_path))
    assert_equal_weights(tmp_path)


def test_a_mistake_is_told_once(tiny_dataset, tmp_path):
    output = tmp_path / "runs"
    ended = together(PROGRAM, *flags(tiny_dataset, output, "--word-vec-path", "nowhere"))
    assert [(process.returncode, process.stdout) for process in ended] == [(2, "")] * 2
    warning, line = "".join(process.stderr for process in ended).splitlines()
    assert warning.startswith("warning: 2 processes have 1 labelled images of --batch-size 2 each")
    assert line.startswith("error: word vectors nowhere do not exist")
    assert not output.exists()


@pytest.mark.parametrize(
    ("action", "code", "last"),
    [
        ("fail", 2, "error: this process alone"),
        pytest.param("bug", 1, "ZeroDivisionError: a bug", marks=pytest.mark.slow),
    ],
)
def test_a_process_that_fails_alone_ends_the_other(tiny_dataset, tmp_path, action, code, last):
    failed, other = together(*watched(*flags(tiny_dataset, tmp_path), rank=0, step=3, action=action))
    assert (failed.returncode, other.returncode) == (code, code)
    assert failed.stderr.splitlines()[-1].endswith(last)
    assert other.stderr == ""


@pytest.mark.parametrize(("size", "words"), [("two", "expected a number"), ("0", "expected"), ("2", "but not RANK")])
def test_an_environment_that_makes_no_sense(monkeypatch, size, words):
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(SemcoError, match=words):
        join_world("cpu", parallel=True)


def test_torchrun_and_no_parallel_contradict_each_other(monkeypatch):
    for name, value in {
        "WORLD_SIZE": 2,
        "RANK": 0,
        "LOCAL_RANK": 0,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": 29500,
    }.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(SemcoError, match="--no-parallel under 2 processes"):
        join_world("cpu", parallel=False)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with pytest.raises(SemcoError, match="--no-parallel under torchrun with 2 processes"):
        join_world("cpu", parallel=False)


def test_two_processes_with_the_same_gpu(monkeypatch):
    """Each task of `srun --gpus-per-task=1` sees one GPU, whose number says nothing."""
    siblings = SimpleNamespace(store=dist.HashStore(), place=SimpleNamespace(rank=3))
    for uuid in ("one", "two"):
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _, uuid=uuid: SimpleNamespace(uuid=uuid))
        _check_own(torch.device("cuda", 0), siblings)
    with pytest.raises(SemcoError, match="process 3 and another one have the same GPU.*--gpus-per-task=1"):
        _check_own(torch.device("cuda", 0), siblings)


_JOIN = """
import sys
from utils.errors import run_program
from utils.processes import meeting
from utils.processes.start import met_siblings
meeting._ANSWER_SECONDS = float(sys.argv[1])
def join():
    print("joining", flush=True)
    met_siblings().__enter__()
sys.exit(run_program(join))
"""


@pytest.mark.parametrize(
    ("seconds", "number", "words"),
    [
        ("1", None, "is no process of this run: choose another MASTER_PORT"),
        ("60", signal.SIGTERM, "stopped by SIGTERM"),
    ],
)
def test_a_program_that_listens_and_never_answers(seconds, number, words):
    """torch itself would wait for it for ever, deaf to everything but SIGKILL."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        place = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
        place["MASTER_PORT"] = str(stranger.getsockname()[1])
        with subprocess.Popen(
            [sys.executable, "-c", _JOIN, seconds], env={**os.environ, "PYTHONPATH": str(ROOT), **place},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                assert process.stdout.readline() == "joining\n"
                if number:
                    time.sleep(0.5)  # until it waits for the answer
                    process.send_signal(number)
                _, errors = process.communicate(timeout=60)
            finally:
                process.kill()
    assert process.returncode == (128 + number if number else 2)
    assert words in errors
    assert errors.count("\n") == 1
