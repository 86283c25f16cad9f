"""What several processes share, and what that costs."""

import os
import re
import subprocess
import sys

import pytest
from torch import nn

from models.step.scaling import FEWEST_IMAGES, check_share, gradient_bytes, sent_bytes
from tests.support.project import ROOT
from utils.errors import SemcoError


@pytest.mark.parametrize(
    ("batch", "processes", "ways"),
    [
        (64, 6, "pass 60 or 66, or start 4 or 8 processes"),
        (64, 24, "pass 48 or 72, or start 16 or 32 processes"),
        (7, 2, "pass 6 or 8, or start 1 or 7 processes"),
        (3, 8, "pass 8, or start 3 processes"),
        (1, 2, "pass 2, or start 1 process"),
    ],
)
def test_an_uneven_division_names_what_would_work(batch, processes, ways):
    with pytest.raises(SemcoError) as caught:
        check_share(batch, processes)
    expected = f"--batch-size {batch} cannot be shared equally by {processes} processes: {ways}"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("batch", "processes", "warning"),
    [
        (64, 8, "8 processes have 8 labelled images of --batch-size 64 each.*start 4, or pass --batch-size 128 "),
        (24, 2, "2 processes have 12 labelled images.*start 1, or pass --batch-size 32 "),
        (64, 4, ""),
        (8, 1, ""),
    ],
)
def test_shares_that_are_too_small_are_warned_about(batch, processes, warning, caplog):
    caplog.set_level("WARNING", logger="semco")
    check_share(batch, processes)
    assert bool(caplog.records) == bool(warning)
    if warning:
        assert re.search(warning, caplog.records[0].getMessage())
    assert FEWEST_IMAGES == 16


def test_only_what_is_trained_is_added_up():
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    assert gradient_bytes(model) == 4 * (15 + 5 + 10 + 2)
    model[0].requires_grad_(False)
    assert gradient_bytes(model) == 4 * 12
    assert [sent_bytes(100, processes) for processes in (1, 2, 4)] == [0, 100, 150]


# In a network of its own, where nothing else is sent.
_COUNT = """
import pathlib, subprocess, torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from models.step.scaling import gradient_bytes, sent_bytes
from utils.processes.start import met_siblings
from utils.processes.world import join_world

def sent():
    lines = pathlib.Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[9]) for line in lines if line.split()[0] == "lo:")

with met_siblings() as siblings, join_world("cpu", parallel=True, siblings=siblings) as world:
    model = nn.Linear(1000, 500)
    network, seen = DistributedDataParallel(model), []

    def count(state, bucket):
        seen.append(bucket.buffer().numel() * bucket.buffer().element_size())
        work = torch.distributed.all_reduce(bucket.buffer(), async_op=True).get_future()
        return work.then(lambda future: future.value()[0])

    network.register_comm_hook(None, count)
    for step in range(12):
        if step == 2:  # buckets are arranged anew after the first
            torch.distributed.barrier()
            before, seen[:] = sent(), []
        network(torch.randn(4, 1000)).sum().backward()
    torch.distributed.barrier()
    assert sum(seen) == 10 * gradient_bytes(model), (seen, gradient_bytes(model))
    expected = 10 * world.size * sent_bytes(gradient_bytes(model), world.size)
    if world.is_main:
        print((sent() - before) / expected)
"""
_SCRIPT = """
ip link set lo up 2>/dev/null || exit 77
for rank in $(seq 1 $(($1 - 1))); do RANK=$rank LOCAL_RANK=$rank "$2" -c "$3" & done
RANK=0 LOCAL_RANK=0 "$2" -c "$3" && wait
"""


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_gloo_sends_what_the_model_says(processes):
    place = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    settings = {
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    command = ["unshare", "--net", "sh", "-c", _SCRIPT, "sh", str(processes), sys.executable, _COUNT]
    try:
        ended = subprocess.run(
            command, env={**os.environ, **settings, **place}, capture_output=True, text=True, timeout=300
        )
    except FileNotFoundError:
        pytest.skip("no unshare")
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("no right to make a network")
    assert ended.returncode == 0, ended.stderr
    assert 1 <= float(ended.stdout) < 1.05  # headers of packets, signs of life
