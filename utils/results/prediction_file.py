"""The table of predictions on disk, `predictions.parquet`."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from utils.errors import SemcoError
from utils.files.atomic import atomic_path
from utils.files.regular import open_regular
from utils.results.predictions import LISTED, UNKNOWN, Predictions, PredictionTable, tabulate

# Where the file keeps all class names in order: a column's own dictionary may hold fewer, and in another order.
_CLASSES = b"semco.class_names"


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
        with open_regular(path, follow_links=True) as file:
            found = pq.read_table(file)
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

    shape = (found.num_rows, min(LISTED, len(class_names)))
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
