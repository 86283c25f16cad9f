"""Predictions -> one row of plain values per image, the same columns in every format."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from utils.answers.arguments import HEADS
from utils.results.predictions import UNKNOWN, Predictions, rank

Value = str | float | int | bool | None
Row = dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class RowLayout:
    """What a row says.

    `class_names`, `group_ids`: the classes that are scored, and the label group of each; `head`: one of `HEADS`, whose
    probabilities rank them; `heads`: those that were trained on these classes, whose columns are filled; `topk`: how many are
    listed; `min_confidence`: from which on an answer is accepted; `has_truth`: add the true class.
    """

    class_names: tuple[str, ...]
    group_ids: np.ndarray
    head: str
    topk: int
    min_confidence: float
    heads: tuple[str, ...] = HEADS
    has_truth: bool = False

    @property
    def columns(self) -> dict[str, type]:
        """Name and type of every column, in order."""
        listed = [(f"label_{place}", f"probability_{place}") for place in range(1, self.topk + 1)]
        return {
            "file": str,
            "label": str,
            "confidence": float,
            **{name: kind for pair in listed for name, kind in zip(pair, (str, float), strict=True)},
            "class_label": str,
            "class_confidence": float,
            "embedding_label": str,
            "embedding_confidence": float,
            "heads_agree": bool,
            "group": int,
            "group_score": float,
            "margin": float,
            "accepted": bool,
            **({"true_label": str} if self.has_truth else {}),
            "error": str,
        }

    def rows(self, predictions: Predictions) -> Iterator[Row]:
        """Yield a row for each image."""
        scores = head_scores(predictions, self.head)
        order, best = rank(scores, max(self.topk, 2))
        by_class = predictions.class_probabilities.argmax(1)
        by_embedding = predictions.emb_probabilities.argmax(1)
        for row, name in enumerate(predictions.ids):
            values: Row = {
                "file": printable_path(name),
                "label": self.class_names[order[row, 0]],
                "confidence": float(best[row, 0]),
                "group": int(self.group_ids[order[row, 0]]),
                "margin": float(best[row, 0] - best[row, 1]),
                "accepted": bool(best[row, 0] >= self.min_confidence),
            }
            for place in range(self.topk):
                values[f"label_{place + 1}"] = self.class_names[order[row, place]]
                values[f"probability_{place + 1}"] = float(best[row, place])
            if "class" in self.heads:
                values["class_label"] = self.class_names[by_class[row]]
                values["class_confidence"] = float(predictions.class_probabilities[row, by_class[row]])
            if "embedding" in self.heads:
                values["embedding_label"] = self.class_names[by_embedding[row]]
                values["embedding_confidence"] = float(predictions.emb_probabilities[row, by_embedding[row]])
                values["group_score"] = float(predictions.group_scores[row])
            if "both" in self.heads:
                values["heads_agree"] = bool(by_class[row] == by_embedding[row])
            yield self._ordered(values, int(predictions.labels[row]))

    def bad_row(self, name: str, reason: str, label: int = UNKNOWN) -> Row:
        """Return the row of an image that cannot be decoded."""
        return self._ordered({"file": printable_path(name), "accepted": False, "error": reason}, label)

    def _ordered(self, values: Row, label: int) -> Row:
        if self.has_truth and label != UNKNOWN:
            values["true_label"] = self.class_names[label]
        return {name: values.get(name) for name in self.columns}


def head_scores(predictions: Predictions, head: str) -> np.ndarray:
    """Return the probabilities (N, C) of one of `HEADS`."""
    if head == "both":
        return predictions.combined
    return predictions.class_probabilities if head == "class" else predictions.emb_probabilities


def printable_path(name: str) -> str:
    """Spell a path as text: bytes that are not UTF-8 become escapes, and a spreadsheet sees no formula."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return f"./{text}" if text.startswith(tuple("=+-@")) else text
