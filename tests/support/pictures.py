"""Is a picture a picture?"""

from pathlib import Path

import numpy as np
from PIL import Image


def is_drawn(path: Path) -> bool:
    """True for a picture of some size, neither blank nor black."""
    picture = np.asarray(Image.open(path).convert("L"))
    return picture.shape[0] > 500 and picture.shape[1] > 800 and 0.004 < (picture < 200).mean() < 0.5
