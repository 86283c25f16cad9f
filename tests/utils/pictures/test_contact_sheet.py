"""Sheets of images of any shape, with titles in any script."""

import numpy as np
import pytest
from PIL import Image

from utils.pictures.contact_sheet import contact_sheet


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


def test_titles_in_any_script(tmp_path):
    images = [np.zeros((8, 8, 3), dtype=np.uint8)]
    path = contact_sheet(tmp_path / "sheet.png", [("$\u732b", images)], titles=["\u732b \u0642\u0637\u0629 \ud55c"])
    with Image.open(path) as picture:
        assert picture.size[0] > 100
