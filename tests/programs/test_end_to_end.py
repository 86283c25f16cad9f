"""Whole runs through the command line on generated images: what is written, what repeats, data of all kinds."""

import copy
import gc
import json
import os
import shutil
import subprocess
import sys
import weakref

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import run_semco
import split_maker
from models.trainer import Trainer
from tests.support.datasets import CLASSES, TERMS, make_dataset, write_split, write_vectors
from tests.support.project import ROOT
from tests.support.tiny_runs import equal, flags_for, label_rows, train, weights
from utils.files.pickles import dump_pickle, load_pickle

pytestmark = pytest.mark.usefixtures("no_pictures")


def test_the_run_folder_and_its_pictures(tiny_dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.undo()  # with pictures
    folder = train(tiny_dataset, tmp_path)
    assert folder.parent == tmp_path / "tiny" / "x14"
    expected = {
        "config.json", "train.log", "metrics.jsonl", "label_groups.csv", "last.pth", "best.pth", "summary.json",
        "learning_curves.png", "label_groups.png", "tensorboard", "previous.pth", ".lock", "pool_per_class.json",
        "evaluation.json", "predictions.parquet", "pool.parquet", "report.html",
    }  # fmt: skip
    assert {entry.name for entry in folder.iterdir()} == expected
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    assert {
        "loss", "class_labelled", "class_unlabelled", "emb_labelled", "emb_unlabelled", "mask_rate", "emb_mask_rate",
        "any_mask_rate", "lr", "images_per_second", "seconds", "top1", "top5", "top1_emb", "top5_emb",
        "top1_combined", "valid_loss", "pseudo_class_coverage", "pseudo_emb_precision", "pseudo_agreement",
    } <= set(records[0])  # fmt: skip
    rows = label_rows(folder)
    assert {row["class"]: (row["term"], row["rule"]) for row in rows}["green apple"] == ("apple", "head")
    assert [row["class"] for row in rows] == sorted(CLASSES)
    resolved = json.loads((folder / "config.json").read_text())["resolved"]
    assert (resolved["labelled_images"], resolved["unlabelled_images"], resolved["validation_images"]) == (14, 70, 28)
    for picture in ("learning_curves.png", "label_groups.png"):
        with Image.open(folder / picture) as image:
            assert len(np.unique(np.asarray(image.convert("L")))) > 10
    shown = capsys.readouterr()
    assert "median of the last 2" in shown.out
    assert "\r" not in shown.err  # no progress bar where nobody watches


def test_a_run_repeats_bit_by_bit(tiny_dataset, tmp_path):
    first = weights(train(tiny_dataset, tmp_path / "a"))
    assert equal(first, weights(train(tiny_dataset, tmp_path / "b")))
    assert not equal(first, weights(train(tiny_dataset, tmp_path / "c", "--seed", "124")))
    unseeded = [weights(train(tiny_dataset, tmp_path / name, "--seed", "-1")) for name in ("d", "e")]
    assert not equal(*unseeded)


def test_the_truth_of_unlabelled_images_is_measured_but_never_learnt_from(tiny_dataset, tmp_path):
    """The same images with the classes of the unlabelled ones dealt out anew: other precision, the same bits."""
    data = tmp_path / "data"
    shutil.copytree(tiny_dataset, data)
    path = data / "tiny" / "labels" / "labels_train.feather"
    table = pd.read_feather(path)
    labelled = {name.removeprefix("train/") for name in load_pickle(data / "split.pkl")}
    pool = ~table["id"].isin(labelled)
    table.loc[pool, "class"] = np.random.default_rng(0).permutation(table.loc[pool, "class"].to_numpy())
    table.to_feather(path)
    runs = [train(tiny_dataset, tmp_path / "a"), train(data, tmp_path / "b")]
    assert equal(*map(weights, runs))
    (first, _), (other, _) = (
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in runs
    )
    measured = [name for name in first if "precision" in name or name.endswith("ece")]
    assert [first[name] for name in measured] != [other[name] for name in measured]
    assert first["pseudo_emb_coverage"] == other["pseudo_emb_coverage"]
    assert first["top1"] == other["top1"]


def test_diagnostics_change_no_weight(tiny_dataset, tmp_path):
    silent = train(tiny_dataset, tmp_path / "a", "--diagnose-images", "0")
    talking = train(tiny_dataset, tmp_path / "b")
    assert equal(weights(silent), weights(talking))
    first = json.loads((talking / "metrics.jsonl").read_text().splitlines()[0])
    assert 0 < first["gradient_share_emb"] < 1
    assert -1 <= first["gradient_cosine"] <= 1
    assert not (silent / "pool_per_class.json").exists()
    assert not {"pseudo_images", "gradient_share_emb"} & set(
        json.loads((silent / "metrics.jsonl").read_text().splitlines()[0])
    )


def test_the_order_of_files_and_rows_does_not_matter(tiny_dataset, tmp_path):
    """The same dataset written backwards: other directory order, other row order, other order in the split."""
    folder, other = tiny_dataset / "tiny", tmp_path / "data" / "tiny"
    (other / "labels").mkdir(parents=True)
    for part in ("train", "test"):
        (other / part).mkdir()
        for path in sorted((folder / part).iterdir(), reverse=True):
            (other / part / path.name).write_bytes(path.read_bytes())
        name = f"labels/labels_{part}.feather"
        pd.read_feather(folder / name).sort_values("id", ascending=False).reset_index(drop=True).to_feather(
            other / name
        )
    (tmp_path / "data" / "vectors.txt").write_bytes((tiny_dataset / "vectors.txt").read_bytes())
    content = dict(reversed(load_pickle(tiny_dataset / "split.pkl").items()))
    dump_pickle(tmp_path / "data" / "split.pkl", content)
    assert equal(weights(train(tiny_dataset, tmp_path / "a")), weights(train(tmp_path / "data", tmp_path / "b")))


def test_the_hash_seed_of_the_process_does_not_matter(tiny_dataset, tmp_path):
    found = []
    for seed in ("1", "2"):
        output = tmp_path / seed
        arguments = flags_for(tiny_dataset, output, "--n-epoches", "1")
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "run_semco.py", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        found.append(weights(next(output.rglob("last.pth")).parent))
    assert equal(*found)


def test_own_classes_and_validation_images(tiny_dataset, tmp_path):
    names = sorted(CLASSES, reverse=True)
    dump_pickle(tmp_path / "classes.pkl", names)
    table = pd.read_feather(tiny_dataset / "tiny" / "labels" / "labels_test.feather")[:9]
    dump_pickle(
        tmp_path / "valid.pkl", {f"test/{file}": name for file, name in zip(table["id"], table["class"], strict=True)}
    )
    (tmp_path / "terms.csv").write_text("class,term\nOak_tree,sea\n")
    folder = train(
        tiny_dataset, tmp_path, "--classes-pickle", str(tmp_path / "classes.pkl"),
        "--valid-split-pickle", str(tmp_path / "valid.pkl"), "--label-terms", str(tmp_path / "terms.csv"),
    )  # fmt: skip
    rows = label_rows(folder)
    assert [row["class"] for row in rows] == names
    assert {row["class"]: row["rule"] for row in rows}["Oak_tree"] == "given"
    assert json.loads((folder / "config.json").read_text())["resolved"]["validation_images"] == 9


@pytest.mark.parametrize("classes", [2, 1000])
def test_few_and_many_classes(tmp_path, classes):
    names = [f"thing{number}" for number in range(classes)]
    make_dataset(tmp_path, "tiny", names, train=2, test=1, size=16)
    write_vectors(tmp_path / "vectors.txt", names, dim=12)
    write_split(tmp_path / "split.pkl", tmp_path / "tiny", per_class=1)
    folder = train(tmp_path, tmp_path / "out")
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["top5"] == 100.0 if classes == 2 else last["top5"] < 100.0


@pytest.mark.parametrize(("spread", "degenerates"), [(0.0, True), (0.05, True), (10.0, False)])
def test_all_in_one_group_and_each_alone(tiny_dataset, tmp_path, capsys, spread, degenerates):
    """All classes within one radius: grouping has degenerated, and each becomes a group; far apart: each is one anyway."""
    rng = np.random.default_rng(0)
    terms = [*TERMS, "pickup_truck"]
    vectors = 1.0 + spread * rng.normal(size=(len(terms), 8))
    lines = (f"{term} " + " ".join(f"{value:.6f}" for value in row) for term, row in zip(terms, vectors, strict=True))
    (tmp_path / "near.txt").write_text("\n".join(lines) + "\n")
    folder = train(tiny_dataset, tmp_path / "out", "--word-vec-path", str(tmp_path / "near.txt"))
    assert len({row["group"] for row in label_rows(folder)}) == len(CLASSES)
    assert ("left five groups or fewer" in capsys.readouterr().err) is degenerates


def test_pictures_of_every_kind_are_read(tiny_dataset, tmp_path):
    """Greyscale, palette, RGBA, 16-bit, CMYK and rotated photographs beside ordinary ones, all sizes mixed."""
    make_dataset(tmp_path, "tiny", CLASSES, train=12, test=4)
    train_folder = tmp_path / "tiny" / "train"
    files = sorted(train_folder.iterdir())
    modes = ["L", "P", "RGBA", "1", "LA", "I;16", "CMYK", "exif"]
    for path, mode in zip(files, modes, strict=False):
        with Image.open(path) as image:
            picture = image.convert("RGB").resize((40, 53))
        if mode == "I;16":
            picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
        elif mode == "exif":
            exif = Image.Exif()
            exif[0x0112] = 6
            picture.save(path, format="JPEG", exif=exif)
            continue
        else:
            picture = picture.convert(mode)
        picture.save(path, format="JPEG" if mode == "CMYK" else "PNG")
    (tmp_path / "vectors.txt").write_bytes((tiny_dataset / "vectors.txt").read_bytes())
    write_split(tmp_path / "split.pkl", tmp_path / "tiny", per_class=2)
    train(tmp_path, tmp_path / "out")


def test_split_then_train(tiny_dataset, tmp_path):
    arguments = [
        "--dataset-path",
        str(tiny_dataset),
        "--dataset-name",
        "tiny",
        "--output-path",
        str(tmp_path / "splits"),
    ]
    assert split_maker.main([*arguments, "--instances-per-label", "3", "--random-seed", "007"]) == 0
    split = tmp_path / "splits" / "tiny_labelled_data_3_seed7.pkl"
    folder = train(tiny_dataset, tmp_path / "out", "--train-split-pickle", str(split))
    assert folder.parent.name == "x21"


def test_bad_images_are_named_or_left_out(tiny_dataset, tmp_path, capsys):
    make_dataset(tmp_path, "tiny", CLASSES, train=12, test=4)
    (tmp_path / "tiny" / "train" / "003_011.png").write_bytes(b"no picture")
    (tmp_path / "vectors.txt").write_bytes((tiny_dataset / "vectors.txt").read_bytes())
    write_split(tmp_path / "split.pkl", tmp_path / "tiny", per_class=2)
    assert run_semco.main(flags_for(tmp_path, tmp_path / "out")) == 2
    shown = capsys.readouterr().err
    assert "003_011.png" in shown
    assert "--skip-bad-images" in shown
    assert not (tmp_path / "out").exists()
    train(tmp_path, tmp_path / "out", "--skip-bad-images")
    assert "1 of 70 unlabelled images cannot be decoded" in capsys.readouterr().err


def test_a_mistake_takes_one_line_and_leaves_nothing(tiny_dataset, tmp_path, capsys):
    assert run_semco.main(flags_for(tiny_dataset, tmp_path / "out", "--im-size", "8")) == 2
    assert run_semco.main(flags_for(tiny_dataset, tmp_path / "out", name="tinny")) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_pixels_that_were_moved_to_a_gpu_leave_the_host(tiny_dataset, tmp_path, monkeypatch):
    left = []

    def move(data, wanted, device):
        left.append(weakref.ref(data.pool.store))
        return copy.deepcopy(data)

    def check(self, *arguments, **named):
        gc.collect()
        assert left[-1]() is None
        return trained(self, *arguments, **named)

    trained = Trainer.train_epoch
    monkeypatch.setattr("loaders.feed.place_pixels", move)
    monkeypatch.setattr(Trainer, "train_epoch", check)
    train(tiny_dataset, tmp_path)
    assert left
