"""Tables of files and classes."""

import os

import pandas as pd
import pytest

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from tests.support.short_runs import prepare_and_train, save_photo

pytestmark = pytest.mark.usefixtures("no_pictures")
NAMES = ("red apple", "None", "bee")
ROWS = [(f"{name[:1]}/{number}.jpg", name) for name in NAMES for number in range(6)] + [("x/0.jpg", None)]
WRITERS = {
    "csv": lambda table, path: table.to_csv(path, index=False),
    "tsv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "feather": lambda table, path: table.to_feather(path),
    "parquet": lambda table, path: table.to_parquet(path),
}


@pytest.fixture
def source(tmp_path):
    for seed, (file, _) in enumerate(ROWS):
        save_photo(tmp_path / "source" / file, seed=seed)
    return tmp_path / "source"


def _arguments(source, table, *flags):
    return ["table", "--source", str(source), "--table", str(table), "--dataset-name", "mine", *flags]


def _prepare(source, table, *flags):
    return main([*_arguments(source, table, *flags), "--output", str(source.parent / "data")])


@pytest.mark.parametrize("kind", WRITERS)
def test_formats(source, tmp_path, kind):
    path = tmp_path / f"images.{kind}"
    WRITERS[kind](pd.DataFrame(ROWS, columns=["file", "class"]), path)
    assert _prepare(source, path, "--test-fraction", "0.3") == 0
    train, test = (load_index(tmp_path / "data" / "mine", part) for part in ("train", "test"))
    assert (len(train), len(test)) == (13, 6)
    assert train.class_names == ("None", "bee", "red apple")
    assert train.labels[train.ids.index("x__0.jpg")] == -1
    original = (source / "x" / "0.jpg").read_bytes()
    assert (tmp_path / "data" / "mine" / "train" / "x__0.jpg").read_bytes() == original


def test_two_tables_with_other_columns(source, tmp_path):
    table = pd.DataFrame(ROWS[:-1], columns=["path", "kind"])
    table["kind"] = table["kind"].map({name: code for code, name in enumerate(NAMES)})
    table[table.index % 3 > 0].reset_index().to_feather(tmp_path / "train.feather")
    table[table.index % 3 == 0].to_csv(tmp_path / "test.csv")
    flags = ["--test-table", str(tmp_path / "test.csv"), "--file-column", "path", "--class-column", "kind"]
    facts = prepare_and_train(tmp_path, _arguments(source, tmp_path / "train.feather", *flags), "mine")
    assert (facts["classes"], facts["labelled_images"], facts["unlabelled_images"]) == (3, 6, 6)
    assert facts["validation_images"] == 6
    assert load_index(tmp_path / "data" / "mine", "train").class_names == ("0", "1", "2")


def test_without_a_test_part(source, tmp_path):
    pd.DataFrame(ROWS, columns=["file", "class"]).to_csv(tmp_path / "images.csv", index=False)
    arguments = _arguments(source, tmp_path / "images.csv", "--link")
    facts = prepare_and_train(tmp_path, arguments, "mine", "--valid-fraction", "0.25", per_label=4)
    assert (facts["labelled_images"], facts["validation_images"], facts["unlabelled_images"]) == (9, 3, 7)
    assert not (tmp_path / "data" / "mine" / "test").exists()


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (ROWS, ["id", "class"], "lacks the column 'file' (it has id, class): name another one with --file-column"),
        (
            ROWS,
            ["file", "label"],
            "lacks the column 'class' (it has file, label): name another one with --class-column",
        ),
        ([*ROWS, ("gone.jpg", "bee"), ("lost.jpg", "bee")], ["file", "class"], "gone.jpg does not exist (and 1 more)"),
        ([*ROWS, ROWS[0]], ["file", "class"], "lists 'r/0.jpg' twice (rows 0 and 19): each image must be listed once"),
        ([*ROWS, ("x/0", "bee")], ["file", "class"], "x/0 does not exist, but x/0.jpg is there"),
        ([*ROWS, ("X/0.JPG", "bee")], ["file", "class"], "X/0.JPG does not exist, but x/0.jpg is there"),
        ([*ROWS, ("x\\0.jpg", "bee")], ["file", "class"], "'x\\\\0.jpg': write / between folders, not a backslash"),
        ([*ROWS, (None, "bee")], ["file", "class"], "row 19 has no file name"),
        ([*ROWS, ("../x.jpg", "bee")], ["file", "class"], "'../x.jpg', which is not inside"),
        ([*ROWS, ("/etc/passwd", "bee")], ["file", "class"], "'/etc/passwd', which is not inside"),
        ([*ROWS, ("x/0.png", " ")], ["file", "class"], "row 19 has the class ' ', expected a name"),
        (ROWS[:6], ["file", "class"], "the source has 1 classes"),
        (ROWS[:0], ["file", "class"], "the source has 0 classes"),
    ],
)
def test_rows_that_make_no_sense(source, tmp_path, capsys, rows, columns, words):
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "images.csv", index=False)
    assert _prepare(source, tmp_path / "images.csv") == 2
    shown = capsys.readouterr().err.strip()
    assert words in shown
    assert "\n" not in shown
    assert not (tmp_path / "data").exists()


def test_numbers_that_are_no_names(source, tmp_path, capsys):
    pd.DataFrame({"file": ["r/0.jpg", "b/0.jpg"], "class": [0.5, 1.5]}).to_parquet(tmp_path / "images.parquet")
    assert _prepare(source, tmp_path / "images.parquet") == 2
    assert "row 0 has the class 0.5, expected a name" in capsys.readouterr().err
    pd.DataFrame({"file": ["r/0.jpg"], "class": [["a", "b"]]}).to_parquet(tmp_path / "images.parquet")
    assert _prepare(source, tmp_path / "images.parquet") == 2
    assert "row 0 has the class" in capsys.readouterr().err
    pd.DataFrame({"file": [1, 2], "class": ["a", "b"]}).to_parquet(tmp_path / "images.parquet")
    assert _prepare(source, tmp_path / "images.parquet") == 2
    assert "row 0 has no file name" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["images.csv", "images.feather", "images.parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00damaged\xff\n\x00\x01,\x02\n,,,,,\n"])
def test_damaged_tables(source, tmp_path, capsys, name, content):
    (tmp_path / name).write_bytes(content)
    assert _prepare(source, tmp_path / name) == 2
    shown = capsys.readouterr().err.strip()
    assert f"{name} cannot be read" in shown
    assert "\n" not in shown


@pytest.mark.parametrize("name", ["images.csv", "images.tsv", "images.feather", "images.parquet"])
def test_a_pipe_for_a_table_is_refused_at_once(source, tmp_path, capsys, name):
    os.mkfifo(tmp_path / name)
    assert _prepare(source, tmp_path / name) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / name} is a pipe: expected a regular file\n"


def test_other_mistakes(source, tmp_path, capsys):
    assert _prepare(source, tmp_path / "gone.csv") == 2
    assert "gone.csv does not exist" in capsys.readouterr().err
    assert _prepare(source, tmp_path / "images.xlsx") == 2
    assert "expected .csv, .tsv, .feather, .parquet" in capsys.readouterr().err
    assert _prepare(source, tmp_path / "gone.csv", "--test-table", "x.csv", "--test-fraction", "0.5") == 2
    assert "give one of them" in capsys.readouterr().err
    pd.DataFrame(ROWS[:-1], columns=["file", "class"]).to_csv(tmp_path / "images.csv", index=False)
    pd.DataFrame([("x/0.jpg", "wasp")], columns=["file", "class"]).to_csv(tmp_path / "test.csv", index=False)
    assert _prepare(source, tmp_path / "images.csv", "--test-table", str(tmp_path / "test.csv")) == 2
    assert "a class that train lacks" in capsys.readouterr().err


def test_an_image_in_both_tables(source, tmp_path, capsys):
    for name in ("train", "test"):
        pd.DataFrame(ROWS, columns=["file", "class"]).to_csv(tmp_path / f"{name}.CSV", index=False)
    assert _prepare(source, tmp_path / "train.CSV", "--test-table", str(tmp_path / "test.CSV")) == 2
    assert "both list 'N__0.jpg' (and 18 more): an image is for training or for testing" in capsys.readouterr().err


def test_blanks_around_a_class_name(source, tmp_path):
    rows = [(file, name and f" {name} ") for file, name in ROWS[:3]] + ROWS[3:]
    pd.DataFrame(rows, columns=["file", "class"]).to_csv(tmp_path / "images.csv", index=False)
    assert _prepare(source, tmp_path / "images.csv") == 0
    assert load_index(tmp_path / "data" / "mine", "train").class_names == ("None", "bee", "red apple")
