"""One module of the room imports matplotlib, and drawing leaves no trace in the process."""

import os
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from tests.support.project import ROOT
from utils.pictures.figures import drawing, new_figure, save_figure


def test_matplotlib_is_imported_in_one_place():
    """Any other import would come upon MPLBACKEND as the shell left it."""
    for path in (ROOT / "utils" / "pictures").glob("*.py"):
        assert path.name == "figures.py" or "import matplotlib" not in path.read_text(encoding="utf-8")
        assert path.name == "figures.py" or "from matplotlib" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["label_map", "learning_curves", "contact_sheet", "report_charts"])
def test_every_picture_can_be_imported_whatever_the_backend(module):
    done = subprocess.run(
        [sys.executable, "-c", f"import os, utils.pictures.{module}; print(os.environ['MPLBACKEND'])"],
        cwd=ROOT, env={**os.environ, "MPLBACKEND": "nonsense"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "nonsense\n", "")


def test_settings_of_the_process_neither_matter_nor_change(tmp_path):
    def draw(name):
        with drawing():
            figure = new_figure(2, 1)
            figure.subplots().plot([0, 1])
            return np.asarray(Image.open(save_figure(figure, tmp_path / name)).convert("L"))

    usual = draw("a.png")
    with mpl.rc_context({"axes.facecolor": "black", "lines.linewidth": 9}):
        np.testing.assert_array_equal(draw("b.png"), usual)
        assert mpl.rcParams["lines.linewidth"] == 9
