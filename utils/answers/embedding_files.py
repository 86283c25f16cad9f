"""Embeddings of images -> .npy or .npz, written row by row, in bounded memory."""

import contextlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from utils.files.atomic import atomic_path


class EmbeddingRows:
    """Takes the rows of an array float32 (N, D) in order."""

    def __init__(self, file: BinaryIO, shape: tuple[int, int]) -> None:
        self._file = file
        self._dim = shape[1]
        head = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)

    def write(self, values: np.ndarray, is_good: np.ndarray) -> None:
        """Append a row per image: those of `values` (n, D) where `is_good` (N,), NaN elsewhere."""
        rows = np.full((len(is_good), self._dim), np.nan, dtype="<f4")
        rows[is_good] = values
        self._file.write(rows.tobytes())


@contextlib.contextmanager
def open_embeddings(path: Path, names: Sequence[str], dim: int) -> Iterator[EmbeddingRows]:
    """Open a file of embeddings float32 (N, D); .npz holds them as `embeddings`, and `names` as `files`.

    Raises:
        SemcoError: the disk is full or the folder cannot be written.
    """
    shape = (len(names), dim)
    with atomic_path(path, needed=4 * len(names) * dim) as temporary, temporary.open("wb") as file:
        if path.suffix == ".npy":
            yield EmbeddingRows(file, shape)
            return
        with zipfile.ZipFile(file, "w") as parts:
            with parts.open("embeddings.npy", "w", force_zip64=True) as part:
                yield EmbeddingRows(part, shape)  # type: ignore[arg-type]
            with parts.open("files.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, np.array(names, dtype=np.str_), allow_pickle=False)
