"""Write the inputs of a comparison of text priors on CIFAR-100: `python -m benchmarks.text_priors OUTPUT`.

docs/labels.md has the command that trains with them and the table that came out.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from utils.errors import run_program
from utils.files.atomic import write_text
from utils.flags.arguments import OneLineParser, path_argument

DESCRIPTIONS = Path(__file__).resolve().parent.parent / "recipes" / "cifar100_descriptions.csv"
DIMENSIONS = 128  # more than classes, so that all vectors can be orthogonal


def orthogonal_vectors(count: int, *, dimensions: int = DIMENSIONS, seed: int = 0) -> np.ndarray:
    """Draw `count` orthonormal vectors; float64 [count, dimensions]. Every class is as far from one class as from another."""
    square = np.random.default_rng(seed).standard_normal((dimensions, count))
    return np.linalg.qr(square)[0].T


def photo_prompts(names: list[str]) -> pd.DataFrame:
    """CLIP's plain prompt (Radford et al. 2021, section 3.1.4) for each class, as a table for --label-terms."""
    return pd.DataFrame({"class": names, "term": [f"a photo of a {name.replace('_', ' ')}" for name in names]})


def _write(output: Path) -> None:
    names = pd.read_csv(DESCRIPTIONS)["class"].tolist()
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "photo_prompts.csv", photo_prompts(names).to_csv(index=False))
    rows = zip(names, orthogonal_vectors(len(names)), strict=True)
    lines = [f"{name} {' '.join(f'{number:.8g}' for number in vector)}" for name, vector in rows]
    write_text(output / "orthogonal.txt", "\n".join(lines) + "\n")
    print(f"{output / 'photo_prompts.csv'} and {output / 'orthogonal.txt'}: {len(names)} classes")


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m benchmarks.text_priors", description=__doc__.splitlines()[0])
    parser.add_argument("output", type=path_argument, metavar="OUTPUT", help="folder for the two files")
    return parser


def main() -> int:
    """Run the program; returns its exit code."""
    return run_program(lambda: _write(_parser().parse(sys.argv[1:]).output))


if __name__ == "__main__":
    sys.exit(main())
