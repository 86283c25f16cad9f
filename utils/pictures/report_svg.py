"""Charts for the report as SVG text: small, in the colours of the page, the same bytes for the same numbers."""

import io
import re
from html import escape
from typing import Any

from utils.pictures.figures import Figure, FigureCanvasSVG, rc_context

# Stand-ins that matplotlib draws with; in the SVG each becomes a variable of the page, which knows light, dark and print.
INK, MUTED, LINE, CLASS, EMB, GREEN, PALE = (f"#0000{place:02x}" for place in range(1, 8))
VARIABLES = {
    INK: "--ink", MUTED: "--muted", LINE: "--line", CLASS: "--class", EMB: "--emb", GREEN: "--good", PALE: "--both",
}  # fmt: skip
_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "semco"}


def new_chart(width: float = 3.7, height: float = 2.3) -> tuple[Any, Any]:
    """Make a figure of that size in inches with one pair of axes, in the style of the page."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(LINE)
    axis.tick_params(color=LINE, labelcolor=MUTED, labelsize=9, length=3)
    axis.grid(color=LINE, linewidth=0.6, alpha=0.6)
    axis.set_axisbelow(True)
    return figure, axis


def to_svg(figure: Any, *, key: str, description: str) -> str:
    """Write a figure as an SVG element that can stand in a page.

    Args:
        key: makes its ids different from those of the page's other charts.
        description: what it shows, for those who cannot see it.
    """
    with rc_context(_SETTINGS):
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid=")', rf"\1{key}-", text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\1{key}-", text)
    for stand_in, variable in VARIABLES.items():
        text = text.replace(stand_in, f"var({variable})")
    box = re.search(r'viewBox="[^"]*"', text).group()  # type: ignore[union-attr]
    # A role and a name instead of the fixed size: the page decides how wide a chart is.
    opening = f'<svg {box} xmlns:xlink="http://www.w3.org/1999/xlink" role="img" aria-label="{escape(description)}">'
    return opening + text[text.index(">") + 1 :].strip()
