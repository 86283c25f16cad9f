"""The report's line charts: values over the epochs, accuracy against coverage."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.pictures.report_svg import INK, MUTED, new_chart, to_svg


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, its colour (one of report_svg's stand-ins), and values (N,), NaN where there is a gap."""

    name: str
    colour: str
    values: Sequence[float]
    dashed: bool = False


def draw_lines(
    places: Sequence[float],
    lines: Sequence[Line],
    *,
    key: str,
    description: str,
    x_label: str,
    whole: bool = True,
    limits: tuple[float | None, float | None] = (None, None),
    logarithmic: bool = False,
) -> str:
    """Draw lines over `places` (N,) and return the SVG.

    Args:
        whole: true when places are whole numbers, such as epochs.
        limits: of the y axis; None where the values decide.
    """
    figure, axis = new_chart()
    x = np.asarray(places, dtype=float)
    for line in lines:
        values = np.asarray(line.values, dtype=float)
        marker = "o" if np.isfinite(values).sum() <= 25 else None
        axis.plot(
            x, values, color=line.colour, linewidth=1.8, linestyle=(0, (4, 2)) if line.dashed else "solid",
            marker=marker, markersize=3.4, solid_capstyle="round",
        )  # fmt: skip
    if logarithmic:
        axis.set_yscale("log")
    else:
        axis.set_ylim(*_limits(lines, limits))
    margin = 0.5 if len(x) == 1 else 0.02 * (x[-1] - x[0])
    axis.set_xlim(x[0] - margin, x[-1] + margin)
    axis.xaxis.get_major_locator().set_params(integer=whole, nbins=8, min_n_ticks=1)
    axis.set_xlabel(x_label, color=MUTED, fontsize=9)
    return to_svg(figure, key=key, description=description)


def draw_reliability(
    confidence: Sequence[float],
    accuracy: Sequence[float],
    images: Sequence[int],
    *,
    colour: str,
    key: str,
    description: str,
) -> str:
    """Draw the accuracy of each confidence bin over its mean confidence (both 0 to 1); a dot's area grows with its images."""
    figure, axis = new_chart(3.7, 2.6)
    axis.plot([0, 100], [0, 100], color=INK, linewidth=1, linestyle=(0, (2, 3)), alpha=0.6)
    share = np.asarray(images, dtype=float) / max(1, sum(images))
    x, y = 100 * np.asarray(confidence, dtype=float), 100 * np.asarray(accuracy, dtype=float)
    axis.plot(x, y, color=colour, linewidth=1.4, alpha=0.7)
    axis.scatter(x, y, s=14 + 260 * share, color=colour, alpha=0.75, linewidths=0)
    axis.set(xlim=(-3, 103), ylim=(-3, 103))
    axis.set_xlabel("confidence, %", color=MUTED, fontsize=9)
    axis.set_ylabel("right, %", color=MUTED, fontsize=9)
    return to_svg(figure, key=key, description=description)


def _limits(lines: Sequence[Line], limits: tuple[float | None, float | None]) -> tuple[float, float]:
    """Room for all values; a flat line lies in the middle instead of on an edge."""
    values = np.concatenate([np.asarray(line.values, dtype=float) for line in lines] or [np.empty(0)])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return (
        low - margin if limits[0] is None else limits[0],
        high + margin if limits[1] is None else limits[1],
    )
