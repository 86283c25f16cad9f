"""Reports and comparisons of runs that were really trained, a second each."""

import json
from pathlib import Path

import run_semco
from tests.support.tiny_runs import flags_for
from utils.results.__main__ import main
from utils.results.compare import compare_runs


def _runs(root: Path, output: Path) -> list[Path]:
    for more in ([], ["--seed", "7"], ["--lam-u", "0", "--lambda-emb", "0"]):
        assert run_semco.main(flags_for(root, output, *more)) == 0
    return sorted(path.parent for path in output.rglob("summary.json"))


def test_report_and_comparison_of_real_runs(tiny_dataset, tmp_path, no_pictures, capsys):
    folders = _runs(tiny_dataset, tmp_path)
    assert main(["report", str(tmp_path)]) == 0
    by_method = {}
    for folder in folders:
        flags = json.loads((folder / "config.json").read_text())["flags"]
        by_method.setdefault((flags["lam_u"], flags["seed"]), folder)
    semco = (by_method[1.0, 123] / "report.html").read_text(encoding="utf-8")
    last = json.loads((by_method[1.0, 123] / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"{last['top1']:.1f}% of 28 test images classified correctly" in semco
    assert f"({by_method[0.0, 123].name}) reached" in semco
    assert "No group holds several classes" in semco or "Groups of several classes" in semco

    found = compare_runs(folders)
    assert [(variant.name, variant.count) for variant in found.variants] == [("supervised", 1), ("SemCo", 2)]
    assert [pair.difference.count for pair in found.pairs] == [1]
    assert found.variants[1].seeds == [7, 123]
    capsys.readouterr()
    assert main(["compare", str(tmp_path), "--statistic", "median20"]) == 0
    assert "fewer than 20" in capsys.readouterr().out
