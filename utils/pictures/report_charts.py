"""The report's charts: which lines each shows, with their last values for the legend."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.pictures.report_lines import Line, draw_lines, draw_reliability
from utils.pictures.report_svg import CLASS, EMB, GREEN, INK, PALE, VARIABLES

_HEADS = (("class", "class head", CLASS), ("emb", "embedding head", EMB), ("both", "either head", PALE))


@dataclass(frozen=True)
class LegendItem:
    """A line's name, the page's variable of its colour, and what it ends at."""

    name: str
    variable: str
    value: str
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart with its title and legend; `svg` is safe to stand in a page as it is."""

    title: str
    svg: str
    legend: tuple[LegendItem, ...]


@dataclass(frozen=True)
class _Plan:
    """A chart over the epochs. `lines`: key of metrics.jsonl, name, colour; `scale`: 100 for shares that are shown in %."""

    key: str
    title: str
    lines: Sequence[tuple[str, str, str]]
    scale: float = 1.0
    form: str = ".3g"
    limits: tuple[float | None, float | None] = (None, None)


_CURVES = (
    _Plan(
        "accuracy", "Top-1 accuracy on the validation images, %",
        (("top1", "class head", CLASS), ("top1_emb", "embedding head", EMB), ("top1_combined", "both", INK)), form=".1f",
    ),
    _Plan(
        "top5", "Top-5 accuracy on the validation images, %",
        (("top5", "class head", CLASS), ("top5_emb", "embedding head", EMB)), form=".1f",
    ),
    _Plan("valid", "Validation cross-entropy, class head", (("valid_loss", "class head", CLASS),), limits=(0, None)),
    _Plan(
        "class_loss", "Training loss, class head",
        (("class_labelled", "labelled", CLASS), ("class_unlabelled", "unlabelled", PALE)), limits=(0, None),
    ),
    _Plan(
        "emb_loss", "Training loss, embedding head",
        (("emb_labelled", "labelled", EMB), ("emb_unlabelled", "unlabelled", PALE)), limits=(0, None),
    ),
    _Plan("lr", "Learning rate", (("lr", "at the epoch's end", INK),), limits=(0, None)),
)  # fmt: skip
_PSEUDO = (
    _Plan(
        "mask", "Confident while training, % of unlabelled images",
        (("mask_rate", "class head", CLASS), ("emb_mask_rate", "embedding head", EMB), ("any_mask_rate", "either", INK)),
        scale=100, form=".1f", limits=(0, 102),
    ),
    _Plan(
        "coverage", "Confident when looked at after the epoch, %",
        [(f"pseudo_{head}_coverage", name, colour) for head, name, colour in _HEADS], scale=100, form=".1f", limits=(0, 102),
    ),
    _Plan(
        "precision", "Confident guesses that were right, %",
        [(f"pseudo_{head}_precision", name, colour) for head, name, colour in _HEADS], scale=100, form=".1f",
        limits=(None, 102),
    ),
    _Plan(
        "disagree", "Where the heads disagree: right, %",
        (
            ("pseudo_precision_disagree_class", "class head", CLASS), ("pseudo_precision_disagree_emb", "embedding head", EMB),
            ("pseudo_agreement", "images on which they agree", GREEN),
        ),
        scale=100, form=".1f", limits=(0, 102),
    ),
    _Plan(
        "uniform", "Distance of the guesses from an even spread over the classes",
        (("pseudo_class_uniform_distance", "class head", CLASS), ("pseudo_emb_uniform_distance", "embedding head", EMB)),
        form=".2f", limits=(0, 1.02),
    ),
    _Plan(
        "pseudo_ece", "Calibration error on unlabelled images, percentage points",
        (("pseudo_class_ece", "class head", CLASS), ("pseudo_emb_ece", "embedding head", EMB)), scale=100, form=".1f",
        limits=(0, None),
    ),
)  # fmt: skip


def learning_charts(history: Sequence[Mapping[str, Any]], flags: Mapping[str, Any]) -> list[Chart]:
    """Draw accuracies, losses and learning rate over the epochs."""
    return _draw_all(_CURVES, history, flags)


def pseudo_charts(history: Sequence[Mapping[str, Any]], flags: Mapping[str, Any]) -> list[Chart]:
    """Draw what is recorded of the pseudo-labels over the epochs; nothing for a run that had none."""
    return _draw_all(_PSEUDO, history, flags) if flags["lam_u"] else []


def calibration_charts(evaluation: Mapping[str, Any], flags: Mapping[str, Any]) -> list[Chart]:
    """Draw a reliability diagram per head, and the accuracy against coverage of all."""
    shown = {"class": ("class head", CLASS)}
    if flags["lambda_emb"]:
        shown |= {"embedding": ("embedding head", EMB), "combined": ("both heads", INK)}
    charts = []
    for head, (name, colour) in shown.items():
        found = evaluation["heads"][head]["calibration"]
        columns = [[part[key] for part in found["bins"]] for key in ("confidence", "accuracy", "images")]
        svg = draw_reliability(
            *columns, colour=colour, key=f"reliability-{head}", description=f"Reliability of the {name}"
        )
        item = LegendItem("calibration error", VARIABLES[colour], f"{100 * found['error']:.1f} points")
        charts.append(Chart(f"Reliability, {name}", svg, (item,)))
    return [*charts, _coverage_chart(evaluation, shown)]


def _coverage_chart(evaluation: Mapping[str, Any], shown: Mapping[str, tuple[str, str]]) -> Chart:
    places = sorted({point["coverage"] for head in shown for point in evaluation["heads"][head]["coverage"]})
    lines, legend = [], []
    for head, (name, colour) in shown.items():
        known = {point["coverage"]: point["accuracy"] for point in evaluation["heads"][head]["coverage"]}
        xs = sorted(known)
        lines.append(Line(name, colour, _interpolated(places, xs, [100 * known[x] for x in xs]), dashed=colour == INK))
        half = next((known[x] for x in xs if x >= 0.5), known[xs[-1]])
        legend.append(LegendItem(f"{name}, surest half", VARIABLES[colour], f"{half:.1%}", dashed=colour == INK))
    svg = draw_lines(
        [100 * place for place in places], lines, key="coverage-accuracy", whole=False, limits=(None, 102),
        description="Accuracy on the most confident images", x_label="most confident images, % of all",
    )  # fmt: skip
    return Chart("Right among the most confident images, %", svg, tuple(legend))


def _interpolated(places: Sequence[float], xs: Sequence[float], ys: Sequence[float]) -> list[float]:
    """Values at all places, on straight lines between the known points, and NaN before the first."""
    return np.interp(places, xs, ys, left=math.nan).tolist()


def _number(value: float | None) -> float | None:
    """The value if it is a finite number, else None."""
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _draw_all(plans: Sequence[_Plan], history: Sequence[Mapping[str, Any]], flags: Mapping[str, Any]) -> list[Chart]:
    return [chart for plan in plans if (chart := _draw(plan, history, flags)) is not None]


def _draw(plan: _Plan, history: Sequence[Mapping[str, Any]], flags: Mapping[str, Any]) -> Chart | None:
    lines, legend = [], []
    for key, name, colour in plan.lines:
        if not flags["lambda_emb"] and colour in (EMB, INK) and key != "lr":
            continue  # an embedding head that was not trained has nothing to show, nor has what it is mixed into
        values = [_number(record.get(key)) for record in history]
        known = [value for value in values if value is not None]
        if not known:
            continue
        scaled = [math.nan if value is None else plan.scale * value for value in values]
        dashed = colour == INK and len(plan.lines) > 1
        lines.append(Line(name, colour, scaled, dashed))
        legend.append(LegendItem(name, VARIABLES[colour], f"{plan.scale * known[-1]:{plan.form}}", dashed))
    if not lines:
        return None
    epochs = [record["epoch"] for record in history]
    svg = draw_lines(
        epochs, lines, key=plan.key, limits=plan.limits, x_label="epoch",
        description=f"{plan.title}, over {len(epochs)} epochs",
    )  # fmt: skip
    return Chart(plan.title, svg, tuple(legend))
