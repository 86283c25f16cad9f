"""End to end: a run that was stopped, wherever, and goes on ends in the same bits as one that was not."""

import functools
import json
import os
import signal
from pathlib import Path

import pytest
import torch

import run_semco
from models import evaluate
from models.trainer import Trainer
from tests.support.run_equality import assert_equal_runs, records_without_times
from utils.results import report
from utils.run import folder as run_dir
from utils.run.checkpoint import load_checkpoint
from utils.run.folder import RunFolder

STEPS = 4
pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def start(tiny_dataset):
    """Return a function that runs the program on the tiny dataset, with more flags, and returns its exit code."""

    def main(output: Path, *flags: str) -> int:
        return run_semco.main(
            f"--dataset-path {tiny_dataset} --dataset-name tiny --train-split-pickle {tiny_dataset}/split.pkl "
            f"--word-vec-path {tiny_dataset}/vectors.txt --output-dir {output} --device cpu --no-amp --wres-n 10 --wres-k 1 "
            f"--im-size 16 --cropsize 16 --batch-size 2 --mu 2 --n-imgs-per-epoch {2 * STEPS} --n-epoches 3 "
            "--bn-momentum 0.05 --ema-alpha 0.9 "
            "--thr 0.2 --thr-emb 0.1 --cache-imgs memory --no-progress-bar".split()
            + list(flags)
        )

    return main


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """The run folder of the same run without interruption."""
    output = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "draw_pictures", lambda *_: None)
        assert start(output) == 0
    return only_run(output)


def only_run(output: Path) -> Path:
    (folder,) = output.glob("tiny/x14/*")
    return folder


def at_call(patch, owner, name: str, number: int, *signals: int, before: bool = False) -> None:
    """Send this process signals when `owner.name` is called for the `number`th time, before or after it does its work."""
    calls, original = [], getattr(owner, name)

    @functools.wraps(original)
    def counted(*arguments, **named):
        calls.append(name)
        if before and len(calls) == number:
            send(*signals)
        result = original(*arguments, **named)
        if not before and len(calls) == number:
            send(*signals)
        return result

    patch.setattr(owner, name, counted)


def send(*signals: int) -> None:
    for number in signals:
        os.kill(os.getpid(), number)


PLACES = {
    "mid-epoch": (Trainer, "train_step", STEPS + 3),
    "last step of an epoch": (Trainer, "train_step", 2 * STEPS),
    "epoch boundary": (RunFolder, "write_epoch", 1),
    "evaluation": (evaluate, "top_k_hits", 7),
    "checkpoint writing": (os, "fsync", 14),
}


@pytest.mark.parametrize(
    ("place", "number"),
    [*((place, signal.SIGTERM) for place in PLACES), ("mid-epoch", signal.SIGUSR1), ("mid-epoch", signal.SIGHUP)],
)
def test_a_stopped_run_goes_on(start, whole, tmp_path, monkeypatch, capsys, place, number):
    with monkeypatch.context() as patch:
        at_call(patch, *PLACES[place], number)
        assert start(tmp_path) == 128 + number
    assert f"stopped by {signal.Signals(number).name}" in capsys.readouterr().err
    assert not (only_run(tmp_path) / "summary.json").exists()
    assert start(tmp_path, "--resume", "auto") == 0
    assert "resuming from" in capsys.readouterr().out
    assert_equal_runs(whole, only_run(tmp_path))


FOR_SHORT_RUNS = (
    *("--strong-bn", "separate", "--ramp-up", "agreement", "--supervised-start", "0.001"),
    *("--thr-emb", "auto", "--ema-alpha", "auto", "--bn-momentum", "auto"),
)


def test_a_stopped_run_with_the_options_for_short_runs_goes_on(start, tmp_path, monkeypatch, capsys):
    assert start(tmp_path / "whole", *FOR_SHORT_RUNS) == 0
    with monkeypatch.context() as patch:
        at_call(patch, *PLACES["mid-epoch"], signal.SIGTERM)
        assert start(tmp_path / "stopped", *FOR_SHORT_RUNS) == 128 + signal.SIGTERM
    assert start(tmp_path / "stopped", "--resume", "auto") == 0  # other flags: a run of its own
    assert "the nearest run" in capsys.readouterr().out
    assert start(tmp_path / "stopped", *FOR_SHORT_RUNS, "--resume", "auto") == 0
    assert "resuming from" in capsys.readouterr().out
    whole, other, resumed = only_run(tmp_path / "whole"), *sorted((tmp_path / "stopped").glob("tiny/x14/*"))
    if "ramp_up" in load_checkpoint(other / "last.pth"):
        other, resumed = resumed, other
    assert_equal_runs(whole, resumed)
    assert load_checkpoint(whole / "last.pth")["ramp_up"]["agreement"] > 0
    found = json.loads((resumed / "config.json").read_text())
    assert [found["flags"][name] for name in ("thr_emb", "ema_alpha", "bn_momentum")] == [None] * 3
    assert found["resolved"]["ema_alpha"] == pytest.approx(1 - 10 / (3 * STEPS))
    assert found["resolved"]["bn_momentum"] == 0.1
    assert load_checkpoint(whole / "last.pth")["inference"]["thr_emb"] == found["resolved"]["thr_emb"] > 0


def test_an_impatient_interrupt_amid_a_checkpoint(start, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        at_call(patch, os, "fsync", 14, signal.SIGINT, signal.SIGINT)
        assert start(tmp_path) == 130
    assert start(tmp_path, "--resume", "auto") == 0
    assert_equal_runs(whole, only_run(tmp_path))


class _KilledError(BaseException):
    """Stands for a kill: nothing catches it."""


def kill_at(patch, owner, name: str, number: int) -> None:
    """End the run as a kill does when `owner.name` is called for the `number`th time."""
    calls, original = [], getattr(owner, name)

    def killing(*arguments, **named):
        calls.append(name)
        if len(calls) == number:
            raise _KilledError
        return original(*arguments, **named)

    patch.setattr(owner, name, killing)


@pytest.mark.parametrize(
    ("owner", "name", "number"),
    [
        (Trainer, "train_step", 9),
        (run_dir, "write_text", 6),
        (run_dir.EventLog, "send", 2),
        (run_dir, "save_checkpoint", 9),
    ],
)
def test_a_killed_run_goes_on(start, whole, tmp_path, monkeypatch, owner, name, number):
    with monkeypatch.context() as patch:
        kill_at(patch, owner, name, number)
        with pytest.raises(_KilledError):
            start(tmp_path, "--checkpoint-minutes", "1e-6")
    assert start(tmp_path, "--resume", "auto") == 0
    assert_equal_runs(whole, only_run(tmp_path))


@pytest.mark.parametrize(
    ("owner", "name", "number"),
    [
        (run_dir, "write_predictions", 1),
        (report, "write_text", 1),
        *(
            pytest.param(*place, marks=pytest.mark.slow)
            for place in ((RunFolder, "write_evaluation", 1), (run_dir, "write_predictions", 2), (report, "render", 1))
        ),
    ],
)
def test_a_run_killed_while_its_results_are_written(start, whole, tmp_path, monkeypatch, owner, name, number):
    monkeypatch.undo()  # with a report
    monkeypatch.setattr(RunFolder, "draw_pictures", lambda *_: None)
    with monkeypatch.context() as patch:
        kill_at(patch, owner, name, number)
        with pytest.raises(_KilledError):
            start(tmp_path)
    assert not (only_run(tmp_path) / "report.html").exists()
    assert start(tmp_path, "--resume", "auto") == 0
    resumed = only_run(tmp_path)
    for file in ("evaluation.json", "predictions.parquet", "pool.parquet"):
        assert (resumed / file).read_bytes() == (whole / file).read_bytes(), file
    assert _results_of(resumed) == _results_of(whole)
    assert_equal_runs(whole, resumed)


def _results_of(folder: Path) -> str:
    """Return what the report says from the results on, past what differs between runs: command, folder, times."""
    text = (folder / "report.html").read_text(encoding="utf-8").replace(str(Path(*folder.parts[-4:])), "RUN")
    return text.split('<section id="classes">')[1]


def test_a_damaged_checkpoint_falls_back(start, whole, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        at_call(patch, Trainer, "train_step", STEPS + 3, signal.SIGTERM)
        assert start(tmp_path) == 143
    last = only_run(tmp_path) / "last.pth"
    data = bytearray(last.read_bytes())
    data[len(data) // 2] ^= 1
    last.write_bytes(data)
    assert start(tmp_path, "--resume", str(last.parent)) == 0
    shown = capsys.readouterr()
    assert "last.pth is damaged" in shown.err
    assert "previous.pth: 1 epochs and 0 steps are done" in shown.out
    assert_equal_runs(whole, last.parent)


def test_break_epoch_then_on(start, whole, tmp_path, capsys):
    assert start(tmp_path, "--break-epoch", "1") == 0
    folder = only_run(tmp_path)
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 1
    before = (folder / "last.pth").read_bytes()
    assert start(tmp_path, "--break-epoch", "1", "--resume", "auto") == 0  # nothing is left to do
    assert (folder / "last.pth").read_bytes() == before
    assert start(tmp_path, "--resume", "auto") == 0
    assert_equal_runs(whole, folder)


def test_early_stopping(start, tmp_path, monkeypatch):
    flags = ("--early-stopping-epochs", "1", "--n-epoches", "40", "--lr", "1e-9")  # so slow that nothing improves
    assert start(tmp_path / "whole", *flags) == 0
    folder = only_run(tmp_path / "whole")
    epochs = len((folder / "metrics.jsonl").read_text().splitlines())
    assert 2 <= epochs < 40
    with monkeypatch.context() as patch:
        at_call(patch, Trainer, "train_step", STEPS * (epochs - 1) + 2, signal.SIGTERM)
        assert start(tmp_path / "stopped", *flags) == 143
    assert start(tmp_path / "stopped", *flags, "--resume", "auto") == 0
    assert_equal_runs(folder, only_run(tmp_path / "stopped"))


def test_refusals_change_nothing(start, whole, tmp_path, tiny_dataset, capsys):
    """Other flags, other data, other word vectors: one line, exit code 2, not a byte written."""
    vectors = tmp_path / "vectors.txt"
    vectors.write_text(
        (tiny_dataset / "vectors.txt").read_text().replace("apple -", "apple ").replace("apple ", "apple 9")
    )
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    for flags, words in (
        (
            ("--lr", "0.5", "--mu", "3"),
            ("--lr is 0.5, there 0.03", "--mu is 3, there 2", "only these may change", "--n-epoches"),
        ),
        (("--word-vec-path", str(vectors)), ("of other data", "label vectors")),
        (("--seed", "5"), ("--seed is 5, there 123",)),
    ):
        assert start(tmp_path, "--resume", str(whole), *flags) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: checkpoint")
        for word in words:
            assert word in error
    after = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert {path for path in before if before[path] != after.get(path)} <= {whole / ".lock"}
    assert not list(tmp_path.glob("tiny"))


def test_a_longer_schedule_is_said(start, tmp_path, capsys):
    assert start(tmp_path, "--break-epoch", "1") == 0
    folder = only_run(tmp_path)
    assert start(tmp_path, "--resume", str(folder / "last.pth"), "--n-epoches", "4", "--break-epoch", "2") == 0
    shown = capsys.readouterr()
    assert "--n-epoches is 4, it was 3: the learning rate jumps from" in shown.err
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    assert json.loads((folder / "config.json").read_text())["flags"]["n_epoches"] == 4


def test_an_unseeded_run_keeps_its_seed(start, tmp_path):
    assert start(tmp_path, "--seed", "-1", "--break-epoch", "1") == 0
    seed = json.loads((only_run(tmp_path) / "config.json").read_text())["flags"]["seed"]
    assert start(tmp_path, "--seed", "-1", "--resume", "auto") == 0
    assert json.loads((only_run(tmp_path) / "config.json").read_text())["flags"]["seed"] == seed
    assert len((only_run(tmp_path) / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_loss_that_breaks_names_the_last_good_checkpoint(start, tmp_path, monkeypatch, capsys):
    original = Trainer.train_step

    def poisoned(self, images, labels, *, step):
        return original(self, images * (float("nan") if step == STEPS + 1 else 1), labels, step=step)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", poisoned)
        assert start(tmp_path / "stop") == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert start(tmp_path / "skip", "--on-nan", "skip") == 0
    folder = only_run(tmp_path / "stop")
    assert f"no longer finite at step {STEPS + 1} (total nan" in error
    assert f"the last good checkpoint is {folder / 'last.pth'}" in error
    assert load_checkpoint(folder / "last.pth")["epoch"] == 1
    records = records_without_times(only_run(tmp_path / "skip"))
    assert [record["skipped_steps"] for record in records] == [0, 1, 0]


def test_out_of_memory_is_one_line(start, tmp_path, monkeypatch, capsys):
    def too_much(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Trainer, "train_step", too_much)
    assert start(tmp_path) == 2
    assert "out of memory: a step holds 10 images of 16x16 pixels; --batch-size 1 saves 50%" in capsys.readouterr().err
