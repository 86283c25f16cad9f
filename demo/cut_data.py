"""Cut the demo's data from the originals: `python demo/cut_data.py --fashion-mnist DIR --glove FILE`.

Takes the first images of each class of Fashion-MNIST's own training and test files, in their order, and the most frequent
terms of GloVe 6B 50d with those of the classes, in their order. The same inputs give the same bytes.
"""

import argparse
import gzip
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from loaders.prepare.published.mnist import CLOTHES, read_idx
from utils.files.atomic import write_bytes
from utils.labels.matching import match_labels

HERE = Path(__file__).resolve().parent
PER_CLASS = {"train": 600, "t10k": 200}
TERMS = 20_000


def cut_images(source: Path, prefix: str, per_class: int) -> None:
    """Write the first `per_class` images of each class of one part, in the original order."""
    images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz")
    rows = np.sort(np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in range(10)]))
    write_idx(HERE / "fashion_mnist" / f"{prefix}-images-idx3-ubyte.gz", images[rows])
    write_idx(HERE / "fashion_mnist" / f"{prefix}-labels-idx1-ubyte.gz", labels[rows])


def write_idx(path: Path, data: np.ndarray) -> None:
    """Write bytes in the idx format, gzipped without a time stamp."""
    head = bytes([0, 0, 8, data.ndim]) + np.array(data.shape, dtype=">u4").tobytes()
    write_bytes(path, gzip.compress(head + data.tobytes(), compresslevel=9, mtime=0))


def cut_vectors(source: Path) -> None:
    """Write the most frequent terms of a GloVe text and those of the ten classes, numbers rounded to four digits."""
    lines = source.read_text(encoding="utf-8").splitlines()
    terms = [line.split(" ", 1)[0] for line in lines]
    wanted = {entry.term for entry in match_labels(CLOTHES, terms).entries}
    kept = []
    for place, (term, line) in enumerate(zip(terms, lines, strict=True)):
        if place < TERMS or term in wanted:
            kept.append(" ".join([term, *(f"{float(number):.4g}" for number in line.split(" ")[1:])]) + "\n")
    write_bytes(HERE / "glove.6B.50d.subset.txt.gz", gzip.compress("".join(kept).encode(), 9, mtime=0))


def main() -> None:
    """Cut both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fashion-mnist", type=Path, required=True, help="folder with the four idx .gz files")
    parser.add_argument("--glove", type=Path, required=True, help="glove.6B.50d.txt")
    values = parser.parse_args()
    for prefix, per_class in PER_CLASS.items():
        cut_images(values.fashion_mnist, prefix, per_class)
    cut_vectors(values.glove)


if __name__ == "__main__":
    main()
