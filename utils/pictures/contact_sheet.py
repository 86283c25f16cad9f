"""Sheets of images: originals, and what the augmentations make of them."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.pictures.figures import drawing, new_figure, save_figure
from utils.pictures.lettering import choose_lettering

_COLUMN = 16
_CELL = 0.96  # the rest is the gap between two images


def contact_sheet(path: Path, rows: Sequence[tuple[str, Sequence[np.ndarray]]], *, titles: Sequence[str] = ()) -> Path:
    """Draw a sheet of images, one row each for, say, the originals, their weak and their strong views.

    Args:
        rows: title of the row and its N uint8 images (H, W, 3), each of any size.
        titles: of the N columns.
    """
    count = len(rows[0][1])
    if any(len(images) != count for _, images in rows) or (titles and len(titles) != count):
        raise ValueError(f"a sheet of {count} columns needs {count} images in every row, and as many titles or none")
    lettering = choose_lettering([*titles, *(title for title, _ in rows)])
    # A class name can be longer than a column is wide.
    above = [textwrap.fill(lettering.write(title), _COLUMN, max_lines=2, placeholder="...") for title in titles]
    beside = [lettering.write(title) for title, _ in rows]
    with drawing():
        figure = new_figure(0.9 + 1.15 * count, 0.3 + 1.15 * len(rows))
        # One set of axes for all cells: one for each takes a second to lay out.
        axis = figure.subplots()
        for line, (_, images) in enumerate(rows):
            for column, image in enumerate(images):
                axis.imshow(image, interpolation="nearest", extent=_extent(image, column, line))
        axis.set(xlim=(-0.5, count - 0.5), ylim=(len(rows) - 0.5, -0.5))
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0, labeltop=True, labelbottom=False)
        families = {"fontfamily": lettering.families, "parse_math": False}
        axis.set_xticks(range(len(above)), above, fontsize=9, **families)
        axis.set_yticks(range(len(beside)), beside, fontsize=10, rotation="vertical", va="center", **families)
        return save_figure(figure, path)


def _extent(image: np.ndarray, column: int, line: int) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of an image (H, W, 3) in the middle of its unit cell, whatever its shape."""
    height, width = np.divide(image.shape[:2], max(image.shape[:2])) * _CELL / 2
    return column - width, column + width, line + height, line - height
