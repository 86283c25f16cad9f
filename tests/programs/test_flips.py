"""Bits that flip in a checkpoint: a run resumes from the one before it, or to the same bits, and never with a traceback."""

import random
import shutil
from pathlib import Path

import pytest
import torch

from tests.support.tiny_runs import equal, flags_for, train, weights
from utils.errors import SemcoError
from utils.flags.parse import parse_config
from utils.processes.world import World
from utils.run.resume import Resume

ALONE = World.alone(torch.device("cpu"))


def _flip(data: bytes, draws: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draws.randint(1, 3)):
        changed[draws.randrange(len(changed))] ^= 1 << draws.randrange(8)
    return bytes(changed)


def _check_flips(root: Path, output: Path, *, count: int, seed: int) -> tuple[int, int]:
    """Flip bits of last.pth `count` times; returns how often the one before it was taken, and how often it was intact."""
    folder = train(root, output)
    config = parse_config(flags_for(root, output, "--resume", "auto"))
    fine, before = weights(folder), (folder / "previous.pth").read_bytes()
    whole = (folder / "last.pth").read_bytes()
    draws, fell_back = random.Random(seed), 0
    for _ in range(count):
        (folder / "last.pth").write_bytes(_flip(whole, draws))
        candidates = Resume(config)._candidates
        assert len(candidates) == 1  # peeking finds one of the two
        path = candidates[0][0]
        found = Resume(config)._read_intact(path)
        assert found is not None
        fell_back += found[0].name == "previous.pth"
        if found[0].name == "last.pth":
            assert equal(
                {f"{part}.{name}": value for part in ("model", "ema") for name, value in found[1][part].items()}, fine
            )
        assert (folder / "previous.pth").read_bytes() == before
    (folder / "last.pth").write_bytes(whole)
    return fell_back, count - fell_back


def test_a_few_flips(tiny_dataset, tmp_path):
    fell_back, intact = _check_flips(tiny_dataset, tmp_path, count=60, seed=1)
    assert fell_back > 50
    assert fell_back + intact == 60


@pytest.mark.slow
def test_a_thousand_flips(tiny_dataset, tmp_path):
    fell_back, _ = _check_flips(tiny_dataset, tmp_path, count=1000, seed=2)
    assert fell_back > 900


def test_a_run_resumes_from_the_one_before(tiny_dataset, tmp_path, capsys):
    folder = train(tiny_dataset, tmp_path)
    fine = weights(folder)
    data = bytearray((folder / "last.pth").read_bytes())
    data[len(data) // 2] ^= 4
    (folder / "last.pth").write_bytes(data)
    shutil.rmtree(folder / "tensorboard")
    (folder / "summary.json").unlink()
    assert equal(weights(train(tiny_dataset, tmp_path, "--resume", "auto")), fine)
    assert "last.pth is damaged" in capsys.readouterr().err


def test_both_damaged(tiny_dataset, tmp_path):
    folder = train(tiny_dataset, tmp_path)
    for name in ("last.pth", "previous.pth"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
    config = parse_config(flags_for(tiny_dataset, tmp_path, "--resume", str(folder)))
    with pytest.raises(SemcoError, match=r"previous\.pth is damaged"):
        Resume(config)
