"""The report's pictures: mistakes, doubts, and the images that a label would help with most."""

import posixpath
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from utils.files.names import path_fault
from utils.records.run_files import RunFiles
from utils.results.class_tables import to_data_uri
from utils.results.prediction_file import find_predictions
from utils.results.predictions import UNKNOWN, PredictionTable

_SIDE = 112
# A small image is shown pixel by pixel instead of blurred.
_CRISP = 64
_LARGEST_PIXELS = 100_000_000


@dataclass(frozen=True)
class Picture:
    """An image with what the heads say of it. `source`: a data URI, None where the image is not there any more."""

    file: str
    source: str | None
    is_small: bool
    label: str | None
    predicted: str
    details: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures under a heading; `found` of them could be read."""

    title: str
    note: str
    pictures: tuple[Picture, ...]

    @property
    def found(self) -> int:
        """How many images were still where the run had read them."""
        return sum(picture.source is not None for picture in self.pictures)


def make_galleries(run: RunFiles) -> list[Gallery]:
    """Choose and read the images; a gallery without any is left out."""
    root = Path(run.flags["dataset_path"] or ".") / run.flags["dataset_name"]
    galleries, uses_both = [], bool(run.flags["lambda_emb"])
    who = "both heads together" if uses_both else "the class head"
    if (table := find_predictions(run.folder)) is not None:
        sure = _View(table, uses_both)
        note = f"Validation images that {who} got wrong with the highest confidence. Some may be mislabelled."
        galleries.append(_gallery("Most confident mistakes", note, sure.mistakes(14), sure, root))
        note = "Validation images whose two most probable classes lie closest together."
        galleries.append(_gallery("Least certain", note, sure.uncertain(14), sure, root))
    if (pool := find_predictions(run.folder, "pool.parquet")) is not None:
        sure = _View(pool, uses_both)
        note = (
            "Unlabelled images with the smallest margin between the two most probable classes: labelling these should teach "
            "the network most."
        )
        galleries.append(_gallery("Label these next", note, sure.uncertain(21), sure, root))
    return [gallery for gallery in galleries if gallery.pictures]


@dataclass(frozen=True)
class _View:
    """A table as the galleries see it: by both heads, or by the class head alone when the other was not trained."""

    table: PredictionTable
    uses_both: bool

    @property
    def predicted(self) -> np.ndarray:
        return self.table.predicted if self.uses_both else self.table.class_labels

    @property
    def confidence(self) -> np.ndarray:
        return self.table.confidence if self.uses_both else self.table.class_confidence

    def mistakes(self, count: int) -> np.ndarray:
        wrong = np.flatnonzero((self.table.labels != UNKNOWN) & (self.predicted != self.table.labels))
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")[:count]]

    def details(self, row: int) -> tuple[str, ...]:
        """What the heads say of an image, in a line or two, and its file."""
        table = self.table
        by_class = f"{table.class_names[table.class_labels[row]]} {_sure(table.class_confidence[row])}"
        by_embedding = f"{table.class_names[table.emb_labels[row]]} {_sure(table.emb_confidence[row])}"
        if not self.uses_both:
            said = [f"sure to {_sure(table.class_confidence[row])}"]
        elif table.class_labels[row] == table.emb_labels[row]:
            said = [f"both heads, sure to {_sure(table.confidence[row])}"]
        else:
            said = [f"class head: {by_class}", f"embedding head: {by_embedding}"]
        return (*said, table.files[row].rsplit("/", 1)[-1])

    def uncertain(self, count: int) -> np.ndarray:
        return np.argsort(self.table.margins, kind="stable")[:count]


def _sure(confidence: float) -> str:
    return f"{100 * confidence:.0f}%"


def _gallery(title: str, note: str, rows: np.ndarray, view: _View, root: Path) -> Gallery:
    table, pictures = view.table, []
    for row in rows.tolist():
        source, is_small = read_thumbnail(root, table.files[row])
        truth = table.labels[row]
        pictures.append(
            Picture(
                file=table.files[row],
                source=source,
                is_small=is_small,
                label=None if truth == UNKNOWN else table.class_names[truth],
                predicted=table.class_names[view.predicted[row]],
                details=view.details(row),
            )
        )
    return Gallery(title, note, tuple(pictures))


def read_thumbnail(root: Path, file: str) -> tuple[str | None, bool]:
    """Read an image below `root` and make it small.

    Returns:
        A data URI, None when there is no such image or it cannot be decoded; whether it is so small that pixels show.
    """
    # Images in unlabelled/ are named by their way from train/.
    file = posixpath.normpath(file)
    if path_fault(file):
        return None, False
    try:
        with warnings.catch_warnings():
            # An image that is too large to be safe is refused below; smaller oddities do not concern a thumbnail.
            warnings.simplefilter("ignore")
            with Image.open(root / file) as opened:
                if opened.width * opened.height > _LARGEST_PIXELS:
                    return None, False
                opened.draft("RGB", (2 * _SIDE, 2 * _SIDE))
                image = opened.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError):
        return None, False  # the page shows the caption alone: a report must not fail over a picture
    is_small = max(image.size) <= _CRISP
    image.thumbnail((2 * _SIDE, 2 * _SIDE))
    return to_data_uri(image, "PNG" if is_small else "JPEG"), is_small


def label_map(run_folder: Path) -> str | None:
    """The label map of the run as a data URI, at most 1,600 pixels wide; None without one."""
    try:
        with Image.open(run_folder / "label_groups.png") as opened:
            image = opened.convert("RGB")
    except (OSError, UnidentifiedImageError):
        return None
    image.thumbnail((1600, 1600), Image.Resampling.LANCZOS)
    return to_data_uri(image.quantize(128))


def describe(flags: Mapping[str, Any]) -> str:
    """Where the galleries look for images."""
    return str(Path(flags["dataset_path"] or ".") / flags["dataset_name"])
