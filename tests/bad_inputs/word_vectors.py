"""Word vectors and label terms: missing, cut short, of wrong dimension, not finite, hostile; names without a word."""

import bz2
import gzip
import lzma
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.bad_inputs.case import TERMS, BadInput, with_file, with_flags
from tests.bad_inputs.pickles import EXECUTING, GROWING

_ROWS = [f"{term} 1 {row} 0.5" for row, term in enumerate(TERMS)]
_PLAIN = ("\n".join(_ROWS) + "\n").encode()
_DICT = {term: [1.0, row, 0.5] for row, term in enumerate(TERMS)}
_BINARY = b"2 3\napple " + np.ones(3, "f4").tobytes() + b"\nsea " + np.ones(3, "f4").tobytes()
_FOREIGN = [
    ("a zip archive", "v.txt", b"PK\x03\x04" + bytes(200)),
    ("a zip archive", "v.pkl", b"PK\x03\x04" + bytes(200)),
    ("bzip2", "v.txt.bz2", bz2.compress(_PLAIN)),
    ("xz", "v.txt.xz", lzma.compress(_PLAIN)),
    ("zstd", "v.txt.zst", b"\x28\xb5\x2f\xfd" + bytes(40)),
    ("an HDF5 file", "v.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
    ("a NumPy array", "v.npy", b"\x93NUMPY\x01\x00" + bytes(100)),
    ("a parquet file", "v.csv", b"PAR1" + bytes(100)),
    ("fastText's binary format", "v.bin", b"\xba\x16\x4f\x2f" + bytes(100)),
    ("UTF-16", "v.txt", _PLAIN.decode().encode("utf-16")),
    ("a web page", "v.txt", b"<!DOCTYPE html>\n<html></html>\n"),
]


def _vectors(name: str, path: str, content: bytes, *words: str) -> BadInput:
    return with_file(f"vectors: {name}", path, content, *words, flags=["--word-vec-path", path])


def _apple(name: str, row: str, *words: str) -> BadInput:
    return _vectors(name, "v.txt", _PLAIN.replace(_ROWS[0].encode(), row.encode()), *words)


def _pickled(name: str, content: object, *words: str) -> BadInput:
    return _vectors(name, "v.pkl", pickle.dumps(content), *words)


def _terms(name: str, content: bytes, *words: str) -> BadInput:
    return with_file(f"terms: {name}", "terms.csv", content, *words, flags=["--label-terms", "terms.csv"])


def _folder() -> Sequence[str]:
    Path("v.txt").mkdir()
    return ["--word-vec-path", "v.txt"]


CASES = [
    with_flags("vectors: missing", ["--word-vec-path", "gone.txt"], "gone.txt"),
    BadInput("vectors: a folder", ("v.txt",), _folder),
    _vectors("empty", "v.txt", b"", "empty"),
    _vectors("blank lines", "v.txt", b"\n\n\n"),
    _vectors("fewer than announced", "v.txt", b"7 3\n" + _PLAIN, "7 terms announced, 6 found"),
    _vectors("more than announced", "v.txt", b"5 3\n" + _PLAIN, "5 terms announced, 6 found"),
    _vectors("wider than announced", "v.txt", b"6 4\n" + _PLAIN, "line 2 holds 3 numbers, expected 4"),
    _vectors("no dimension", "v.txt", b"6 0\n" + _PLAIN),
    _vectors("announcement of five thousand digits", "v.txt", b"9" * 5000 + b" 3\n" + _PLAIN),
    _vectors("line cut short", "v.txt", _PLAIN + b"last 1 2\n", "line 7"),
    _vectors("number cut short", "v.txt", _PLAIN + b"last 1 2 3.", "line 7"),
    _vectors("no numbers", "v.txt", b"apple\noak\ntree\nsea\n", "number"),
    _vectors("garbage", "v.txt", np.random.default_rng(0).bytes(5000)),
    _vectors("garbage without an end of line", "v.txt", b"\xfe" * 5000),
    _vectors("line without an end", "v.txt", b"apple" + b" 1" * 2_000_000, "line 1"),
    *(
        _vectors(f"binary word2vec, {name}", name, pack(_BINARY), "word2vec's binary format", "gensim")
        for name, pack in (("v.bin", bytes), ("v.txt", bytes), ("v.bin.gz", gzip.compress))
    ),
    *(_vectors(f"foreign: {kind} in {name}", name, content, kind) for kind, name, content in _FOREIGN),
    _vectors("blank line amid others", "v.txt", _PLAIN.replace(b"\n", b"\n\n", 1), "line 2 is blank"),
    _vectors("gzip cut short", "v.txt.gz", gzip.compress(_PLAIN * 50)[:-20], "cut short or damaged"),
    _vectors("gzip with a wrong checksum", "v.txt.gz", gzip.compress(_PLAIN)[:-8] + bytes(8), "cut short or damaged"),
    _vectors("gzip head alone", "v.txt.gz", b"\x1f\x8b\x08\0"),
    _vectors("gzip of nothing", "v.txt.gz", gzip.compress(b""), "empty"),
    _vectors("gzip bomb", "v.txt.gz", gzip.compress(bytes(20_000_000)), "line 1"),
    _apple("not a number", "apple 1 nan 2", "'apple'", "not finite"),
    _apple("endless", "apple 1 inf 2", "'apple'", "not finite"),
    _apple("too large for float32", "apple 1 1e39 2", "'apple'", "not finite"),
    _apple("too large to be squared", "apple 1e30 1e30 1", "'apple'", "length"),
    _apple("too small to be squared", "apple 1e-30 1e-30 0", "'apple'", "length"),
    _apple("zero", "apple 0 0 0", "'apple'", "zero"),
    _apple("words for numbers", "apple one two three", "line 1", "no number"),
    _apple("hexadecimal numbers", "apple 0x1 0x2 0x3", "line 1", "no number"),
    _vectors("unmatched labels", "v.txt", b"kiwi 1 2\nlemon 2 1\n", "'apple'", "--label-terms", "--unmatched-labels"),
    _pickled("pickled list", [1, 2], "pickled dict"),
    _pickled("pickled nothing", {}, "pickled dict"),
    _pickled("numbers for terms", {1: [1.0]}, "pickled dict"),
    _pickled("ragged vectors", {"first": [1.0, 2.0, 3.0], **_DICT, "apple": [1.0]}, "'apple'", "1 numbers, expected 3"),
    _pickled("matrix", {**_DICT, "apple": np.ones((3, 1))}, "'apple'", "no row of numbers"),
    _pickled("first one ragged", {"first": [1.0, [2.0]], **_DICT}, "'first'"),
    _pickled("first one empty", {"first": [], **_DICT}, "'first'"),
    _pickled("first one text", {"first": "1 2 3", **_DICT}, "'first'"),
    _pickled("text for a vector", {**_DICT, "apple": "abc"}, "'apple'"),
    _pickled("None for a vector", {**_DICT, "apple": None}, "'apple'"),
    _pickled("complex numbers", {**_DICT, "apple": [1j, 2, 3]}, "complex"),
    _pickled("pickled nan", {**_DICT, "apple": [float("nan"), 1, 2]}, "'apple'", "not finite"),
    _pickled("pickled number too large", {**_DICT, "apple": [1e300, 1, 2]}, "'apple'", "not finite"),
    _pickled("number of five thousand digits", {**_DICT, "apple": [10**5000, 1, 2]}, "'apple'"),
    _vectors("pickle under another name", "v.txt", pickle.dumps([1, 2]), "pickled dict"),
    _vectors("pickle cut short", "v.pkl", pickle.dumps(_DICT)[:-9], "damaged"),
    *(
        _vectors(f"runs code: {name}", "v.pkl", EXECUTING[name])
        for name in ("REDUCE", "STACK_GLOBAL", "in an object array")
    ),
    *(
        _vectors(f"grow: {name}", "v.pkl", GROWING[name])
        for name in ("array of nothing, endless", "deep list for a class", "list of 2**60", "list that holds itself")
    ),
    _vectors("ragged CSV", "v.csv", b"apple,1,2\nsea,1\n", "row 2"),
    _vectors("words in a CSV", "v.csv", b"apple,1,2\nsea,1,two\n", "row 2"),
    _vectors("CSV of names", "v.csv", b"apple\nsea\n", "number"),
    _vectors("CSV not in UTF-8", "v.csv", b"\xe4pfel,1,2\n", "UTF-8"),
    _vectors("CSV with an endless field", "v.csv", b"a" * 200_000 + b",1,2\n", "v.csv"),
    _vectors("CSV with nan", "v.csv", b"apple,nan,1\noak tree,1,2\nsea,1,3\n", "'apple'", "not finite"),
    _vectors(
        "CSV with foreign digits", "v.csv", "apple,\u0661,1\noak tree,1,2\nsea,1,0\n".encode() + b"x,1_0,y\n", "row 4"
    ),
    with_flags("terms: missing", ["--label-terms", "gone.csv"], "gone.csv", "No such file"),
    _terms("not in UTF-8", b"apple,\xff\n", "UTF-8"),
    _terms("one field", b"apple\n", "class,term"),
    _terms("three fields", b"apple,fish,red\n", "class,term"),
    _terms("empty field", b"apple,\n", "class,term"),
    _terms("endless field", b"apple," + b"x" * 200_000 + b"\n", "terms.csv"),
    _terms("two terms for a class", b"apple,fish\napple,house\n", "'apple'", "two terms"),
    BadInput(
        "terms: unknown class",
        ("--label-terms", "'aple'"),
        lambda: (Path("terms.csv").write_text("aple,fish\n"), ["--label-terms", "terms.csv"])[1],
    ),
    BadInput(
        "terms: unknown term",
        ("--label-terms", "'fisch'", "fish"),
        lambda: (Path("terms.csv").write_text("apple,fisch\n"), ["--label-terms", "terms.csv"])[1],
    ),
]
