"""Pictures of a run. The only module that imports matplotlib: `python -m utils.plots RUN_FOLDER` draws a run's curves anew."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.atomic import atomic_path
from utils.errors import SemcoError
from utils.label_semantics import LabelSemantics

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B8A800", "#444444")
_PANELS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("accuracy on the validation images, %", "linear", {
        "top1": "class head", "top1_emb": "embedding head", "top1_combined": "both heads",
    }),
    ("training loss", "linear", {
        "loss": "total", "class_labelled": "class, labelled", "class_unlabelled": "class, unlabelled",
        "emb_labelled": "embedding, labelled", "emb_unlabelled": "embedding, unlabelled",
    }),
    ("confident guesses, share of unlabelled images", "linear", {
        "mask_rate": "class head", "emb_mask_rate": "embedding head", "any_mask_rate": "either",
    }),
    ("validation loss and learning rate", "log", {"valid_loss": "cross-entropy", "lr": "learning rate"}),
)  # fmt: skip


def plot_learning_curves(run_folder: Path) -> Path:
    """Draw learning_curves.png from metrics.jsonl: accuracies, losses, confident shares, learning rate over epochs.

    Raises:
        SemcoError: the folder holds no metrics.
    """
    history = _read_history(run_folder)
    plt = _pyplot()
    figure, axes = plt.subplots(2, 2, figsize=(12, 8), layout="constrained")
    for axis, (title, scale, lines) in zip(axes.flat, _PANELS, strict=True):
        _draw_panel(axis, history, title, lines)
        axis.set_yscale(scale)
    return _save(figure, run_folder / "learning_curves.png")


def _draw_panel(axis: Any, history: Sequence[dict[str, Any]], title: str, lines: dict[str, str]) -> None:
    epochs = [record["epoch"] for record in history]
    for colour, (name, label) in zip(_COLOURS, lines.items(), strict=False):
        values = [record.get(name, np.nan) for record in history]
        marker = "o" if len(history) < 40 else None
        axis.plot(epochs, values, color=colour, label=f"{label} ({values[-1]:.4g})", marker=marker, markersize=4)
    axis.set_title(title, loc="left", fontsize=11)
    axis.set_xlabel("epoch")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9)


def plot_label_groups(run_folder: Path, semantics: LabelSemantics) -> Path:
    """Draw label_groups.png: the class vectors' cosines projected to two dimensions, classes of a group in one colour."""
    plt = _pyplot()
    places = _project(semantics.vectors)
    ids = semantics.grouping.ids
    sizes = np.bincount(ids)
    shared = [group for group in range(len(sizes)) if sizes[group] > 1]
    figure, axis = plt.subplots(figsize=(11, 8.5), layout="constrained")
    for group in range(len(sizes)):
        members = places[ids == group]
        colour = _COLOURS[shared.index(group) % len(_COLOURS)] if group in shared else "#999999"
        if group in shared:
            centre = members.mean(0)
            for member in members:
                axis.plot(*np.stack([centre, member]).T, color=colour, linewidth=1, alpha=0.6, zorder=1)
        axis.scatter(*members.T, color=colour, s=28, zorder=2)
    _write_names(axis, places, [match.label for match in semantics.matches], crowded=len(places) > 40)
    axis.set_title(
        f"{len(places)} classes in {semantics.grouping.count} groups (eps {semantics.grouping.eps:g}); "
        "linked and coloured: a group of several classes; grey: alone",
        loc="left",
        fontsize=11,
    )
    axis.set_xlabel("first principal component of the unit class vectors")
    axis.set_ylabel("second")
    axis.spines[["top", "right"]].set_visible(False)
    axis.margins(0.08)
    return _save(figure, run_folder / "label_groups.png")


def _project(vectors: np.ndarray) -> np.ndarray:
    """First two principal components of the unit vectors, (C, 2); signs fixed so that a picture does not flip."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    left, scale, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
    places = np.zeros((len(vectors), 2))
    kept = min(2, len(scale))
    places[:, :kept] = left[:, :kept] * scale[:kept]
    return places * np.where(places[np.abs(places).argmax(0), [0, 1]] < 0, -1, 1)


def _write_names(axis: Any, places: np.ndarray, names: Sequence[str], *, crowded: bool) -> None:
    """Write each name beside its point, at the first of eight places where it covers nothing yet."""
    figure = axis.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    taken: list[Any] = []
    around = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
    for place, name in zip(places, names, strict=True):
        text = axis.annotate(name, place, textcoords="offset points", xytext=(0, 0), fontsize=7 if crowded else 10)
        for distance in (6, 12, 20, 30):
            for x, y in around:
                text.set_position((x * distance, y * distance))
                text.set_ha({1: "left", 0: "center", -1: "right"}[x])
                text.set_va({1: "bottom", 0: "center", -1: "top"}[y])
                box = text.get_window_extent(renderer)
                if not any(box.overlaps(other) for other in taken):
                    break
            else:
                continue
            break
        taken.append(text.get_window_extent(renderer))


def _read_history(run_folder: Path) -> list[dict[str, Any]]:
    path = run_folder / "metrics.jsonl"
    if not path.is_file():
        raise SemcoError(f"{path} does not exist: name a run folder in which at least one epoch is finished")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def _save(figure: Any, path: Path) -> Path:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
    _pyplot().close(figure)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m utils.plots RUN_FOLDER")
    try:
        print(plot_learning_curves(Path(sys.argv[1])))
    except SemcoError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        sys.exit(2)
