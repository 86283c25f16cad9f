"""`study_semco.py`: every variant is trained on the same images, nothing twice, and the table compares them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import study_semco
from tests.support.tiny_runs import TINY


def _arguments(root, output, *own):
    flags = [
        "--dataset-path", str(root), "--dataset-name", "tiny", "--train-split-pickle", str(root / "split.pkl"),
        "--word-vec-path", str(root / "vectors.txt"), *TINY, "--n-epoches", "1",
    ]  # fmt: skip
    return ["--output-dir", str(output), "--seeds", "1", "--variants", "supervised", "semco", *own, "--", *flags]


def test_a_study(tiny_dataset, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert study_semco.main(_arguments(tiny_dataset, tmp_path)) == 0
    first = capfd.readouterr().out
    assert "1 of 2: supervised, seed 1: training" in first
    table = (tmp_path / "study.md").read_text(encoding="utf-8")
    assert "SemCo" in table
    assert "supervised" in table
    assert table in first
    assert (tmp_path / "study.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    runs = sorted(path.parent for path in tmp_path.rglob("summary.json"))
    assert len(runs) == 2
    assert study_semco.main(_arguments(tiny_dataset, tmp_path)) == 0
    assert capfd.readouterr().out.count("done before") == 2
    assert sorted(path.parent for path in tmp_path.rglob("summary.json")) == runs


def test_a_variant_of_ones_own(tiny_dataset, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    own = ["--variants", "--also", "low=--thr 0.5 --thr-emb 0.6"]
    arguments = _arguments(tiny_dataset, tmp_path)
    place = arguments.index("--variants")
    assert study_semco.main([*arguments[:place], *own, *arguments[place + 3 :]]) == 0
    output = capfd.readouterr().out
    assert "1 of 1: low, seed 1: training" in output
    assert "| low " in output
    (run,) = (path.parent for path in (tmp_path / "low").rglob("summary.json"))
    flags = json.loads((run / "config.json").read_text(encoding="utf-8"))["flags"]
    assert (flags["thr"], flags["thr_emb"]) == (0.5, 0.6)


@pytest.mark.parametrize("to_all", [False, True], ids=["the study alone", "as Ctrl-C in a terminal"])
def test_a_signal_lets_the_run_save(tiny_dataset, tmp_path, to_all):
    arguments = [*_arguments(tiny_dataset, tmp_path), "--n-epoches", "10000"]
    study = subprocess.Popen(
        [sys.executable, study_semco.__file__, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list(tmp_path.rglob("previous.pth")) and time.monotonic() < until:
        time.sleep(0.1)
    if to_all:
        os.killpg(study.pid, signal.SIGINT)
    else:
        study.send_signal(signal.SIGTERM)
    output = study.communicate()[0]
    assert study.returncode == (130 if to_all else 143)
    assert output.splitlines()[-2:] == [f"stopped by {'SIGINT' if to_all else 'SIGTERM'}"] * 2
    (log,) = tmp_path.rglob("train.log")
    assert "--resume auto resumes from there" in log.read_text(encoding="utf-8").splitlines()[-1]
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "1"], "put them behind --"),
        (["--seeds", "1", "--", "--muu", "3"], "did you mean --mu"),
        (["--variants", "semko", "--", "--mu", "3"], "semko"),
        (["--also", "low", "--", "--mu", "3"], "'low' is not NAME=FLAGS"),
        (["--also", "../low=--mu 1", "--", "--mu", "3"], "'../low=--mu 1' is not NAME=FLAGS"),
        (["--also", "low=--thr '0.5", "--", "--mu", "3"], "No closing quotation"),
        (["--also", "semco=--thr 0.5", "--", "--mu", "3"], "there is a variant of that name"),
        (["--variants", "--also", "low=--thrr 0.5", "--", "--mu", "3"], "did you mean --thr"),
        (["--variants", "--", "--mu", "3"], "no variant to train"),
        (["--seeds", "1", "--", "--mu", "3"], "--train-split-pickle is missing"),
    ],
)
def test_mistakes_come_before_any_training(tmp_path, capsys, arguments, words):
    assert study_semco.main(["--output-dir", str(tmp_path / "runs"), *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()
