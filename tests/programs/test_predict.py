import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import predict_semco
from loaders.dataset.split import read_split
from tests.support.classifiers import write_checkpoint
from tests.support.datasets import CLASSES
from tests.support.project import ROOT
from tests.support.short_runs import save_photo
from tests.support.tiny_runs import train


@pytest.fixture(scope="module")
def run(tiny_dataset, tmp_path_factory):
    """A run folder of the tiny dataset."""
    patch = pytest.MonkeyPatch()
    patch.setattr("utils.run.folder.RunFolder.draw_pictures", lambda *_: None)
    yield train(tiny_dataset, tmp_path_factory.mktemp("runs"))
    patch.undo()


@pytest.fixture
def supervised(tmp_path):
    """A checkpoint of a run that did not train its embedding head."""
    return write_checkpoint(tmp_path / "supervised.pth", config={"dataset_name": "tiny", "lambda_emb": 0.0})


def test_a_head_that_was_not_trained_has_no_say(supervised, tiny_dataset, tmp_path, capsys):
    images = tiny_dataset / "tiny" / "test"
    assert _predict(supervised, images, "--output", tmp_path / "p.csv") == 0
    rows = _rows(tmp_path / "p.csv")
    assert all(row["label"] == row["class_label"] and row["confidence"] == row["class_confidence"] for row in rows)
    assert {row["embedding_label"] + row["embedding_confidence"] + row["heads_agree"] for row in rows} == {""}
    said = capsys.readouterr().err
    assert "did not train its embedding head (--lambda-emb 0): the class head answers alone" in said
    assert "class head: 95% interval" in said
    assert "both heads" not in said
    assert "agree" not in said


@pytest.mark.parametrize("flags", [["--head", "both"], ["--head", "embedding"], ["--classes", "new.txt"]], ids=" ".join)
def test_a_head_that_was_not_trained_is_not_asked(supervised, tiny_dataset, capsys, flags):
    assert _predict(supervised, tiny_dataset / "tiny" / "test", *flags) == 2
    error = capsys.readouterr().err
    assert "did not train" in error
    assert error.count("\n") == 1


@pytest.fixture
def folder(tmp_path):
    """Photographs of several formats and sizes, one of them broken."""
    for number, suffix in enumerate(("png", "jpg", "webp", "bmp", "gif", "tiff", "ppm", "jp2")):
        save_photo(tmp_path / "in" / "deep" / f"{number}.{suffix}", seed=number, size=(20 + number, 40 - number))
    (tmp_path / "in" / "x.png").write_bytes(b"broken")
    return tmp_path / "in"


def _predict(*arguments) -> int:
    return predict_semco.main([*map(str, arguments), "--device", "cpu", "--num-workers", "0"])


def _rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def test_a_folder_of_the_validation_images_gives_the_evaluations_accuracy(run, tiny_dataset, tmp_path, capsys):
    assert _predict(run, tiny_dataset / "tiny" / "test", "--output", tmp_path / "p.csv", "--head", "class") == 0
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    rows = _rows(tmp_path / "p.csv")
    assert len(rows) == 28
    for column, name in (("class_label", "top1"), ("embedding_label", "top1_emb"), ("label", "top1")):
        assert 100 * np.mean([row[column] == row["true_label"] for row in rows]) == pytest.approx(last[name], abs=1e-9)
    said = capsys.readouterr().err
    assert f"both heads {last['top1_combined']:.2f}%" in said
    assert f"class head {last['top1']:.2f}% (top-5 {last['top5']:.2f}%)" in said
    assert f"embedding head {last['top1_emb']:.2f}%" in said
    assert "95% interval" in said
    assert "the heads agree on" in said


def test_class_folders_are_the_truth(run, tiny_dataset, tmp_path, capsys):
    table = pd.read_feather(tiny_dataset / "tiny" / "labels" / "labels_test.feather")
    for name, label in zip(table["id"], table["class"], strict=True):
        target = tmp_path / "in" / label / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((tiny_dataset / "tiny" / "test" / name).read_bytes())
    assert _predict(run, tmp_path / "in", "--output", tmp_path / "p.csv") == 0
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"class head {last['top1']:.2f}%" in capsys.readouterr().err


def test_formats_on_stdout_are_the_rows_alone(run, folder, capsys):
    assert _predict(run, folder / "deep", "--format", "json", "--topk", 2) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [os.path.basename(row["file"])[0] for row in rows] == list("01234567")  # noqa: PTH119
    assert all(row["label"] == row["label_1"] and row["label"] in CLASSES for row in rows)
    assert "label_3" not in rows[0]
    assert "true_label" not in rows[0]


def test_a_bad_image_ends_it_and_leaves_nothing_unless_it_may_be_skipped(run, folder, tmp_path, capsys):
    outputs = ["--output", tmp_path / "p.csv", "--embeddings", tmp_path / "e.npy", "--copy-to", tmp_path / "sorted"]
    assert _predict(run, folder, *outputs) == 2
    assert "x.png cannot be decoded" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert _predict(run, folder, *outputs, "--skip-bad-images") == 0
    assert "1 of 9 images" in capsys.readouterr().err
    rows = _rows(tmp_path / "p.csv")
    assert [bool(row["error"]) for row in rows] == [False] * 8 + [True]
    embeddings = np.load(tmp_path / "e.npy")
    assert np.isnan(embeddings).any(axis=1).tolist() == [False] * 8 + [True]
    copied = sorted(path.name for path in (tmp_path / "sorted").rglob("*.*"))
    assert copied == sorted(path.name for path in (folder / "deep").iterdir())


def test_min_confidence_decides_what_is_copied(run, folder, tmp_path):
    assert _predict(run, folder / "deep", "--output", tmp_path / "all.csv") == 0
    limit = sorted(float(row["confidence"]) for row in _rows(tmp_path / "all.csv"))[4]
    arguments = ("--min-confidence", limit, "--copy-to", tmp_path / "sorted", "--output", tmp_path / "p.csv")
    assert _predict(run, folder / "deep", *arguments) == 0
    accepted = {os.path.basename(row["file"]) for row in _rows(tmp_path / "p.csv") if row["accepted"] == "true"}  # noqa: PTH119
    assert 0 < len(accepted) < 8
    assert {path.name for path in (tmp_path / "sorted").rglob("*.*")} == accepted


def test_the_runs_pool_becomes_a_split_for_the_next_training(run, tiny_dataset, tmp_path, capsys):
    split = tmp_path / "next.csv"
    outputs = ("--output", tmp_path / "p.csv", "--as-split", split)
    assert _predict(run, "--unlabelled", "--min-confidence", "0", *outputs) == 0
    pool = read_split(split)
    labelled = read_split(tiny_dataset / "split.pkl")
    assert pool.part == "train"
    assert not set(pool.classes) & set(labelled.classes)
    assert len(pool) + len(labelled) == 7 * 12
    assert "another class in the labels feather" in capsys.readouterr().err
    by_file = {os.path.basename(row["file"]): row["label"] for row in _rows(tmp_path / "p.csv")}  # noqa: PTH119
    assert pool.classes == by_file


def test_photographs_from_elsewhere_make_no_split(run, folder, tmp_path, capsys):
    assert _predict(run, folder / "deep", "--min-confidence", "0.5", "--as-split", tmp_path / "s.pkl") == 2
    assert "no training image" in capsys.readouterr().err
    assert not (tmp_path / "s.pkl").exists()


def test_new_classes_are_scored_by_the_embedding_head(run, folder, tiny_dataset, tmp_path, capsys):
    (tmp_path / "new.txt").write_text("fish\nsea\nracing car\n")
    assert _predict(run, folder / "deep", "--classes", tmp_path / "new.txt", "--output", tmp_path / "p.csv") == 0
    rows = _rows(tmp_path / "p.csv")
    assert {row["label"] for row in rows} <= {"fish", "sea", "racing car"}
    assert all(row["label"] == row["embedding_label"] and not row["class_label"] for row in rows)
    assert "experimental" in capsys.readouterr().err


def test_other_word_vectors_are_refused_for_new_classes(run, folder, tiny_dataset, tmp_path, capsys):
    (tmp_path / "new.txt").write_text("fish\nsea\n")
    text = (tiny_dataset / "vectors.txt").read_text()
    (tmp_path / "other.txt").write_text(text.replace("house ", "house 9").replace("house 9-", "house 9"))
    arguments = ("--classes", tmp_path / "new.txt", "--word-vec-path", tmp_path / "other.txt")
    assert _predict(run, folder / "deep", *arguments) == 2
    assert "other vectors than the run was trained with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no images"),
        (["--unlabelled", "x.png"], "drop one"),
        (["x.png", "--format", "parquet"], "--output"),
        (["x.png", "--embeddings", "e.txt"], ".npy"),
        (["x.png", "--as-split", "s.pkl"], "--min-confidence"),
        (["x.png", "--as-split", "s.feather", "--min-confidence", "0.5"], ".pkl"),
        (["x.png", "--word-vec-path", "v.txt"], "--classes"),
        (["x.png", "--classes", "c.txt", "--head", "class"], "embedding head alone"),
        (["x.png", "--output", "a.npy", "--embeddings", "./a.npy"], "one file"),
        (["x.png", "--min-confidence", "1.5"], "probability"),
        (["x.png", "--topk", "0"], "whole number"),
        (["x.png", "--top", "3"], "did you mean --topk"),
        (["missing.png"], "does not exist"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, arguments, words):
    path = write_checkpoint(tmp_path / "last.pth")
    assert predict_semco.main([str(path), *arguments]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")
    assert words in said.err
    assert said.out == ""


def test_flags_may_stand_between_the_paths(tmp_path, folder, capsys):
    path = write_checkpoint(tmp_path / "last.pth")
    assert predict_semco.main([str(path), "--topk", "1", str(folder / "deep" / "0.png"), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.count("\n") == 2


def test_help_answers_at_once():
    start = time.perf_counter()
    said = subprocess.run(
        [sys.executable, "predict_semco.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert time.perf_counter() - start < 5  # 0.07 s on an idle machine; torch alone takes more than a second
    assert "experimental" in said.stdout
    loaded = "import sys, predict_semco; print(sorted({'torch', 'numpy', 'PIL', 'pyarrow'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True).stdout.strip() == "[]"
    )


def test_a_stopped_prediction_leaves_nothing(tmp_path, folder, monkeypatch):
    path = write_checkpoint(tmp_path / "last.pth")

    def stop(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("models.predict.predict", stop)
    assert _predict(path, folder / "deep", "--output", tmp_path / "p.csv") == 128 + signal.SIGTERM
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in", "last.pth"]
