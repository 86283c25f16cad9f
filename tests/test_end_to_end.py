"""Whole runs through the command line on generated images: what is written, what repeats, every choice and switch."""

import csv
import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import run_semco
import split_maker
from conftest import CLASSES, TERMS, make_dataset, write_split, write_vectors
from utils.checkpoint import load_checkpoint
from utils.config import Config
from utils.run_dir import RunDir
from utils.safe_pickle import dump_pickle

ROOT = Path(__file__).parent.parent
TINY = [
    "--im-size", "16", "--cropsize", "16", "--wres-n", "10", "--wres-k", "1", "--bn-momentum", "0.1", "--batch-size", "4",
    "--n-imgs-per-epoch", "12", "--n-epoches", "2", "--thr", "0.3", "--thr-emb", "0.1", "--ema-alpha", "0.5", "--device", "cpu",
    "--no_amp", "--num-workers-per-gpu", "2",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_pictures(request, monkeypatch):
    """Drawing takes longer than these trainings; the test of the run folder draws."""
    if "pictures" not in request.node.name:
        monkeypatch.setattr(RunDir, "draw_pictures", lambda *_: None)


def flags_for(root: Path, output: Path, *more: str, name: str = "tiny") -> list[str]:
    return [
        *("--dataset-path", str(root), "--dataset-name", name, "--train-split-pickle", str(root / "split.pkl")),
        *("--word-vec-path", str(root / "vectors.txt"), "--output-dir", str(output), *TINY, *more),
    ]


def train(root: Path, output: Path, *more: str, name: str = "tiny") -> Path:
    """Run the program; returns the run folder."""
    assert run_semco.main(flags_for(root, output, *more, name=name)) == 0
    (folder,) = (path.parent for path in output.rglob("summary.json"))
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = load_checkpoint(folder / "last.pth")
    return {f"{part}.{name}": value for part in ("model", "ema") for name, value in state[part].items()}


def label_rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "label_groups.csv").read_text(encoding="utf-8").splitlines()))


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_the_run_folder_and_its_pictures(tiny_dataset, tmp_path, capsys):
    folder = train(tiny_dataset, tmp_path)
    assert folder.parent == tmp_path / "tiny" / "x14"
    expected = {
        "config.json", "train.log", "metrics.jsonl", "label_groups.csv", "last.pth", "best.pth", "summary.json",
        "learning_curves.png", "label_groups.png", "tensorboard", "previous.pth", ".lock",
    }  # fmt: skip
    assert {entry.name for entry in folder.iterdir()} == expected
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    assert {
        "loss", "class_labelled", "class_unlabelled", "emb_labelled", "emb_unlabelled", "mask_rate", "emb_mask_rate",
        "any_mask_rate", "lr", "images_per_second", "seconds", "top1", "top5", "top1_emb", "top5_emb",
        "top1_combined", "valid_loss",
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
    content = dict(reversed(run_split(tiny_dataset).items()))
    dump_pickle(tmp_path / "data" / "split.pkl", content)
    assert equal(weights(train(tiny_dataset, tmp_path / "a")), weights(train(tmp_path / "data", tmp_path / "b")))


def run_split(root: Path) -> dict[str, str]:
    table = pd.read_feather(root / "tiny" / "labels" / "labels_train.feather").sort_values("id")
    chosen = table.groupby("class").head(2)
    return {f"train/{file}": name for file, name in zip(chosen["id"], chosen["class"], strict=True)}


def test_the_hash_seed_of_the_process_does_not_matter(tiny_dataset, tmp_path):
    found = []
    for seed in ("1", "2"):
        output = tmp_path / seed
        arguments = flags_for(tiny_dataset, output, "--n-epoches", "1")
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "run_semco.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.append(weights(next(output.rglob("last.pth")).parent))
    assert equal(*found)


# What each choice and switch of the command line is tried with; a choice that nobody tries fails the test below this list.
TRIED = {
    "cache_imgs": ["auto", "memory", "disk", "none"],
    "unmatched_labels": ["error", "random"],
    "model_backbone": ["wres", "resnet18", "resnet50"],
    "es_metric": ["accuracy", "loss"],
    "device": ["auto", "cpu"],
    "amp_backend": ["auto", "torch"],
    "amp_dtype": ["auto", "bfloat16"],
    "data_device": ["auto", "cpu"],
    "on_nan": ["stop", "skip"],
}
# Tried elsewhere: the stand-in for apex in test_precision.py; what needs a GPU in test_gpu.py.
ELSEWHERE = {("amp_backend", "apex"), ("amp_dtype", "float16"), ("device", "cuda"), ("data_device", "cuda")}
SWITCHES = [
    ["--skip-bad-images"],
    ["--no-cotrain"],
    ["--no-imgnet-pretrained", "--model_backbone", "resnet18"],
    ["--freeze-backbone"],
    ["--amp", "--amp-dtype", "bfloat16"],
    ["--no-parallel"],
    ["--no_progress_bar"],
    ["--lambda-emb", "0"],
    ["--lambda-emb", "0", "--lam-u", "0"],
    ["--lam-u", "0"],
    ["--eps", "0"],
    ["--eps", "2"],
    ["--cropsize", "12"],
    ["--break-epoch", "1"],
    ["--early-stopping-epochs", "1", "--min-wait-before-es", "0"],
    ["--weight-decay", "0"],
    ["--mu", "40"],
]


def test_every_choice_is_tried():
    for entry in dataclasses.fields(Config):
        for choice in entry.metadata.get("choices", ()):
            assert choice in TRIED.get(entry.name, ()) or (entry.name, choice) in ELSEWHERE, (entry.name, choice)
    switches = {entry.name.replace("_", "-") for entry in dataclasses.fields(Config) if isinstance(entry.default, bool)}
    said = {flag.replace("_", "-").removeprefix("--").removeprefix("no-") for flag in itertools.chain(*SWITCHES)}
    # Tried below, in test_gpu.py, and by tests of their own; a preview trains nothing and leaves no summary.
    assert switches - said <= {"use-pretrained", "cuda-graph", "compile", "preview"}


@pytest.mark.parametrize(("flag", "choice"), [(flag, choice) for flag, some in TRIED.items() for choice in some])
def test_every_choice_trains(tiny_dataset, tmp_path, flag, choice):
    amp = ["--amp"] if flag.startswith("amp") else []
    folder = train(tiny_dataset, tmp_path, f"--{flag}", choice, "--no-imgnet-pretrained", "--n-epoches", "1", *amp)
    assert json.loads((folder / "config.json").read_text())["flags"][flag] == choice


@pytest.mark.parametrize("switch", SWITCHES, ids=" ".join)
def test_every_switch_trains(tiny_dataset, tmp_path, switch):
    folder = train(tiny_dataset, tmp_path, *switch)
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert np.isfinite(last["loss"])
    if "--lam-u" in switch:
        assert last["class_unlabelled"] == last["emb_unlabelled"] == last["mask_rate"] == 0
    elif "--lambda-emb" in switch:
        assert last["loss"] == pytest.approx(last["class_labelled"] + last["class_unlabelled"], rel=1e-5)
    if "--break-epoch" in switch:
        assert last["epoch"] == 1
        assert last["lr"] == pytest.approx(0.03 * np.cos(7 * np.pi * 2 / (16 * 6)))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
@pytest.mark.filterwarnings("default")
def test_a_compiled_network_trains_alike(tiny_dataset, tmp_path):
    plain = train(tiny_dataset, tmp_path / "a", "--n-epoches", "1")
    compiled = train(tiny_dataset, tmp_path / "b", "--n-epoches", "1", "--compile")
    losses = [json.loads((folder / "metrics.jsonl").read_text())["loss"] for folder in (plain, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cuda-graph"], "--cuda-graph needs a CUDA GPU"),
        (["--data-device", "cuda"], "training is on the CPU"),
        (["--amp", "--amp-dtype", "float16"], "is for GPUs"),
        (["--amp", "--amp-backend", "apex"], "apex"),
    ],
)
def test_what_needs_a_gpu_says_so(tiny_dataset, tmp_path, capsys, flags, message):
    assert run_semco.main(flags_for(tiny_dataset, tmp_path / "out", *flags)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_frozen_backbone_does_not_move(tiny_dataset, tmp_path):
    first = weights(train(tiny_dataset, tmp_path / "a", "--freeze-backbone", "--break-epoch", "1"))
    second = weights(train(tiny_dataset, tmp_path / "b", "--freeze-backbone"))
    moved = {name for name in first if not torch.equal(first[name], second[name])}
    assert moved
    assert all(".fc_" in name for name in moved)


def test_starting_from_a_checkpoint(tiny_dataset, tmp_path):
    start = train(tiny_dataset, tmp_path / "a")
    more = ["--use-pretrained", "--checkpoint-path", str(start / "last.pth"), "--lr", "1e-9", "--ema-alpha", "0"]
    second = weights(train(tiny_dataset, tmp_path / "b", *more))
    first = weights(start)
    for name, value in second.items():
        if name.startswith("model.") and value.is_floating_point() and "running" not in name:
            torch.testing.assert_close(value, first["ema." + name.removeprefix("model.")], atol=1e-6, rtol=1e-5)


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


@pytest.mark.parametrize(("spread", "groups"), [(0.0, 7), (0.05, 7), (10.0, 7)])
def test_all_in_one_group_and_each_alone(tiny_dataset, tmp_path, spread, groups):
    """All classes within one radius: grouping has degenerated, and each becomes a group; far apart: each is one anyway."""
    rng = np.random.default_rng(0)
    terms = [*TERMS, "pickup_truck"]
    vectors = 1.0 + spread * rng.normal(size=(len(terms), 8))
    lines = (f"{term} " + " ".join(f"{value:.6f}" for value in row) for term, row in zip(terms, vectors, strict=True))
    (tmp_path / "near.txt").write_text("\n".join(lines) + "\n")
    folder = train(tiny_dataset, tmp_path / "out", "--word-vec-path", str(tmp_path / "near.txt"))
    rows = label_rows(folder)
    assert len({row["group"] for row in rows}) == groups


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
