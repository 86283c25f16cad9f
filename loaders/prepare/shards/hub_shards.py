"""Read the shards that `datasets` writes, parquet files and arrow streams, a few rows at a time."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from loaders.prepare.shards.hub_columns import Columns
from loaders.prepare.shards.packed import MOST_IMAGES
from utils.errors import SemcoError

# Bytes of images that a batch of rows should hold, and its largest number of rows.
_BATCH_BYTES, _BATCH_ROWS = 2**24, 1024
_BUFFER = 2**20
# Encoded images hardly shrink any more: a column that does is made to fill the memory.
_LARGEST_RATIO, _SMALL = 1000, 2**26


def read_schema(path: Path) -> pa.Schema:
    """Read the names and types of a shard's columns.

    Raises:
        SemcoError: it is damaged, or no such file.
    """
    with _reading(path):
        if path.suffix == ".parquet":
            schema = pq.read_schema(path)
        else:
            with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
                schema = stream.schema
        # Names are decoded when they are asked for: those that are not in UTF-8 are to be found here.
        _ = [(field.name, str(field.type)) for field in schema]
        return schema


def read_rows(path: Path, columns: Columns) -> Iterator[tuple[pa.Buffer | None, object]]:
    """Yield each row's image, None where it has none, and its label, in bounded memory.

    Raises:
        SemcoError: the file is damaged, or announces sizes that make no sense.
    """
    for batch in _batches(path, columns):
        with _reading(path):
            labels = batch.column(columns.label).to_pylist() if columns.label else [None] * len(batch)
            images = batch.column(columns.image)
        for row, label in enumerate(labels):
            yield _image(images, row), label


def _image(images: pa.Array, row: int) -> pa.Buffer | None:
    value = images[row]
    if isinstance(value, pa.StructScalar):
        if not value.is_valid:
            return None
        value = value["bytes"]
    return value.as_buffer()


def _batches(path: Path, columns: Columns) -> Iterator[pa.RecordBatch]:
    batches = _parquet_batches(path, columns) if path.suffix == ".parquet" else _arrow_batches(path, columns)
    while True:
        with _reading(path):
            batch = next(batches, None)
            if batch is None:
                return
            # Offsets that lead outside the data are found here, before anything follows them.
            batch.validate(full=True)
        yield batch


def _parquet_batches(path: Path, columns: Columns) -> Iterator[pa.RecordBatch]:
    # Without pre-buffering, pages are read and decoded as they are needed, not a row group at once.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
        for group, (rows, size) in enumerate(_group_sizes(file.metadata, path)):
            batch_size = max(1, min(_BATCH_ROWS, _BATCH_BYTES * rows // max(size, 1)))
            yield from file.iter_batches(batch_size, row_groups=[group], columns=columns.projection, use_threads=False)


def _group_sizes(metadata: pq.FileMetaData, path: Path) -> list[tuple[int, int]]:
    """Return each row group's number of rows and bytes when unpacked.

    The sizes of its columns are not asked for: of damaged ones, pyarrow ends the process without an exception.

    Raises:
        SemcoError: they make no sense.
    """
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    sizes = [(group.num_rows, group.total_byte_size) for group in groups]
    rows = sum(count for count, _ in sizes)
    if rows > MOST_IMAGES or any(count < 0 for count, _ in sizes):
        raise SemcoError(f"{path} announces {rows:,} rows, expected at most {MOST_IMAGES:,} images")
    packed, unpacked = path.stat().st_size, sum(size for _, size in sizes)
    if unpacked > max(_LARGEST_RATIO * packed, _SMALL) or any(size < 0 for _, size in sizes):
        raise SemcoError(
            f"{path} announces {unpacked:,} bytes packed into {packed:,}, which no images are: fetch the file again"
        )
    return sizes


def _arrow_batches(path: Path, columns: Columns) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            yield batch.select([columns.image, *([columns.label] if columns.label else [])])


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises about a damaged file into one line; running out of memory stays what it is."""
    try:
        yield
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise SemcoError(f"shard {path} cannot be read ({reason}): fetch it again") from error


class RowReader:
    """Reads single images of shards: cheap in the order of the rows, from the start of the shard otherwise."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._next = 0
        self._rows: Iterator[tuple[pa.Buffer | None, object]] = iter(())

    def read(self, path: Path, row: int, columns: Columns) -> bytes:
        """Read the image in one row of a shard.

        Raises:
            SemcoError: the shard cannot be read any more, or has fewer rows than before.
        """
        if path != self._path or row < self._next:
            self._path, self._next, self._rows = path, 0, read_rows(path, columns)
        for image, _ in self._rows:
            self._next += 1
            if self._next > row:
                return b"" if image is None else image.to_pybytes()
        raise SemcoError(f"shard {path} has lost rows while it was read: leave it alone and start again")


@dataclass(frozen=True)
class RowImage:
    """The image in a row of a shard, of `size` bytes."""

    size: int
    row: int
    path: Path
    columns: Columns
    reader: RowReader

    def read(self) -> bytes:
        """Read the image.

        Raises:
            SemcoError: the shard cannot be read any more, or has changed.
        """
        data = self.reader.read(self.path, self.row, self.columns)
        if len(data) != self.size:
            raise SemcoError(f"shard {self.path} has changed while it was read: leave it alone and start again")
        return data
