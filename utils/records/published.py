"""Figures that others have published, from recipes/published.csv."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from utils.errors import SemcoError
from utils.files.tables import read_text

PUBLISHED = Path(__file__).resolve().parents[2] / "recipes" / "published.csv"


@dataclass(frozen=True)
class PublishedFigure:
    """A published accuracy, percent; texts are empty and numbers None where the source does not state them."""

    method: str
    dataset: str
    labels: int
    backbone: str
    mu: str
    statistic: str
    seeds: str
    accuracy: float
    spread: float | None
    source: str


def read_published(path: Path = PUBLISHED) -> list[PublishedFigure]:
    """Read the table of published figures.

    Raises:
        SemcoError: missing or damaged.
    """
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""))
    figures = []
    for line, row in enumerate(rows, start=2):
        try:
            figures.append(_read_row(row))
        except (KeyError, TypeError, ValueError) as error:
            raise SemcoError(f"{path}, line {line} is damaged ({error}): restore it") from error
    return figures


def find_published(figures: list[PublishedFigure], *, dataset: str, labels: int) -> list[PublishedFigure]:
    """The figures for this dataset and number of labels, SemCo's first; a subset of a dataset is another dataset."""
    same = [figure for figure in figures if figure.dataset == plain_name(dataset) and figure.labels == labels]
    return sorted(same, key=lambda figure: (figure.method != "SemCo", figure.method != "supervised"))


def plain_name(dataset: str) -> str:
    """The dataset's name as the table of published figures writes it."""
    return dataset.lower().replace("-", "_")


def _read_row(row: dict[str, str]) -> PublishedFigure:
    if row["metric"] not in ("error", "accuracy"):
        raise ValueError(f"metric is {row['metric']!r}, expected error or accuracy")
    value = float(row["value"])
    return PublishedFigure(
        method=row["method"],
        dataset=row["dataset"],
        labels=int(row["labels"]),
        backbone=row["backbone"],
        mu=row["mu"],
        statistic=row["statistic"],
        seeds=row["seeds"],
        accuracy=round(100 - value, 6) if row["metric"] == "error" else value,
        spread=float(row["spread"]) if row["spread"] else None,
        source=row["source"],
    )
