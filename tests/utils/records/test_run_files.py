"""A run folder is read as it is, and what is damaged is named."""

import json

import pytest

from tests.utils.results.made_runs import make_run
from utils.errors import SemcoError
from utils.records.run_files import best_epoch, find_runs, number, read_run


def test_a_run_is_read_with_all_flags(tmp_path):
    run = read_run(make_run(tmp_path / "run", epochs=3, mu=7))
    assert run.flags["mu"] == 7
    assert run.flags["thr"] == 0.95
    assert [record["epoch"] for record in run.history] == [1, 2, 3]
    assert run.is_complete
    assert run.labels[1].term == "term 1"


def test_an_old_run_lacks_files_and_flags(tmp_path):
    folder = make_run(tmp_path / "run", with_tables=False, complete=False)
    config = json.loads((folder / "config.json").read_text())
    del config["flags"]["on_nan"]
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("label_groups.csv", "metrics.jsonl"):
        (folder / name).unlink()
    run = read_run(folder)
    assert run.flags["on_nan"] == "stop"
    assert not run.is_complete
    assert (run.history, run.labels, run.evaluation, run.pool) == ((), (), None, ())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.json", "{", r"config\.json is no JSON"),
        ("config.json", "[]", r"config\.json: expected a JSON object, found list"),
        ("config.json", '{"flags": 3}', r"config\.json: expected an object under 'flags'"),
        ("metrics.jsonl", '{"epoch": 1}\n{"epo', r"metrics\.jsonl, line 2 is no JSON"),
        ("metrics.jsonl", '{"epoch": 1}\n{}', r"metrics\.jsonl, line 2: expected an object with an epoch"),
        ("summary.json", "nonsense", r"summary\.json is no JSON"),
        ("evaluation.json", "[" * 100_000, r"evaluation\.json is no JSON"),
        (
            "pool_per_class.json",
            '[{"class": "a"}]',
            r"pool_per_class\.json: expected a list with class, class_confident",
        ),
        (
            "label_groups.csv",
            "class,term,rule,group\nonly one\n",
            r"label_groups\.csv is no table of class, term, rule, group",
        ),
        ("label_groups.csv", "a,b\n1,2\n", r"label_groups\.csv is no table of class, term, rule, group"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, text, message):
    folder = make_run(tmp_path / "run")
    (folder / name).write_text(text)
    with pytest.raises(SemcoError, match=message):
        read_run(folder)


def test_names_that_spreadsheets_would_calculate_are_as_they_were(tmp_path):
    folder = make_run(tmp_path / "run", with_tables=False)
    (folder / "label_groups.csv").write_text("class,term,rule,group\n'=1+1,'-x,exact,0\n'tis,y,exact,1\n")
    assert [(row.name, row.term) for row in read_run(folder).labels] == [("=1+1", "-x"), ("'tis", "y")]


def test_runs_are_found_below_a_folder(tmp_path):
    folders = [make_run(tmp_path / "runs" / "made" / "x40" / name, with_tables=False) for name in ("b", "a")]
    assert find_runs(tmp_path / "runs") == sorted(folders)
    assert find_runs(folders[0]) == [folders[0]]
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name, message in (("empty", "holds no run folder"), ("file", "is no folder"), ("gone", "does not exist")):
        with pytest.raises(SemcoError, match=message):
            find_runs(tmp_path / name)
        with pytest.raises(SemcoError, match=message.replace("run folder", r"config\.json")):
            read_run(tmp_path / name)


def test_best_epoch_is_the_first_of_equals(tmp_path):
    folder = make_run(tmp_path / "run", with_tables=False)
    records = [{"epoch": 1, "top1": 5.0, "valid_loss": 2.0}, {"epoch": 2, "top1": 9.0, "valid_loss": None}]
    records += [{"epoch": 3, "top1": 9.0, "valid_loss": 1.0}]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)))
    assert best_epoch(read_run(folder))["epoch"] == 2
    other = make_run(tmp_path / "other", with_tables=False, es_metric="loss")
    (other / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)))
    assert best_epoch(read_run(other))["epoch"] == 3


def test_number_takes_finite_numbers_only():
    record = {"a": 1, "nan": float("nan"), "none": None, "text": "1", "true": True}
    assert number(record, "a") == 1.0
    assert [number(record, name) for name in ("nan", "none", "text", "true", "gone")] == [None] * 5
