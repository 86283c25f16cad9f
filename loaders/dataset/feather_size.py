"""How many rows and unpacked bytes a feather announces, read from its metadata before anything is unpacked.

pyarrow unpacks what a file announces: a few bytes may stand for a billion empty rows, or for gigabytes of zeros. A feather is
an Arrow IPC file: a footer lists its batches, and each batch's metadata gives the number of rows and the place of each buffer,
which starts with its unpacked length where it is compressed. Metadata are FlatBuffers tables.
"""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

_MAGIC = b"ARROW1"
_LARGEST_METADATA = 1 << 27
# Places of fields in the tables of Arrow's format.
_FOOTER_DICTIONARIES, _FOOTER_BATCHES = 2, 3
_MESSAGE_KIND, _MESSAGE_HEADER = 1, 2
_KIND_DICTIONARY, _KIND_BATCH = 2, 3
_DICTIONARY_DATA = 1
_BATCH_LENGTH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3
_CONTINUATION = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class AnnouncedSize:
    """Rows of all batches and dictionaries, and bytes of all their buffers once unpacked."""

    rows: int
    unpacked: int


def announced_size(file: BinaryIO) -> AnnouncedSize:
    """Add up what an Arrow IPC file announces; reads metadata and the first bytes of buffers only.

    Raises:
        ValueError: it is no Arrow IPC file, or damaged.
    """
    try:
        footer = _Table.root(_read_footer(file))
        blocks = [*footer.structs(_FOOTER_DICTIONARIES, "<qi4xq"), *footer.structs(_FOOTER_BATCHES, "<qi4xq")]
        sizes = [_batch_size(file, offset, length) for offset, length, _ in blocks]
    except (struct.error, IndexError, OverflowError, OSError) as error:
        raise ValueError(f"damaged metadata ({error})") from error
    return AnnouncedSize(rows=sum(rows for rows, _ in sizes), unpacked=sum(unpacked for _, unpacked in sizes))


def _read_footer(file: BinaryIO) -> bytes:
    end = file.seek(0, os.SEEK_END)
    tail = _read(file, end - 10, 10)
    (length,) = struct.unpack("<i", tail[:4])
    if tail[4:] != _MAGIC or not 0 < length <= min(end, _LARGEST_METADATA):
        raise ValueError("no Arrow file")
    return _read(file, end - 10 - length, length)


def _batch_size(file: BinaryIO, offset: int, metadata_length: int) -> tuple[int, int]:
    """Return a batch's rows and unpacked bytes."""
    if not 0 < metadata_length <= _LARGEST_METADATA:
        raise ValueError("no Arrow file")
    raw = _read(file, offset, metadata_length)
    message = _Table.root(raw[8:] if raw[:4] == _CONTINUATION else raw[4:])
    kind, batch = message.number(_MESSAGE_KIND, "<B"), message.table(_MESSAGE_HEADER)
    if kind == _KIND_DICTIONARY:
        batch = batch.table(_DICTIONARY_DATA)
    elif kind != _KIND_BATCH:
        raise ValueError("a block that is no batch")
    is_packed = batch.has(_BATCH_COMPRESSION)
    unpacked = 0
    for start, length in batch.structs(_BATCH_BUFFERS, "<qq"):
        if length < 0:
            raise ValueError("a buffer of negative length")
        size = length
        if is_packed and length >= 8:
            (size,) = struct.unpack("<q", _read(file, offset + metadata_length + start, 8))
        unpacked += length if size == -1 else size  # -1: this buffer is stored as it is
        if size < -1:
            raise ValueError("a buffer of negative length")
    rows = batch.number(_BATCH_LENGTH, "<q")
    if rows < 0:
        raise ValueError("a negative number of rows")
    return rows, unpacked


def _read(file: BinaryIO, start: int, length: int) -> bytes:
    if start < 0:
        raise ValueError("a place before the start of the file")
    file.seek(start)
    content = file.read(length)
    if len(content) != length:
        raise ValueError("cut short")
    return content


class _Table:
    """A table of FlatBuffers: fields by number, of which any may be absent."""

    def __init__(self, raw: bytes, place: int) -> None:
        self._raw, self._place = raw, place
        self._fields = place - self._at("<i", place)
        self._fields_length = self._at("<H", self._fields)

    @classmethod
    def root(cls, raw: bytes) -> "_Table":
        return cls(raw, struct.unpack_from("<I", raw)[0])

    def _at(self, layout: str, place: int) -> int:
        if place < 0:  # struct would count from the end
            raise ValueError("a place before the start of its table")
        return struct.unpack_from(layout, self._raw, place)[0]

    def _find(self, field: int) -> int | None:
        entry = 4 + 2 * field
        distance = self._at("<H", self._fields + entry) if entry < self._fields_length else 0
        return self._place + distance if distance else None

    def has(self, field: int) -> bool:
        return self._find(field) is not None

    def number(self, field: int, layout: str) -> int:
        place = self._find(field)
        return 0 if place is None else self._at(layout, place)

    def table(self, field: int) -> "_Table":
        place = self._find(field)
        if place is None:
            raise ValueError("a table is missing")
        return _Table(self._raw, place + self._at("<I", place))

    def structs(self, field: int, layout: str) -> list[tuple[int, ...]]:
        """Return the entries of a vector of structs, none where it is absent."""
        place = self._find(field)
        if place is None:
            return []
        start = place + self._at("<I", place)
        count, size = self._at("<I", start), struct.calcsize(layout)
        if start + 4 + count * size > len(self._raw):
            raise ValueError("a list longer than its file")
        return [struct.unpack_from(layout, self._raw, start + 4 + size * row) for row in range(count)]
