"""A small real-looking dataset folder, word vectors and splits."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from utils.files.pickles import dump_pickle

CLASSES = ("green apple", "maple_tree", "Oak_tree", "racing car", "pickup truck", "house", "sea")
TERMS = ("apple", "maple_tree", "oak", "tree", "car", "truck", "house", "sea", "and", "fish")


def make_dataset(root: Path, name: str, classes, *, train: int, test: int, size: int = 36) -> None:
    """Write a dataset folder whose classes differ by colour and stripes, so that a few steps learn something."""
    rng = np.random.default_rng(0)
    folder = root / name
    (folder / "labels").mkdir(parents=True)
    for part, count in (("train", train), ("test", test)):
        (folder / part).mkdir()
        rows = []
        for label, class_name in enumerate(classes):
            for number in range(count):
                file = f"{label:03d}_{number:03d}.png"
                Image.fromarray(_picture(rng, label, len(classes), size)).save(folder / part / file)
                rows.append((file, class_name))
        rng.shuffle(rows)
        pd.DataFrame(rows, columns=["id", "class"]).to_feather(folder / "labels" / f"labels_{part}.feather")


def _picture(rng, label: int, classes: int, size: int) -> np.ndarray:
    angle = 2 * np.pi * label / classes
    colour = 128 + 90 * np.array([np.cos(angle), np.sin(angle), np.cos(2 * angle)])
    stripes = 30 * np.sin(np.arange(size) * (1 + label % 3))[:, None, None]
    noise = rng.normal(0, 20, (size, size + label % 4, 3))
    return np.clip(colour + stripes + noise, 0, 255).astype(np.uint8)


def write_vectors(path: Path, terms, *, dim: int) -> None:
    """Write random word vectors in GloVe's text format."""
    rng = np.random.default_rng(1)
    lines = (f"{term} " + " ".join(f"{value:.5f}" for value in rng.normal(size=dim)) for term in terms)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_split(path: Path, folder: Path, *, per_class: int) -> None:
    """Write a split pickle with the first images of each class."""
    table = pd.read_feather(folder / "labels" / "labels_train.feather").sort_values("id")
    chosen = table.groupby("class").head(per_class)
    dump_pickle(path, {f"train/{file}": name for file, name in zip(chosen["id"], chosen["class"], strict=True)})
