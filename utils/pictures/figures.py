"""Figures in memory, saved as PNG: the one place that imports matplotlib, whatever the environment says about it.

A notebook's shell exports MPLBACKEND, and matplotlib cannot be imported when it does not know the value. A user's matplotlibrc
may ask for LaTeX. Neither has a say here.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from utils.files.atomic import atomic_path

_wanted = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib as mpl
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager, weight_dict
    from matplotlib.ft2font import FT2Font
    from matplotlib.text import Annotation
finally:
    if _wanted is not None:
        os.environ["MPLBACKEND"] = _wanted

__all__ = [
    "Annotation", "Axes", "FT2Font", "Figure", "FigureCanvasSVG", "LineCollection", "drawing", "fontManager",
    "new_figure", "rc_context", "save_figure", "weight_dict",
]  # fmt: skip

_DPI = 130
# A picture of a thousand names takes a second to pack as tightly as zlib can, for a tenth of its size.
_COMPRESSION = 3


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Draw with matplotlib's own settings; those of the process come back afterwards."""
    # It remarks on the weights that an installed family lacks.
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.ERROR)
    try:
        with rc_context():
            mpl.rcdefaults()
            yield
    finally:
        fonts.setLevel(level)


def new_figure(width: float, height: float) -> Figure:
    """Make a figure of a size in inches. It belongs to no window system and changes none of matplotlib's global state."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    # Without this canvas every measured text makes, and keeps, a renderer of the whole picture: gigabytes for 1,000 names.
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Draw a figure and write it as PNG, atomically; returns `path`."""
    with atomic_path(path) as temporary:
        # savefig would draw everything twice, to measure what is known already.
        figure.canvas.print_png(temporary, pil_kwargs={"compress_level": _COMPRESSION})
    return path
