"""Pictures are drawn whatever the length of the run or the number of classes."""

import json

import numpy as np
import pytest
from PIL import Image

from utils.errors import SemcoError
from utils.labels.grouping import group_labels
from utils.labels.matching import LabelMatch
from utils.labels.semantics import LabelSemantics
from utils.pictures.contact_sheet import contact_sheet
from utils.pictures.label_map import plot_label_groups
from utils.pictures.learning_curves import plot_learning_curves


def _is_drawn(path) -> bool:
    picture = np.asarray(Image.open(path).convert("L"))
    return picture.shape[0] > 500 and picture.shape[1] > 800 and 0.005 < (picture < 200).mean() < 0.5


def _history(epochs):
    names = (
        "loss",
        "class_labelled",
        "class_unlabelled",
        "emb_labelled",
        "emb_unlabelled",
        "mask_rate",
        "emb_mask_rate",
    )
    more = ("any_mask_rate", "lr", "top1", "top5", "top1_emb", "top5_emb", "top1_combined", "valid_loss")
    rng = np.random.default_rng(0)
    return [
        {"epoch": epoch, **{name: rng.uniform(0.1, 1) for name in (*names, *more)}} for epoch in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("epochs", [1, 2, 300])
def test_learning_curves(tmp_path, epochs):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in _history(epochs)))
    assert _is_drawn(plot_learning_curves(tmp_path))


def test_no_metrics(tmp_path):
    with pytest.raises(SemcoError, match=r"metrics\.jsonl does not exist"):
        plot_learning_curves(tmp_path)


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_label_groups(tmp_path, classes):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(classes, 20)) + 2 * rng.normal(size=(1 + classes // 4, 20)).repeat(4, 0)[:classes]
    semantics = LabelSemantics(
        matches=tuple(LabelMatch(f"class {label}", "x", "exact") for label in range(classes)),
        vectors=vectors.astype(np.float32),
        grouping=group_labels(vectors, 0.3),
        warnings=(),
    )
    assert _is_drawn(plot_label_groups(tmp_path, semantics))


def test_contact_sheet_of_images_of_any_shape(tmp_path):
    """Every image lies in a square cell of its own: a wide and a tall one, drawn in pure colours, take as much room."""
    shapes, colours = ((10, 40), (40, 10), (20, 20)), ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    row = [np.full((*shape, 3), colour, dtype=np.uint8) for shape, colour in zip(shapes, colours, strict=True)]
    square = [np.full((8, 8, 3), 77, dtype=np.uint8)] * 3
    titles = ["$unclosed", "a very long name of a class that goes on and on", "x"]
    path = contact_sheet(tmp_path / "deep" / "sheet.png", [("originals", row), ("views", square)], titles=titles)
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    boxes = []
    for colour in colours:
        y, x = np.nonzero(np.abs(picture - colour).sum(2) < 30)
        boxes.append((x.max() - x.min() + 1, y.max() - y.min() + 1, (y.max() + y.min()) / 2))
    (wide, low, _), (narrow, tall, _), (side, _, _) = boxes
    assert wide == pytest.approx(4 * low, rel=0.1)
    assert tall == pytest.approx(4 * narrow, rel=0.1)
    assert wide == pytest.approx(tall, rel=0.05)
    assert wide == pytest.approx(side, rel=0.05)
    assert max(box[2] for box in boxes) - min(box[2] for box in boxes) < 4
    with pytest.raises(ValueError, match="3 columns"):
        contact_sheet(path, [("originals", row), ("views", square[:2])])
