"""Predictions of images whose class is known -> accuracies as an evaluation counts them, and its tables."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from utils.answers.arguments import HEADS
from utils.answers.rows import head_scores
from utils.errors import one_line
from utils.metrics import top_k_hits
from utils.results.predictions import UNKNOWN, Predictions

# The tables need all probabilities at once; the accuracies do not.
_MOST_BYTES = 1 << 31
_SHOWN = 10
_NAMES = {"both": "both heads", "class": "class head", "embedding": "embedding head"}


class Truth:
    """Counts hits of the images whose class is known, and keeps their predictions for the tables.

    Args:
        heads: those of `HEADS` whose accuracy means something, the one that answers by default first.
    """

    def __init__(self, class_names: Sequence[str], group_ids: np.ndarray, *, heads: Sequence[str] = HEADS) -> None:
        self._class_names, self._group_ids, self._heads = tuple(class_names), group_ids, heads
        self._hits = {(head, k): 0 for head in heads for k in (1, 5)}
        self._kept: list[Predictions] | None = []
        self._bytes = 0
        self.known = 0

    def add(self, predictions: Predictions) -> None:
        """Take note of a batch; images of unknown class do not count."""
        rows = np.flatnonzero(predictions.labels != UNKNOWN)
        if not len(rows):
            return
        self.known += len(rows)
        labels = torch.from_numpy(predictions.labels[rows])
        for head in self._heads:
            scores = torch.from_numpy(head_scores(predictions, head)[rows])
            for k in (1, 5):
                self._hits[head, k] += int(top_k_hits(scores, labels, k))
        self._keep(predictions, rows)

    def accuracy(self, head: str, k: int = 1) -> float:
        """Return a head's top-k accuracy in percent."""
        return 100.0 * self._hits[head, k] / self.known

    def lines(self) -> list[str]:
        """Describe the accuracies and, where the class head knows the classes, the evaluation's tables of the first head."""
        tops = f"top-{min(5, len(self._class_names))}"
        shown = [
            f"accuracy on {self.known:,} images of known class: "
            + ", ".join(
                f"{_NAMES[head]} {self.accuracy(head):.2f}% ({tops} {self.accuracy(head, 5):.2f}%)"
                for head in self._heads
            )
        ]
        if "class" not in self._heads:
            return shown
        if self._kept is None:
            return [*shown, f"no tables: the predictions of so many images take more than {_MOST_BYTES >> 30} GiB"]
        from utils.results.evaluation import evaluate_fully  # scikit-learn: a second of imports that others do without

        tables = evaluate_fully(_joined(self._kept), self._class_names, self._group_ids)
        return [*shown, *_tables(tables, self._class_names, self._heads)]

    def _keep(self, predictions: Predictions, rows: np.ndarray) -> None:
        if self._kept is None or "class" not in self._heads:
            return
        self._bytes += 2 * predictions.class_probabilities[rows].nbytes
        if self._bytes > _MOST_BYTES:
            self._kept = None
            return
        self._kept.append(
            Predictions(
                ids=tuple(predictions.ids[row] for row in rows),
                **{name: getattr(predictions, name)[rows] for name in _ARRAYS},
            )
        )


_ARRAYS = ("labels", "class_probabilities", "emb_probabilities", "group_scores", "embeddings")


def _joined(parts: Sequence[Predictions]) -> Predictions:
    return Predictions(
        ids=tuple(name for part in parts for name in part.ids),
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS},
    )


def _tables(tables: dict, class_names: Sequence[str], heads: Sequence[str]) -> Iterator[str]:
    """Lay out what `evaluate_fully` found of the first of `heads`: interval, classes, confusions, errors, agreement."""
    head = tables["heads"]["combined" if heads[0] == "both" else heads[0]]
    low, high = head["top1"]["interval"]
    error = head["calibration"]["error"]
    yield f"{_NAMES[heads[0]]}: 95% interval {100 * low:.2f} to {100 * high:.2f}%, expected calibration error {error:.3f}"
    scores = head["per_class"]
    present = [place for place, count in enumerate(scores["support"]) if count]
    worst = sorted(present, key=lambda place: (scores["f1"][place] or 0.0, place))[:_SHOWN]
    width = max(len(one_line(class_names[place])) for place in worst)
    yield f"{'class'.ljust(width)}  precision  recall     F1  images" + (
        f"   (the {_SHOWN} worst of {len(present)})" if len(present) > _SHOWN else ""
    )
    for place in worst:
        cells = (_percent(scores[name][place]) for name in ("precision", "recall", "f1"))
        precision, recall, f1 = cells
        name = one_line(class_names[place]).ljust(width)
        yield f"{name}  {precision:>9}  {recall:>6}  {f1:>5}  {scores['support'][place]:>6}"
    cells = zip(*(head["confusion"][name] for name in ("label", "predicted", "images")), strict=True)
    wrong = sorted((cell for cell in cells if cell[0] != cell[1]), key=lambda cell: -cell[2])[:_SHOWN]
    if wrong:
        pairs = (
            f"{one_line(class_names[label])} as {one_line(class_names[said])} {count}" for label, said, count in wrong
        )
        yield f"most frequent mistakes: {', '.join(pairs)}"
    errors = head["errors"]
    if errors["total"] and len(set(tables["group_ids"])) < len(class_names):
        yield f"mistakes inside the right label group: {errors['within_group']} of {errors['total']}"
    if "both" in heads:
        yield f"the heads agree on {_percent(tables['agreement']['share'])} of the images"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"
