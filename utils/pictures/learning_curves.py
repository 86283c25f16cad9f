"""The learning curves of a run."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from utils.pictures.figures import Annotation, Axes, Figure, drawing, new_figure, save_figure
from utils.pictures.lettering import choose_lettering
from utils.pictures.metrics_file import read_metrics
from utils.pictures.text_placement import spread

# After Okabe and Ito's palette, which colour-blind readers can tell apart; the pale ones a little darker, since names are
# written in them. A head keeps its colour in all panels.
_CLASS, _CLASS_PALE, _EMB, _EMB_PALE, _BOTH = "#0072B2", "#3C9CDC", "#D55E00", "#D18F00", "#333333"


class _Panel(NamedTuple):
    """One panel of the learning curves. `lines`: key of metrics.jsonl -> (name, colour); `limits`: rule for the y axis."""

    title: str
    lines: Mapping[str, tuple[str, str]]
    limits: str
    scale: float = 1.0
    form: str = ".3g"


_PANELS = {
    "accuracy": _Panel(
        "top-1 accuracy on the validation images, %",
        {"top1": ("class head", _CLASS), "top1_emb": ("embedding head", _EMB), "top1_combined": ("both", _BOTH)},
        limits="accuracy", form=".2f",
    ),
    "loss": _Panel(
        "training loss",
        {
            "class_labelled": ("class, labelled", _CLASS), "class_unlabelled": ("class, unlabelled", _CLASS_PALE),
            "emb_labelled": ("embedding, labelled", _EMB), "emb_unlabelled": ("embedding, unlabelled", _EMB_PALE),
            "loss": ("total", _BOTH),
        },
        limits="from zero",
    ),
    "share": _Panel(
        "unlabelled images with a confident guess, %",
        {"mask_rate": ("class head", _CLASS), "emb_mask_rate": ("embedding head", _EMB), "any_mask_rate": ("either", _BOTH)},
        limits="share", scale=100.0, form=".1f",
    ),
    "valid": _Panel("validation cross-entropy", {"valid_loss": ("class head", _CLASS)}, limits="positive"),
    "lr": _Panel("learning rate", {"lr": ("last step", _BOTH)}, limits="from zero"),
}  # fmt: skip
_MOSAIC = [["accuracy", "loss"], ["accuracy", "loss"], ["share", "valid"], ["share", "lr"]]


def plot_learning_curves(run_folder: Path) -> Path:
    """Draw learning_curves.png from metrics.jsonl.

    Raises:
        SemcoError: the folder holds no metrics, or a line of them is damaged.
    """
    history = read_metrics(run_folder, [key for panel in _PANELS.values() for key in panel.lines])
    with drawing():
        figure = new_figure(14, 9)
        draw_learning_curves(figure, history, title="/".join(run_folder.resolve().parts[-3:]))
        return save_figure(figure, run_folder / "learning_curves.png")


def draw_learning_curves(figure: Figure, history: Sequence[dict[str, Any]], *, title: str) -> None:
    """Draw accuracies, losses, confident shares, validation loss and learning rate over the epochs.

    Args:
        history: one record per epoch, as in metrics.jsonl; values that are missing or not finite leave a gap.
    """
    axes = figure.subplot_mosaic(_MOSAIC)
    figure.get_layout_engine().set(w_pad=0.12, hspace=0.06, wspace=0.03)
    lettering = choose_lettering([title])
    figure.suptitle(
        lettering.write(title), x=0.01, ha="left", fontsize=9, fontfamily=lettering.families, color="#777777", parse_math=False
    )  # fmt: skip
    names = [(axes[key], _draw_panel(axes[key], history, panel)) for key, panel in _PANELS.items()]
    # The names' places are known in pixels, so the layout must not change after this.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis, texts in names:
        _move_apart(axis, texts)


def _draw_panel(axis: Axes, history: Sequence[dict[str, Any]], panel: _Panel) -> list[Annotation]:
    """Draw a panel's lines; returns their names, written at the right end."""
    epochs = np.array([record["epoch"] for record in history])
    texts, drawn = [], []
    for key, (name, colour) in panel.lines.items():
        values = panel.scale * np.array([_number(record.get(key)) for record in history])
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            continue
        # What sums the others up is dashed and on top: it often lies on one of them.
        style = (0, (3, 2)) if colour == _BOTH and len(panel.lines) > 1 else "solid"
        marker = "o" if len(history) <= 30 else None
        axis.plot(epochs, values, color=colour, linestyle=style, linewidth=1.7, marker=marker, markersize=3.5)
        last = values[known[-1]]
        drawn.append(values[known])
        texts.append(
            axis.annotate(
                f"{name} {last:{panel.form}}", (1, last), xycoords=("axes fraction", "data"), xytext=(6, 0),
                textcoords="offset points", color=colour, va="center", fontsize=9.5, annotation_clip=False,
            )
        )  # fmt: skip
    axis.set_title(panel.title, loc="left", fontsize=11)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    _set_limits(axis, epochs, np.concatenate(drawn) if drawn else np.empty(0), panel.limits)
    return texts


def _set_limits(axis: Axes, epochs: np.ndarray, values: np.ndarray, rule: str) -> None:
    margin = 0.5 if len(epochs) == 1 else 0.02 * (epochs[-1] - epochs[0])
    axis.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    axis.xaxis.get_major_locator().set_params(integer=True, nbins=10, min_n_ticks=1)
    axis.set_xlabel("epoch", fontsize=9)
    if not len(values):
        axis.text(0.5, 0.5, "not recorded", transform=axis.transAxes, ha="center", va="center", color="#777777")
        return
    low, high = values.min(), values.max()
    if rule == "accuracy":
        # Ten points at least, lest noise look like news.
        middle, half = (low + high) / 2, max(0.55 * (high - low), 5.0)
        axis.set_ylim(max(middle - half, -1), min(max(middle + half, 9), 101))
    elif rule == "share":
        axis.set_ylim(-2, 102)
    elif rule == "from zero" and high > 0 and low >= 0:
        axis.set_ylim(-0.02 * high, 1.06 * high)
    elif rule == "positive" and low > 0 and high / low > 20:
        axis.set_yscale("log")


def _move_apart(axis: Axes, texts: Sequence[Annotation]) -> None:
    """Shift the names at the right end up or down until none covers another."""
    if not texts:
        return
    figure = axis.figure
    pixels = figure.dpi / 72
    frame = axis.get_window_extent()
    gap = 1.1 * max(text.get_window_extent().height for text in texts)
    wanted = np.array([axis.transData.transform((0, text.xy[1]))[1] for text in texts])
    for text, shift in zip(texts, spread(wanted, gap=gap, low=frame.y0, high=frame.y1) - wanted, strict=True):
        text.xyann = (6, shift / pixels)


def _number(value: float | None) -> float:
    """Return the value if it is a finite number, else NaN, which draws a gap."""
    return math.nan if value is None or not math.isfinite(value) else float(value)
