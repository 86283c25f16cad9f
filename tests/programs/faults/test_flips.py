"""Bits that flip in a checkpoint: a run resumes from the one before it, or to the same bits, and never with a traceback."""

import logging
import random
import shutil
from pathlib import Path

import pytest

from tests.support.run_equality import assert_same_bits
from tests.support.tiny_runs import equal, flags_for, train, weights
from utils.errors import SemcoError
from utils.flags.parse import parse_config
from utils.run.checkpoint import load_checkpoint
from utils.run.resume import Resume


@pytest.fixture(autouse=True)
def _restored(monkeypatch):
    logger = logging.getLogger("semco")
    monkeypatch.setattr(logger, "propagate", logger.propagate)


def _flip(data: bytes, draws: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draws.randint(1, 3)):
        changed[draws.randrange(len(changed))] ^= 1 << draws.randrange(8)
    return bytes(changed)


def _check_flips(root: Path, output: Path, *, count: int, seed: int, caplog) -> tuple[int, int]:
    """Flip bits of last.pth `count` times; returns how often the one before it was taken, and how often it was intact."""
    folder = train(root, output)
    logging.getLogger("semco").propagate = True  # which the program switches off
    config = parse_config(flags_for(root, output, "--resume", "auto"))
    contents = {name: load_checkpoint(folder / name) for name in ("last.pth", "previous.pth")}
    whole, before = ((folder / name).read_bytes() for name in contents)
    draws, fell_back = random.Random(seed), 0
    for _ in range(count):
        (folder / "last.pth").write_bytes(_flip(whole, draws))
        caplog.clear()
        resume = Resume(config)
        assert len(resume._candidates) == 1  # peeking finds one of the two
        found = resume._open(resume._candidates[0][0], locks=True)
        assert found is not None
        found.lock.release()
        if found.path.name == "previous.pth":
            fell_back += 1
            assert "last.pth is damaged" in caplog.text or "last.pth is not the state of a run" in caplog.text
        assert_same_bits(found.content, contents[found.path.name], found.path.name)
        assert (folder / "previous.pth").read_bytes() == before
    (folder / "last.pth").write_bytes(whole)
    return fell_back, count - fell_back


def test_a_few_flips(tiny_dataset, tmp_path, caplog):
    fell_back, intact = _check_flips(tiny_dataset, tmp_path, count=60, seed=1, caplog=caplog)
    assert fell_back > 50
    assert fell_back + intact == 60


@pytest.mark.slow
def test_a_thousand_flips(tiny_dataset, tmp_path, caplog):
    fell_back, _ = _check_flips(tiny_dataset, tmp_path, count=1000, seed=2, caplog=caplog)
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
