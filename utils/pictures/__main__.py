"""Pictures of a run. The only module that imports matplotlib: `python -m utils.pictures RUN_FOLDER` draws a run's curves anew."""

import json
import sys
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import SemcoError, run_program
from utils.files.atomic import atomic_path
from utils.labels.semantics import LabelSemantics
from utils.pictures.label_map import draw_label_map
from utils.pictures.learning_curves import draw_learning_curves


def plot_learning_curves(run_folder: Path) -> Path:
    """Draw learning_curves.png from metrics.jsonl.

    Raises:
        SemcoError: the folder holds no metrics, or a line of them cannot be read.
    """
    history = _read_history(run_folder)
    figure = _new_figure(14, 9)
    draw_learning_curves(figure, history, title="/".join(run_folder.resolve().parts[-3:]))
    return _save(figure, run_folder / "learning_curves.png")


def plot_label_groups(run_folder: Path, semantics: LabelSemantics) -> Path:
    """Draw label_groups.png: a map of the class vectors, classes of a group linked and in one colour."""
    figure = _new_figure(13, 9)
    with warnings.catch_warnings():
        # A class name in a script that matplotlib's own font lacks shows as boxes; label_groups.csv spells it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        draw_label_map(figure, semantics)
        return _save(figure, run_folder / "label_groups.png")


def contact_sheet(path: Path, rows: Sequence[tuple[str, Sequence[np.ndarray]]], *, titles: Sequence[str] = ()) -> Path:
    """Draw a sheet of images, one row each for, say, the originals, their weak and their strong views.

    Args:
        rows: title of the row and its N uint8 images (H, W, 3), each of any size.
        titles: of the N columns.
    """
    count = len(rows[0][1])
    if any(len(images) != count for _, images in rows) or (titles and len(titles) != count):
        raise ValueError(f"a sheet of {count} columns needs {count} images in every row, and as many titles or none")
    figure = _new_figure(0.9 + 1.15 * count, 0.3 + 1.15 * len(rows))
    axes = figure.subplots(len(rows), count, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for line, (row_title, images) in zip(axes, rows, strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image, interpolation="nearest")
            # A square cell for every image, so that rows and titles stay in line whatever its shape.
            (height, width), half = image.shape[:2], max(image.shape[:2]) / 2
            middle = (width - 1) / 2, (height - 1) / 2
            axis.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(row_title, fontsize=10)
    for axis, title in zip(axes[0], titles, strict=False):
        # Names of classes can be longer than a column is wide.
        axis.set_title(textwrap.fill(title, 16, max_lines=2, placeholder="..."), fontsize=9, parse_math=False)
    return _save(figure, path)


def _read_history(run_folder: Path) -> list[dict[str, Any]]:
    path = run_folder / "metrics.jsonl"
    try:
        history = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError as error:
        raise SemcoError(f"{path} does not exist: name a run folder in which at least one epoch is finished") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SemcoError(
            f"{path} cannot be read ({error}): name a run folder in which at least one epoch is finished"
        ) from error
    if not history:
        raise SemcoError(f"{path} is empty: name a run folder in which at least one epoch is finished")
    return history


def _new_figure(width: float, height: float) -> Any:
    """A figure of that size in inches. It belongs to no window system and changes none of matplotlib's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second of imports that --help does without
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    # Without this canvas every measured text makes, and keeps, a renderer of the whole picture: gigabytes for 1,000 names.
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> Path:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=figure.dpi)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m utils.pictures RUN_FOLDER")
    sys.exit(run_program(lambda: print(plot_learning_curves(Path(sys.argv[1])))))
