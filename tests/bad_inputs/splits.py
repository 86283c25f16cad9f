"""Splits and class lists: hostile pickles, damaged files, keys that leave the folder, contradictions."""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from loaders.dataset.split import encode_split, write_content
from tests.bad_inputs.case import BadInput, labelled, with_file, with_flags
from tests.bad_inputs.pickles import EXECUTING, GROWING, REFUSED

_DEEP = b"[" * 200_000 + b"]" * 200_000


def _changed(name: str, change: Callable[[dict[str, str]], object], *words: str) -> BadInput:
    """The good split as a pickle, changed."""

    def spoil() -> None:
        Path("split.pkl").write_bytes(pickle.dumps(change(encode_split("train", labelled()))))

    return BadInput(name, ("split.pkl", *words), spoil)


def _key(name: str, key: object, *words: str) -> BadInput:
    return _changed(name, lambda good: {**good, key: "apple"}, *words)


def _class(name: str, value: object, *words: str) -> BadInput:
    return _changed(name, lambda good: {**good, next(iter(good)): value}, *words)


def _file(name: str, path: str, content: bytes, *words: str) -> BadInput:
    return with_file(name, path, content, *words, flags=["--train-split-pickle", path])


def _list(name: str, path: str, content: bytes, *words: str) -> BadInput:
    return with_file(f"classes: {name}", path, content, *words, flags=["--classes-pickle", path])


def _validation(name: str, make: Callable[[], dict[str, str]], *words: str) -> BadInput:
    def spoil() -> Sequence[str]:
        write_content(Path("other.json"), make())
        return ["--valid-split-pickle", "other.json"]

    return BadInput(name, ("other.json", *words), spoil)


def _label_all() -> None:
    table = pd.read_feather("data/toy/labels/labels_train.feather")
    write_content(Path("split.pkl"), encode_split("train", dict(zip(table["id"], table["class"], strict=True))))


def _short_list() -> Sequence[str]:
    write_content(Path("short.json"), ["apple", "sea"])
    return ["--classes-pickle", "short.json"]


_SPLITS = [
    with_flags("no split", ["--train-split-pickle", "gone.pkl"], "gone.pkl", "No such file"),
    with_flags("split is a folder", ["--train-split-pickle", "data"], "data"),
    _file("empty pickle", "a.pkl", b""),
    _file("text for a pickle", "a.pkl", b"train/a.png,apple\n"),
    _file("pickle cut short", "a.pkl", pickle.dumps({"train/a.png": "apple"})[:-8], "damaged"),
    _file("JSON cut short", "a.json", b'{"train/a.png": "app', "no JSON"),
    _file("empty JSON", "a.json", b"", "no JSON"),
    _file("JSON not in UTF-8", "a.json", b'{"train/\xe4.png": "apple"}', "UTF-8"),
    _file("JSON that nests too deep", "a.json", _DEEP, "no JSON"),
    _file("JSON list", "a.json", b'["train/a.png"]', "list"),
    _file("JSON null", "a.json", b"null", "NoneType"),
    _file("JSON not a number", "a.json", b'{"train/a.png": NaN}', "float"),
    _file("JSON number of five thousand digits", "a.json", b'{"train/a.png": %s}' % (b"9" * 5000), "no JSON"),
    _file("JSON with half a character", "a.json", rb'{"train/\ud800.png": "apple"}', "train/"),
    _file("JSON key twice", "a.json", b'{"train/a.png": "apple", "train/a.png": "sea"}', "train/a.png", "twice"),
    _file("CSV with three columns", "a.csv", b"train/a.png,apple,red\n", "columns"),
    _file("CSV with ragged lines", "a.csv", b"train/a.png,apple\ntrain/b.png\n", "columns"),
    _file("CSV with one column", "a.csv", b"train/a.png\n", "list"),
    _file("empty CSV", "a.csv", b"", "empty"),
    _file("CSV not in UTF-8", "a.csv", b"train/\xff.png,apple\n", "UTF-8"),
    _file("CSV with an endless field", "a.csv", b"train/" + b"a" * 200_000 + b",apple\n", "a.csv"),
    _file("CSV with zero bytes", "a.csv", b"train/\0a.png,apple\n", "a.csv"),
    _file("CSV key twice", "a.csv", b"train/a.png,apple\ntrain/a.png,sea\n", "train/a.png", "twice"),
    _changed("empty split", lambda _: {}, "empty"),
    _changed("list for a split", lambda good: list(good), "list"),
    _changed("pairs for a split", lambda good: list(good.items()), "list"),
    _changed("text for a split", lambda _: "train/a.png", "str"),
    _changed("split of test", lambda _: {"test/000_000.png": "apple"}, "test/"),
    _changed("split of both parts", lambda good: {**good, "test/000_000.png": "apple"}, "train/ and test/"),
    _key("bare file name", "a.png", "'a.png'"),
    _key("unknown part", "valid/a.png", "'valid/a.png'"),
    _key("no file name", "train/", "'train/'"),
    _key("number for a key", 7, "int"),
    _key("nothing for a key", None, "NoneType"),
    _key("bytes for a key", b"train/a.png", "bytes"),
    _key("key that climbs", "train/../test/000_000.png", "train/../test", "not inside"),
    _key("key that climbs far", "train/" + "../" * 20 + "etc/passwd", "not inside"),
    _key("absolute key", "train//etc/passwd", "train//etc/passwd", "not inside"),
    _key("backslash in a key", "train/a\\a.png", "write / between folders"),
    _key("key without a suffix", "train/000_000", "train/000_000 not in", "where 000_000.png is"),
    _key("zero byte in a key", "train/a.png\0.jpg", r"a.png\x00.jpg"),
    _key("line break in a key", "train/a\nerror: b.png", r"a\nerror"),
    _key("terminal escape in a key", "train/\x1b[2J", r"\x1b"),
    _key("half a character in a key", "train/\udc80.png", r"\udc80"),
    _key("absent image", "train/gone.png", "train/gone.png", "not in"),
    _key("key of a megabyte", "train/" + "a" * 10**6, "train/aaa"),
    _class("split with a class that the list lacks", "pear", "'pear'", "lacks"),
    _class("class that contradicts the feather", "sea", "'sea'", "feather"),
    _class("number for a class", 3, "int"),
    _class("nothing for a class", None, "NoneType"),
    _class("list for a class", ["apple"], "list"),
    _class("line break in a class", "apple\nerror", r"apple\nerror"),
    BadInput("no unlabelled images", ("no unlabelled images", "--lam-u 0"), _label_all),
    _validation("empty validation", dict, "empty"),
    _validation("labelled validation", lambda: encode_split("train", labelled()), "labelled"),
    _validation("absent validation image", lambda: {"test/gone.png": "apple"}, "test/gone.png"),
    _validation("validation of an unknown class", lambda: {"test/000_000.png": "pear"}, "'pear'"),
]
_LISTS = [
    with_flags("no class list", ["--classes-pickle", "gone.pkl"], "gone.pkl", "No such file"),
    _list("one class", "a.json", b'["apple"]', "two or more"),
    _list("no class", "a.json", b"[]", "two or more"),
    _list("class twice", "a.json", b'["apple", "oak tree", "sea", "apple"]', "different"),
    _list("dict for a list", "a.json", b'{"apple": 0, "sea": 1}', "list of class names"),
    _list("text for a list", "a.json", b'"apple"', "list of class names"),
    _list("numbers for classes", "a.json", b"[0, 1, 2]", "list of class names"),
    _list("lists for classes", "a.json", b'[["apple"], ["sea"]]', "list of class names"),
    _list("blank class", "a.json", b'["apple", " ", "sea"]', "is empty"),
    BadInput("list without a class of the data", ("'oak tree'", "lacks"), _short_list),
    _list("line break in a listed class", "a.json", b'["apple", "oak tree", "sea", "a\\nb"]', r"a\nb"),
    _list("half a character in a listed class", "a.json", rb'["apple", "oak tree", "sea", "\ud800"]', r"\ud800"),
    _list("list that nests too deep", "a.json", _DEEP, "no JSON"),
    _list("dict in a pickle for a list", "a.pkl", pickle.dumps({"apple": "sea"}), "list of class names"),
    _list("list that runs code", "a.pkl", EXECUTING["REDUCE"], "os.system"),
    _list("CSV with numbers beside classes", "a.csv", b"apple,0,x\n", "columns"),
]
CASES = [
    *_SPLITS,
    *_LISTS,
    *(_file(f"split runs code: {name}", "evil.pkl", content) for name, content in EXECUTING.items()),
    *(_file(f"split grows: {name}", "bomb.pkl", content) for name, content in GROWING.items()),
    *(_file(f"split is refused: {name}", "odd.pkl", content) for name, content in REFUSED.items()),
]
