"""Shared fixtures: a small real-looking dataset folder, and clean skips without a GPU."""

import errno
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from utils.safe_pickle import dump_pickle

CLASSES = ("green apple", "maple_tree", "Oak_tree", "racing car", "pickup truck", "house", "sea")
TERMS = ("apple", "maple_tree", "oak", "tree", "car", "truck", "house", "sea", "and", "fish")


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="needs a CUDA GPU")
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def _interrupts_are_heard():
    """A shell's background jobs have SIGINT ignored, and so would everything that the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def small_disk(monkeypatch):
    """Return a function after whose call every file that is written takes so many bytes and no more."""

    def limit_to(size: int) -> None:
        def open_limited(self, mode="r", *arguments, **settings):
            file = path_open(self, mode, *arguments, **settings)
            return _FullFile(file, size) if "w" in mode else file

        path_open = Path.open
        monkeypatch.setattr(Path, "open", open_limited)

    return limit_to


class _FullFile:
    """A file that fails as on a full disk once `room` bytes are written."""

    def __init__(self, file, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data) -> int:
        taken = data[: self._room]
        self._room -= len(taken)
        self._file.write(taken)
        if len(taken) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(taken)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    """A folder with dataset `tiny` (7 classes, 12 training and 4 test images each), word vectors and splits."""
    root = tmp_path_factory.mktemp("data")
    make_dataset(root, "tiny", CLASSES, train=12, test=4)
    write_vectors(root / "vectors.txt", TERMS, dim=8)
    write_split(root / "split.pkl", root / "tiny", per_class=2)
    return root


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


@pytest.fixture
def no_pictures(monkeypatch):
    """Spare tests of the way to a run the second that its pictures take."""
    monkeypatch.setattr("utils.run_dir.RunDir.draw_pictures", lambda *_: None)
