"""Label tables: damaged, without columns, of the wrong types, with ids that leave the folder."""

import io
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import feather

from tests.bad_inputs.case import BadInput, with_file

_PATH = "data/toy/labels/labels_train.feather"


def _columns(name: str, change: Callable[[list, list], dict[str, Any]], *words: str) -> BadInput:
    """A table made anew from the good one's ids and classes."""

    def spoil() -> None:
        good = pd.read_feather(_PATH)
        content = change(good["id"].tolist(), good["class"].tolist())
        feather.write_feather(pa.table(content), _PATH)

    return BadInput(name, words, spoil)


def _first_id(name: str, value: object, *words: str) -> BadInput:
    return _columns(name, lambda ids, classes: {"id": [value, *ids[1:]], "class": classes}, *words)


def _ids(name: str, make: Callable[[Sequence[str]], Any], *words: str) -> BadInput:
    return _columns(name, lambda ids, classes: {"id": make(ids), "class": classes}, *words)


def _classes(name: str, make: Callable[[Sequence[str]], Any], *words: str) -> BadInput:
    return _columns(name, lambda ids, classes: {"id": ids, "class": make(classes)}, *words)


def _good() -> bytes:
    text = io.BytesIO()
    feather.write_feather(pa.table({"id": ["a.png", "b.png"], "class": ["apple", "sea"]}), text, compression="lz4")
    return text.getvalue()


def _raw_strings(*values: bytes) -> pa.Array:
    """Strings that pyarrow is not asked to check."""
    ends = [0]
    for value in values:
        ends.append(ends[-1] + len(value))
    offsets = pa.array(ends, pa.int32()).buffers()[1]
    return pa.StringArray.from_buffers(len(values), offsets, pa.py_buffer(b"".join(values)))


def _wild_offsets() -> None:
    """Strings that begin a gigabyte behind the end of the file."""
    ids = pd.read_feather(_PATH)["id"].tolist()
    table = pa.table({"id": ids, "class": ids})
    feather.write_feather(table, _PATH, compression="uncompressed")
    honest = np.cumsum([0, *map(len, ids)]).astype("<i4")
    content = Path(_PATH).read_bytes()
    assert honest.tobytes() in content
    Path(_PATH).write_bytes(content.replace(honest.tobytes(), (honest + 2**30).astype("<i4").tobytes()))


def _packed(name: str, make: Callable[[], pa.Table], *words: str) -> BadInput:
    """A table in one batch, with whatever packs best."""

    def spoil() -> None:
        table = make().combine_chunks()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.OSFile(_PATH, "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
            writer.write_table(table)

    return BadInput(name, ("labels_train.feather", *words), spoil)


def _run_of(value: str, rows: int) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array([rows], pa.int32()), pa.array([value]))


def _pipe() -> None:
    Path(_PATH).unlink()
    os.mkfifo(_PATH)


_MANY = 10**9
CASES = [
    _packed("a billion empty rows", lambda: pa.table({"id": pa.nulls(_MANY), "class": pa.nulls(_MANY)}), "rows"),
    _packed(
        "a billion equal rows",
        lambda: pa.table({"id": _run_of("a", _MANY), "class": _run_of("b", _MANY)}),
        "1,000,000,000 rows",
    ),
    _packed(
        "few equal rows", lambda: pa.table({"id": _run_of("a", 9), "class": _run_of("b", 9)}), "'id'", "run_end_encoded"
    ),
    _packed("a long id of zeros", lambda: pa.table({"id": ["\0" * (1 << 28)], "class": ["a"]}), "268,435,", "unpacked"),
    _packed(
        "a long word in another column",
        lambda: pa.table({"id": ["a"], "class": ["a"], "x": ["\0" * (1 << 28)]}),
        "unpacked",
    ),
    _packed("ten thousand columns", lambda: pa.table({f"c{row}": [1] for row in range(10_000)}), "c9 and 9990 more"),
    _packed("a column of a long name", lambda: pa.table({"x" * 100_000: [1]}), "xxx..."),
    _packed(
        "ids in a zone that is nowhere",
        lambda: pa.table({"id": pa.array([2**62], pa.timestamp("s", "No/Where" * 99)), "class": ["a"]}),
        "timestamp",
    ),
    _packed(
        "records with equal fields",
        lambda: pa.table({"id": ["a"], "class": pa.StructArray.from_arrays([pa.array([1])] * 2, names=["a", "a"])}),
        "struct",
    ),
    BadInput("pipe for a table", ("labels_train.feather", "is a pipe: expected a regular file"), _pipe),
    BadInput("no label table", ("labels_train.feather", "does not exist"), lambda: Path(_PATH).unlink()),
    with_file("empty table", _PATH, b"", "cannot be read"),
    with_file("text for a table", _PATH, b"id,class\na.png,apple\n", "cannot be read"),
    with_file("table cut short", _PATH, _good()[:-40], "cannot be read"),
    with_file("table cut in the middle", _PATH, _good()[: len(_good()) // 2], "cannot be read"),
    with_file("table with a torn head", _PATH, b"ARROW1\0\0" + b"\xff" * 200 + b"ARROW1", "cannot be read"),
    with_file("table that announces a vast footer", _PATH, b"ARROW1\0\0\xff\xff\xff\x7fARROW1", "cannot be read"),
    with_file("old feather, torn", _PATH, b"FEA1" + b"\0" * 40 + b"FEA1", "cannot be read"),
    with_file("compressed text for a table", _PATH, zlib.compress(_good()), "cannot be read"),
    _columns("no id column", lambda ids, classes: {"file": ids, "class": classes}, "'id'", "file"),
    _columns("no class column", lambda ids, classes: {"id": ids, "label": classes}, "'class'", "label"),
    _columns("no columns", lambda *_: {}, "'id'"),
    _columns("no rows", lambda *_: {"id": pa.array([], pa.string()), "class": pa.array([], pa.string())}, "empty"),
    _ids("null id", lambda ids: [None, *ids[1:]], "row 0"),
    _ids("all ids null", lambda ids: [None] * len(ids), "row 0"),
    _ids("ids are fractions", lambda ids: [float(row) for row in range(len(ids))], "'id'", "double"),
    _ids("ids are truth values", lambda ids: [True] * len(ids), "'id'", "bool"),
    _ids("ids are bytes", lambda ids: [name.encode() for name in ids], "'id'", "binary"),
    _ids("ids are lists", lambda ids: [[name] for name in ids], "'id'", "list"),
    _ids("ids are dates", lambda ids: pa.array(range(len(ids)), pa.timestamp("ns")), "'id'", "timestamp"),
    _ids("ids are whole numbers", lambda ids: list(range(len(ids))), "0 does not exist"),
    _ids("id twice", lambda ids: [ids[1], *ids[1:]], "2 times", "rows 0, 1"),
    _ids("ids without suffix", lambda ids: [name.removesuffix(".png") for name in ids], ".png is there"),
    _ids("ids in another case", lambda ids: [name.upper() for name in ids], ".png is there"),
    _ids(
        "ids not in UTF-8",
        lambda ids: _raw_strings(b"\xff\xfe", *(name.encode() for name in ids[1:])),
        "cannot be read",
    ),
    BadInput("ids that point out of the file", ("labels_train.feather", "cannot be read"), _wild_offsets),
    _first_id("empty id", "", "row 0"),
    _first_id("id that climbs", "../test/000_000.png", "../test", "not inside"),
    _first_id("id that climbs from deep", "x/../../../vectors.txt", "x/..", "not inside"),
    _first_id("absolute id", "/etc/passwd", "/etc/passwd", "not inside"),
    _first_id("backslash in an id", "a\\x.png", "write / between folders"),
    _first_id("zero byte in an id", "a\0.png", "row 0"),
    _first_id("line break in an id", "a\nerror: b.png", "row 0"),
    _first_id("terminal escape in an id", "\x1b[2Ja.png", "row 0"),
    _first_id("id too long", "a" * 5000, "row 0"),
    _first_id("id of the folder itself", ".", "no image file"),
    _classes("classes are numbers", lambda classes: list(range(len(classes))), "int64", "class"),
    _classes("classes are fractions", lambda classes: [0.5] * len(classes), "row 0", "class"),
    _classes("classes are truth values", lambda classes: [True] * len(classes), "bool", "class"),
    _classes("classes are lists", lambda classes: [[name] for name in classes], "list", "class"),
    _classes("classes are records", lambda classes: [{"name": name} for name in classes], "struct", "class"),
    _classes("classes are bytes", lambda classes: [name.encode() for name in classes], "binary", "class"),
    _classes("empty class", lambda classes: ["", *classes[1:]], "row 0", "class"),
    _classes("class that the list lacks", lambda classes: ["pear", *classes[1:]], "'pear'", "lacks"),
    _columns("one class", lambda ids, _: {"id": ids, "class": ["apple"] * len(ids)}, "split.pkl", "feather"),
]
