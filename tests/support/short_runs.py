"""The way from a source of images to a finished run, as a user goes it, in a second."""

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

import run_semco
import split_maker
from loaders.prepare.__main__ import main as prepare
from tests.support.datasets import write_vectors
from tests.support.sample_images import photo_crops
from utils.files.tables import read_class_names
from utils.words.terms import normalise


def prepare_and_train(root: Path, source: list[str], name: str, *flags: str, per_label: int = 2) -> dict:
    """Prepare, split and train two steps; returns what config.json says was decided.

    Args:
        source: arguments of the source, without --output.
        flags: more flags for the training.
    """
    assert prepare([*source, "--output", str(root / "data")]) == 0
    return split_and_train(root, name, *flags, per_label=per_label)


def split_and_train(root: Path, name: str, *flags: str, per_label: int = 2) -> dict:
    """Split and train two steps on the dataset `name` in `root`/data; returns what config.json says was decided."""
    splits = ["--dataset-path", str(root / "data"), "--dataset-name", name, "--output-path", str(root / "splits")]
    assert split_maker.main([*splits, "--instances-per-label", str(per_label), "--force"]) == 0
    assert train(root, name, f"{name}_labelled_data_{per_label}_seed0.pkl", *flags) == 0
    (run,) = (root / "runs" / name).glob("*/*")
    (epoch,) = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert epoch["step"] == 2
    assert all(math.isfinite(value) for value in epoch.values())
    assert 0 <= epoch["top1"] <= 100
    return json.loads((run / "config.json").read_text())["resolved"]


def train(root: Path, name: str, split: str, *flags: str) -> int:
    """Train two steps of a tiny network on the CPU; returns the exit code."""
    classes = read_class_names(root / "splits" / f"{name}_classes.pkl")
    write_vectors(root / "vectors.txt", sorted({normalise(class_name) for class_name in classes}), dim=8)
    settings = {
        "--dataset-path": root / "data", "--dataset-name": name, "--train-split-pickle": root / "splits" / split,
        "--word-vec-path": root / "vectors.txt", "--output-dir": root / "runs", "--im-size": 16, "--cropsize": 16,
        "--wres-n": 10, "--wres-k": 1, "--batch-size": 4, "--mu": 2, "--n-imgs-per-epoch": 8, "--n-epoches": 1,
        "--bn-momentum": 0.1, "--thr-emb": 1, "--device": "cpu", "--num-workers-per-gpu": 0,
    }  # fmt: skip
    arguments = [str(text) for pair in settings.items() for text in pair]
    return run_semco.main([*arguments, *flags])


def save_photo(path: Path, *, seed: int = 0, size: tuple[int, int] = (20, 24), **settings) -> np.ndarray:
    """Save a crop of a photograph, in the format of the suffix; returns it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (crop,) = photo_crops(1, *size, seed=seed)
    Image.fromarray(crop).save(path, **settings)
    return crop
