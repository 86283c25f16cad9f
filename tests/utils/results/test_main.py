"""`python -m utils.results`: what it prints, where it writes, and one line for a mistake."""

import pytest

from tests.utils.results.made_runs import make_run
from utils.results.__main__ import main


@pytest.fixture
def runs(tmp_path):
    for seed in range(2):
        make_run(tmp_path / "runs" / "made" / "x40" / f"run{seed}", seed=seed, with_tables=False)
    return tmp_path / "runs"


def test_reports_of_all_runs_in_a_folder(runs, capsys):
    assert main(["report", str(runs)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [str(runs / "made" / "x40" / f"run{seed}" / "report.html") for seed in range(2)]
    assert all((runs / "made" / "x40" / f"run{seed}" / "report.html").stat().st_size > 10_000 for seed in range(2))


def test_comparison_on_the_screen_and_in_a_file(runs, capsys):
    assert main(["compare", str(runs), "--statistic", "best", "--published"]) == 0
    assert "| SemCo " in capsys.readouterr().out
    target = runs / "tables" / "table.tex"
    assert main(["compare", str(runs), "--format", "latex", "--output", str(target), "--metric", "top1_emb"]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert r"\toprule" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "{runs}/gone"], "does not exist: name run folders"),
        (["compare", "{runs}/made/x40/empty"], "holds no run folder"),
        (["compare", "{runs}", "--statistic", "luck"], "invalid choice: 'luck'"),
        (["compare", "{runs}", "--statistics", "best"], "did you mean --statistic?"),
        (["compare"], "the following arguments are required: RUN"),
        (["draw", "{runs}"], "invalid choice: 'draw'"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_a_mistake_is_one_line(runs, capsys, arguments, message):
    (runs / "made" / "x40" / "empty").mkdir()
    assert main([text.format(runs=runs) for text in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_damaged_line_is_named(runs, capsys):
    metrics = runs / "made" / "x40" / "run0" / "metrics.jsonl"
    metrics.write_text(metrics.read_text() + '{"epoch": 5, "top')
    for command in ("report", "compare"):
        assert main([command, str(runs)]) == 2
        assert "metrics.jsonl, line 5 is no JSON" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["report", "--help"], ["compare", "--help"]])
def test_help(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    assert "usage: python -m utils.results" in capsys.readouterr().out
