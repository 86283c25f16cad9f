"""`python -m utils.pictures RUN`."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.project import ROOT
from utils.pictures.__main__ import main


@pytest.fixture
def run_folder(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "loss": 1.0}) + "\n")
    return tmp_path


def test_it_draws_and_says_where(run_folder, capsys):
    assert main([str(run_folder)]) == 0
    assert capsys.readouterr().out == f"{run_folder / 'learning_curves.png'}\n"
    assert (run_folder / "learning_curves.png").stat().st_size > 10_000


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "metrics.jsonl" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "RUN"), (["gone"], "gone/metrics.jsonl does not exist"), (["a", "b"], "b"), (["--anew", "a"], "--anew")],
)
def test_mistakes(tmp_path, arguments, words, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert words in shown
    assert shown.count("\n") == 1


def test_a_damaged_line_ends_in_one_line(run_folder, capsys):
    with (run_folder / "metrics.jsonl").open("a") as file:
        file.write("{")
    assert main([str(run_folder)]) == 2
    shown = capsys.readouterr().err
    assert "line 2, is not JSON" in shown
    assert shown.count("\n") == 1


def test_a_pipe_for_the_records_is_refused_at_once(tmp_path, capsys):
    os.mkfifo(tmp_path / "metrics.jsonl")
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'metrics.jsonl'} is a pipe: expected a regular file\n"


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "tkagg", ""])
def test_the_backend_of_the_environment_does_not_matter(run_folder, backend):
    (run_folder / "matplotlibrc").write_text("text.usetex: True\n")
    environment = {**os.environ, "MPLBACKEND": backend, "MATPLOTLIBRC": str(run_folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "utils.pictures", str(run_folder)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert (run_folder / "learning_curves.png").exists()
