"""What a network says of a set of images: arrays in memory, and the table `predictions.parquet` on disk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from utils.errors import SemcoError
from utils.files.atomic import atomic_path

UNKNOWN = -1
_LISTED = 5
# Where the file keeps all class names in order: a column's own dictionary may hold fewer, and in another order.
_CLASSES = b"semco.class_names"


@dataclass(frozen=True)
class Predictions:
    """Both heads' answers for N images, in the order of `ids`, for C classes and embeddings of D dimensions.

    `ids`: where each image is, such as `test/0.png` or a path; `labels`: true classes int64 (N,), `UNKNOWN` where nobody
    knows; `class_probabilities` and `emb_probabilities`: float32 (N, C), rows sum to 1, from the class head and from the
    embedding head; `group_scores`: float32 (N,), mean cosine over the best label group, what --thr-emb is compared with;
    `embeddings`: float32 (N, D).
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    class_probabilities: np.ndarray
    emb_probabilities: np.ndarray
    group_scores: np.ndarray
    embeddings: np.ndarray

    @property
    def combined(self) -> np.ndarray:
        """Mean of both heads' probabilities, float32 (N, C)."""
        return (self.class_probabilities + self.emb_probabilities) / 2


@dataclass(frozen=True)
class PredictionTable:
    """The table of N images as `read_predictions` finds it; classes are positions in `class_names`.

    `labels`, `predicted`, `class_labels`, `emb_labels`: int64 (N,), the truth (`UNKNOWN` where nobody knows) and the
    answers of both heads together and of each; `confidence`, `class_confidence`, `emb_confidence`, `margins`,
    `group_scores`: float32 (N,); `top_labels`: int64 (N, k) and `top_probabilities`: float32 (N, k), best first;
    `groups`: int64 (N,), the label group of `predicted`.
    """

    class_names: tuple[str, ...]
    files: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    top_labels: np.ndarray
    top_probabilities: np.ndarray
    class_labels: np.ndarray
    class_confidence: np.ndarray
    emb_labels: np.ndarray
    emb_confidence: np.ndarray
    groups: np.ndarray
    group_scores: np.ndarray
    margins: np.ndarray


def rank(probabilities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the min(k, C) most probable classes of each row (N, C), best first; of equal ones the first class.

    Returns:
        Classes int64 and their probabilities float32, both (N, min(k, C)).
    """
    left = np.array(probabilities, dtype=np.float32)
    count = min(k, left.shape[1])
    classes = np.empty((len(left), count), dtype=np.int64)
    values = np.empty((len(left), count), dtype=np.float32)
    rows = np.arange(len(left))
    for place in range(count):
        classes[:, place] = left.argmax(1)
        values[:, place] = left[rows, classes[:, place]]
        left[rows, classes[:, place]] = -np.inf
    return classes, values


def tabulate(predictions: Predictions, class_names: Sequence[str], group_ids: Sequence[int]) -> PredictionTable:
    """Reduce both heads' probabilities to what a table holds of each image.

    Args:
        group_ids: label group of each class.
    """
    top_labels, top_probabilities = rank(predictions.combined, max(_LISTED, 2))
    by_class, class_confidence = rank(predictions.class_probabilities, 1)
    by_embedding, emb_confidence = rank(predictions.emb_probabilities, 1)
    return PredictionTable(
        class_names=tuple(class_names),
        files=predictions.ids,
        labels=predictions.labels,
        predicted=top_labels[:, 0],
        confidence=top_probabilities[:, 0],
        top_labels=top_labels[:, :_LISTED],
        top_probabilities=top_probabilities[:, :_LISTED],
        class_labels=by_class[:, 0],
        class_confidence=class_confidence[:, 0],
        emb_labels=by_embedding[:, 0],
        emb_confidence=emb_confidence[:, 0],
        groups=np.asarray(group_ids, dtype=np.int64)[top_labels[:, 0]],
        group_scores=predictions.group_scores,
        margins=top_probabilities[:, 0] - top_probabilities[:, 1],
    )


def write_predictions(
    path: Path, predictions: Predictions, class_names: Sequence[str], group_ids: Sequence[int]
) -> None:
    """Write one row per image as Parquet, atomically; docs/results.md describes the columns.

    Args:
        group_ids: label group of each class.

    Raises:
        SemcoError: the disk is full or the folder cannot be written.
    """
    table = tabulate(predictions, class_names, group_ids)
    names = pa.array(table.class_names, type=pa.string())
    known = table.labels != UNKNOWN
    columns = {
        "file": pa.array([_spell(name) for name in table.files], type=pa.string()),
        "label": _names(np.where(known, table.labels, 0), names, known),
        "predicted": _names(table.predicted, names),
        "confidence": pa.array(table.confidence),
        "correct": pa.array(table.predicted == table.labels, mask=~known),
        "top_labels": _lists(_names(table.top_labels.ravel(), names), table.top_labels.shape),
        "top_probabilities": _lists(pa.array(table.top_probabilities.ravel()), table.top_labels.shape),
        "class_label": _names(table.class_labels, names),
        "class_confidence": pa.array(table.class_confidence),
        "embedding_label": _names(table.emb_labels, names),
        "embedding_confidence": pa.array(table.emb_confidence),
        "heads_agree": pa.array(table.class_labels == table.emb_labels),
        "group": pa.array(table.groups),
        "group_score": pa.array(np.asarray(table.group_scores, dtype=np.float32)),
        "margin": pa.array(table.margins),
    }
    with atomic_path(path) as temporary:
        metadata = {_CLASSES: json.dumps(table.class_names)}
        pq.write_table(pa.table(columns, metadata=metadata), temporary, compression="zstd")


def read_predictions(path: Path) -> PredictionTable:
    """Read what `write_predictions` wrote.

    Raises:
        SemcoError: missing, damaged, or another table.
    """
    try:
        found = pq.read_table(path)
    except FileNotFoundError as error:
        raise SemcoError(f"{path} does not exist: name a table of predictions that a run wrote") from error
    except (OSError, pa.ArrowException) as error:
        raise SemcoError(f"{path} is no intact Parquet file ({error}): write it again") from error
    try:
        return _read_columns(found)
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise SemcoError(f"{path} is not a table of predictions of this program ({error}): write it again") from error


def find_predictions(run_folder: Path, name: str = "predictions.parquet") -> PredictionTable | None:
    """Read a run's table of predictions, None where the run wrote none."""
    return read_predictions(run_folder / name) if (run_folder / name).exists() else None


def _read_columns(found: pa.Table) -> PredictionTable:
    class_names = tuple(json.loads(found.schema.metadata[_CLASSES]))
    positions = {name: place for place, name in enumerate(class_names)}

    def column(name: str) -> pa.Array:
        chunks = found[name].combine_chunks()
        return chunks if isinstance(chunks, pa.Array) else pa.concat_arrays(chunks.chunks)

    def numbers(name: str) -> np.ndarray:
        return column(name).to_numpy(zero_copy_only=False)

    def codes(texts: pa.Array) -> np.ndarray:
        encoded = texts if isinstance(texts, pa.DictionaryArray) else texts.dictionary_encode()
        places = np.array([positions[name] for name in encoded.dictionary.to_pylist()] or [UNKNOWN], dtype=np.int64)
        indices = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return np.where(encoded.is_valid().to_numpy(zero_copy_only=False), places[indices], UNKNOWN)

    shape = (found.num_rows, min(_LISTED, len(class_names)))
    return PredictionTable(
        class_names=class_names,
        files=tuple(column("file").to_pylist()),
        labels=codes(column("label")),
        predicted=codes(column("predicted")),
        confidence=numbers("confidence"),
        top_labels=codes(column("top_labels").flatten()).reshape(shape),
        top_probabilities=column("top_probabilities").flatten().to_numpy(zero_copy_only=False).reshape(shape),
        class_labels=codes(column("class_label")),
        class_confidence=numbers("class_confidence"),
        emb_labels=codes(column("embedding_label")),
        emb_confidence=numbers("embedding_confidence"),
        groups=numbers("group"),
        group_scores=numbers("group_score"),
        margins=numbers("margin"),
    )


def _names(codes: np.ndarray, names: pa.Array, known: np.ndarray | None = None) -> pa.DictionaryArray:
    """Positions in `names` as a column that pandas opens as a categorical; null where not `known`."""
    mask = None if known is None else ~known
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=mask), names)


def _spell(name: str) -> str:
    """Spell out what is not text in a file's name: a file system may hold any bytes, Parquet holds UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def _lists(values: pa.Array, shape: tuple[int, ...]) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(np.arange(shape[0] + 1) * shape[1], type=pa.int32()), values)
