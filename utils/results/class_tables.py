"""The report's tables of classes: how well each is recognised, and which are taken for which."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

# More classes than this are drawn as a picture: their names would not fit beside a table's cells.
_LARGEST_TABLE = 24
_PICTURE_SIDE = 720
# From here on a cell is smaller than a pixel of half a page.
_FINE = 360
_RIGHT, _SAME_GROUP, _OTHER_GROUP = (47, 111, 181), (224, 138, 30), (196, 62, 92)
_FRAME = (128, 128, 128, 150)


@dataclass(frozen=True)
class ClassRow:
    """A class in the table. Shares 0 to 1 are of the class head but for `recall_emb`; None where undefined."""

    name: str
    group: int
    support: int
    recall: float | None
    recall_emb: float | None
    precision: float | None
    f1: float | None
    taken_for: str
    taken_share: float


@dataclass(frozen=True)
class Confusion:
    """A frequent confusion: `images` of class `label`, a `share` of them all, were called `predicted`."""

    label: str
    predicted: str
    images: int
    share: float
    same_group: bool


@dataclass(frozen=True)
class Cell:
    """A cell of a confusion table; `kind`: right, same, other or none; `depth` 0 to 1, how dark."""

    images: int
    kind: str
    depth: float


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix ordered by label group: a table of cells for few classes, a PNG as a data URI for many."""

    title: str
    names: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    picture: str | None

    @property
    def is_fine(self) -> bool:
        """True when the picture needs the page's whole width."""
        return self.picture is not None and len(self.names) > _FINE


def class_rows(evaluation: Mapping[str, Any]) -> list[ClassRow]:
    """One row per class, those that are recognised least first; classes without images come last."""
    names, groups = evaluation["class_names"], evaluation["group_ids"]
    head, other = evaluation["heads"]["class"], evaluation["heads"]["embedding"]
    counts = dense(head["confusion"], len(names))
    wrong = counts - np.diag(np.diag(counts))
    numbers, rows = head["per_class"], []
    for place, name in enumerate(names):
        support, most = numbers["support"][place], int(wrong[place].argmax())
        share = wrong[place, most] / support if support else 0.0
        rows.append(
            ClassRow(
                name=name,
                group=groups[place],
                support=support,
                recall=numbers["recall"][place],
                recall_emb=other["per_class"]["recall"][place],
                precision=numbers["precision"][place],
                f1=numbers["f1"][place],
                taken_for=names[most] if share else "",
                taken_share=float(share),
            )
        )
    return sorted(rows, key=lambda row: (row.recall is None, row.recall or 0.0))


def frequent_confusions(evaluation: Mapping[str, Any], head: str, count: int) -> list[Confusion]:
    """The most frequent confusions of a head."""
    names, groups = evaluation["class_names"], evaluation["group_ids"]
    found, support = evaluation["heads"][head]["confusion"], evaluation["heads"][head]["per_class"]["support"]
    cells = zip(found["label"], found["predicted"], found["images"], strict=True)
    wrong = sorted((cell for cell in cells if cell[0] != cell[1]), key=lambda cell: (-cell[2], cell[0], cell[1]))
    return [
        Confusion(names[label], names[predicted], images, images / support[label], groups[label] == groups[predicted])
        for label, predicted, images in wrong[:count]
    ]


def confusion_view(evaluation: Mapping[str, Any], head: str, title: str) -> Matrix:
    """Order a head's confusion matrix by label group and make it visible."""
    names, groups = evaluation["class_names"], np.array(evaluation["group_ids"])
    order = np.argsort(groups, kind="stable")
    counts = dense(evaluation["heads"][head]["confusion"], len(names))[np.ix_(order, order)]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    same = groups[order][:, None] == groups[order][None, :]
    ordered = tuple(names[place] for place in order)
    if len(names) > _LARGEST_TABLE:
        return Matrix(title, ordered, (), _draw_matrix(shares, same))
    rows = tuple(
        tuple(
            Cell(
                int(counts[row, column]), _kind(counts, same, row, column), round(float(shares[row, column]) ** 0.6, 3)
            )
            for column in range(len(names))
        )
        for row in range(len(names))
    )
    return Matrix(title, ordered, rows, None)


def dense(confusion: Mapping[str, Sequence[int]], classes: int) -> np.ndarray:
    """The full matrix, int64 (C, C), of a confusion matrix's cells that are not zero."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    matrix[confusion["label"], confusion["predicted"]] = confusion["images"]
    return matrix


def to_data_uri(image: Image.Image, kind: str = "PNG") -> str:
    """Pack an image into a link that holds it."""
    file = io.BytesIO()
    image.save(file, kind, **({"optimize": True} if kind == "PNG" else {"quality": 82}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def _kind(counts: np.ndarray, same: np.ndarray, row: int, column: int) -> str:
    if not counts[row, column]:
        return "none"
    return "right" if row == column else "same" if same[row, column] else "other"


def _draw_matrix(shares: np.ndarray, same: np.ndarray) -> str:
    """A picture with a square per cell, transparent where empty, so that it stands on light and dark pages."""
    size = len(shares)
    pixels = np.zeros((size, size, 4), dtype=np.uint8)
    pixels[..., :3] = np.where(same[..., None], _SAME_GROUP, _OTHER_GROUP)
    pixels[np.arange(size), np.arange(size), :3] = _RIGHT
    # A rare confusion is to be seen among a thousand classes, hence the power.
    pixels[..., 3] = np.round(255 * shares**0.4)
    scale = max(1, _PICTURE_SIDE // size)
    large = pixels.repeat(scale, 0).repeat(scale, 1)
    for start, end in _runs(same):
        low, high = start * scale, end * scale - 1
        for edge in (low, high):
            large[edge, low : high + 1] = large[low : high + 1, edge] = _FRAME
    return to_data_uri(Image.fromarray(large))


def _runs(same: np.ndarray) -> list[tuple[int, int]]:
    """First place and end of every group of several classes."""
    found, start = [], 0
    while start < len(same):
        size = int(same[start].sum())
        if size > 1:
            found.append((start, start + size))
        start += size
    return found
