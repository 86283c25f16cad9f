"""Runs are grouped and paired as a careful reader would, with what the tables do not show."""

import csv
import io
import json

import pytest

from tests.utils.results.made_runs import make_run, write_history
from utils.errors import SemcoError
from utils.results.compare import compare_runs
from utils.results.compare_text import FORMATS, format_comparison

SPLITS = {seed: f"{seed}" * 64 for seed in range(4)}


@pytest.fixture
def study(tmp_path):
    """Two variants of three seeds; accuracies 60, 62, 64 and 63, 66, 69 in the last epoch, 70 in the best."""
    values = {"FixMatch": (60.0, 62.0, 64.0), "SemCo": (63.0, 66.0, 69.0)}
    folders = []
    for name, accuracies in values.items():
        flags = {"lambda_emb": 0.0} if name == "FixMatch" else {}
        for seed, accuracy in enumerate(accuracies):
            folder = make_run(
                tmp_path / f"{name}{seed}", seed=seed, split=SPLITS[seed], with_tables=False, output_dir=f"out{seed}", **flags
            )  # fmt: skip
            write_history(folder, [{"epoch": 1, "top1": 70.0}, {"epoch": 2, "step": 200, "top1": accuracy}])
            folders.append(folder)
    return folders


def test_groups_and_pairs(study):
    found = compare_runs(study)
    fixmatch, semco = found.variants
    assert (fixmatch.name, fixmatch.count, fixmatch.mean, fixmatch.deviation) == ("FixMatch", 3, 62.0, 2.0)
    assert (semco.name, semco.mean, semco.deviation, semco.seeds) == ("SemCo", 66.0, 3.0, [0, 1, 2])
    (pair,) = found.pairs
    assert (pair.first, pair.second) == ("SemCo", "FixMatch")
    # Differences 3, 4, 5: mean 4, sd 1, t(0.975, 2) = 4.302653.
    assert (pair.difference.count, pair.difference.mean) == (3, 4.0)
    assert pair.difference.low == pytest.approx(4 - 4.302653 / 3**0.5, abs=1e-5)
    assert found.notes == ()


def test_names_can_be_given(study):
    found = compare_runs(study, names=dict.fromkeys(study[3:], "ours"))
    assert [variant.name for variant in found.variants] == ["FixMatch", "ours"]
    assert [(pair.first, pair.second) for pair in found.pairs] == [("ours", "FixMatch")]


def test_what_is_left_to_the_program_is_not_in_a_name(tmp_path):
    folders = [
        make_run(tmp_path / f"run {terms}", with_tables=False, label_terms=terms, shared_terms="keep" if terms else "compose")
        for terms in (None, "terms.csv")
    ]  # fmt: skip
    assert [variant.name for variant in compare_runs(folders).variants] == [
        "SemCo --label-terms terms.csv --shared-terms keep", "SemCo --shared-terms compose",
    ]  # fmt: skip


def test_auto_is_in_a_name_where_it_is_not_the_default(tmp_path):
    folders = [make_run(tmp_path / f"thr {thr}", with_tables=False, thr_emb=thr) for thr in (None, 0.7)]
    assert [variant.name for variant in compare_runs(folders).variants] == [
        "SemCo --thr-emb 0.7",
        "SemCo --thr-emb auto",
    ]


@pytest.mark.parametrize(("statistic", "mean"), [("last", 66.0), ("best", 70.0), ("median20", 68.0), ("mean20", 68.0)])
def test_statistics(study, statistic, mean):
    found = compare_runs(study, statistic=statistic)
    assert found.variants[1].mean == pytest.approx(mean)
    assert any("flatters" in note for note in found.notes) == (statistic == "best")
    assert any("fewer than 20" in note for note in found.notes) == statistic.endswith("20")


def test_only_shared_splits_and_seeds_are_paired(study):
    found = compare_runs([*study[:2], *study[4:]])
    assert found.pairs[0].difference.count == 1
    assert found.pairs[0].difference.low is None
    assert compare_runs([study[0], study[4]]).pairs == ()


def test_unfinished_and_repeated_runs_are_marked(study, tmp_path):
    (study[5] / "summary.json").unlink()
    again = make_run(tmp_path / "z_again", seed=0, split=SPLITS[0], with_tables=False)
    write_history(again, [{"epoch": 1, "top1": 70.0}, {"epoch": 2, "step": 200, "top1": 64.0}])
    found = compare_runs([*study, again])
    semco = found.variants[1]
    assert (semco.count, semco.unfinished, semco.mean) == (2, 1, 65.0)
    assert "SemCo: 1 of 4 runs unfinished and left out of the mean." in found.notes
    assert any("1 runs repeat the split and seed" in note for note in found.notes)
    assert "2 + 1 unfinished" in format_comparison(found, "markdown")


def test_what_differs_is_named_and_warned_about(study, tmp_path):
    wide = make_run(tmp_path / "wide", seed=0, split=SPLITS[0], with_tables=False, wres_k=8)
    more = make_run(tmp_path / "more", seed=0, split=SPLITS[0], with_tables=False, mu=7)
    other = make_run(
        tmp_path / "other", seed=1, split=SPLITS[1], with_tables=False, mu=7, resolved={"validation_set": "0"}
    )
    found = compare_runs([*study, wide, more, other])
    names = [(variant.name, variant.backbone) for variant in found.variants]
    assert ("SemCo --mu 7 (1)", "WRN-28-2") in names
    assert ("SemCo --mu 7 (2)", "WRN-28-2") in names
    assert ("SemCo --mu 3", "WRN-28-8") in names
    notes = " ".join(found.notes)
    assert "networks differ (WRN-28-2, WRN-28-8)" in notes
    assert "lengths differ (200, 400 steps)" in notes
    assert "not all measured on the same images" in notes


def test_published_figures_warn_of_mixed_statistics(tmp_path):
    folder = make_run(tmp_path / "run", dataset_name="cifar100", with_tables=False, resolved={"labelled_images": 10000})
    found = compare_runs([folder], with_published=True)
    assert "SemCo, published, mu 7 (statistic not stated)" in format_comparison(found, "markdown")
    rows = [line.split("|")[3].strip() for line in format_comparison(found, "markdown").splitlines()[4:8]]
    assert rows[:2] == ["SemCo", "SemCo, published, mu 7 (statistic not stated)"]
    notes = " ".join(found.notes)
    assert "published figures are of other statistics (best, not stated) than these runs' (last)" in notes
    assert "networks differ (WRN-28-2, not stated)" in notes
    assert "No published figure" in " ".join(
        compare_runs([make_run(tmp_path / "o", with_tables=False)], with_published=True).notes
    )


def test_formats_escape_what_their_readers_would_misread(tmp_path):
    folder = make_run(tmp_path / "run", dataset_name="a_b|<i>&$%", with_tables=False, thr=0.5)
    other = make_run(tmp_path / "other", dataset_name="a_b|<i>&$%", with_tables=False)
    texts = {form: format_comparison(compare_runs([folder, other]), form) for form in FORMATS}
    assert r"a\_b\|&lt;i&gt;&$%" in texts["markdown"]
    assert r"a\_b|<i>\&\$\% & 40 & SemCo -{}-thr 0.5 &" in texts["latex"]
    assert "a_b|&lt;i&gt;&amp;$%" in texts["html"]
    assert "<i>" not in texts["html"]
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert [row["kind"] for row in rows] == ["runs", "runs", "difference"]
    assert rows[0]["dataset"] == "a_b|<i>&$%"
    assert float(rows[0]["mean"]) == pytest.approx(70.0)


def test_nothing_to_compare(study):
    with pytest.raises(SemcoError, match="nothing to compare"):
        compare_runs([])
    with pytest.raises(ValueError, match="no statistic"):
        compare_runs(study, statistic="luck")


def test_flags_that_the_programs_of_today_do_not_know_set_runs_apart(study):
    config = json.loads((study[3] / "config.json").read_text())
    config["flags"]["novel"] = 3
    (study[3] / "config.json").write_text(json.dumps(config))
    names = {variant.name for variant in compare_runs(study).variants}
    assert names == {"FixMatch", "SemCo --novel 3", "SemCo"}
