"""What a feather announces equals what pyarrow unpacks, and damaged metadata end in one kind of error."""

import io
import random

import pyarrow as pa
import pytest

from loaders.dataset.feather_size import announced_size
from loaders.dataset.label_table import read_label_table
from utils.errors import SemcoError

IDS = [f"train/{number:05d}.png" for number in range(3000)]


def _content(table: pa.Table, compression: str | None, *, rows: int = 1000) -> bytes:
    buffer = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(buffer, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return buffer.getvalue()


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("rows", [1000, 10_000])
def test_rows_and_bytes_are_those_that_pyarrow_unpacks(compression, rows):
    table = pa.table({"id": IDS, "class": pa.array(["ant", None, "bee"] * 1000), "number": range(3000)})
    found = announced_size(io.BytesIO(_content(table, compression, rows=rows)))
    with pa.ipc.open_file(io.BytesIO(_content(table, None, rows=rows))) as reader:
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    unpacked = sum(
        buffer.size for batch in batches for column in batch.columns for buffer in column.buffers() if buffer
    )
    assert found.rows == 3000
    # pyarrow rounds buffers of a file up.
    assert unpacked - 64 * 8 * len(batches) <= found.unpacked <= unpacked


def test_dictionaries_count():
    table = pa.table({"id": IDS, "class": pa.array(IDS).dictionary_encode()})
    content = _content(table, "zstd")
    assert announced_size(io.BytesIO(content)).rows == 6000
    assert len(content) < announced_size(io.BytesIO(content)).unpacked


def test_flipped_bytes_are_refused_or_read(tmp_path):
    """Never a traceback, never a hang: 300 files with one to four bytes changed, most of them in the metadata."""
    good, random_ = _content(pa.table({"id": IDS[:50], "class": ["ant", "bee"] * 25}), "lz4"), random.Random(0)
    refused = 0
    for _ in range(300):
        content = bytearray(good)
        for _ in range(random_.randint(1, 4)):
            content[random_.randrange(len(content))] = random_.randrange(256)
        (tmp_path / "x.feather").write_bytes(content)
        try:
            read_label_table(tmp_path / "x.feather")
        except SemcoError as error:
            refused += 1
            assert len(str(error)) < 1000
    assert refused > 100


@pytest.mark.parametrize("content", [b"", b"ARROW1", bytes(100), b"ARROW1\0\0" + b"\xff" * 50 + b"ARROW1"])
def test_what_is_no_arrow_file(content):
    with pytest.raises(ValueError):
        announced_size(io.BytesIO(content))
