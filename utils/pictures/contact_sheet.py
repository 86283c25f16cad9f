"""Sheets of images: originals, and what the augmentations make of them."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.pictures.figures import Axes, drawing, new_figure, save_figure
from utils.pictures.lettering import choose_lettering

_COLUMN = 16


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
    with drawing():
        figure = new_figure(0.9 + 1.15 * count, 0.3 + 1.15 * len(rows))
        axes = figure.subplots(len(rows), count, squeeze=False)
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        for line, (title, images) in zip(axes, rows, strict=True):
            for axis, image in zip(line, images, strict=True):
                _show_image(axis, image)
            line[0].set_ylabel(lettering.write(title), fontsize=10, fontfamily=lettering.families, parse_math=False)
        for axis, title in zip(axes[0], titles, strict=False):
            # A class name can be longer than a column is wide.
            text = textwrap.fill(lettering.write(title), _COLUMN, max_lines=2, placeholder="...")
            axis.set_title(text, fontsize=9, fontfamily=lettering.families, parse_math=False)
        return save_figure(figure, path)


def _show_image(axis: Axes, image: np.ndarray) -> None:
    """Show an image (H, W, 3) in a square cell, so that rows and titles stay in line whatever its shape."""
    axis.imshow(image, interpolation="nearest")
    (height, width), half = image.shape[:2], max(image.shape[:2]) / 2
    middle = (width - 1) / 2, (height - 1) / 2
    axis.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half))
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
