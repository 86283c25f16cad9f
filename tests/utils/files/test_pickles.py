"""Plain data in, in every protocol and from either NumPy; nothing else, and nothing is ever run."""

import collections
import os
import pickle
import pickletools
import resource
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bad_inputs.pickles import EXECUTING, GROWING, REFUSED
from utils.errors import SemcoError
from utils.files import pickles
from utils.files.pickles import dump_large_pickle, dump_pickle, load_pickle

PLAIN = {
    "names": ["a", "b"],
    "numbers": (1, -2.5, 2**70, True, None),
    "sets": [{1}, frozenset({2})],
    "bytes": [b"", b"raw", bytearray(b"more")],
    "ordered": collections.OrderedDict(x=1),
    "keys": {1: "a", 2.5: "b", b"c": "d", 2**62: "e", None: "f"},
}
ARRAYS = {
    "float": np.arange(6, dtype="f4").reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(3, dtype=">f8"),
    "text": np.array(["ab", "c"]),
    "objects": np.array(["x", None], dtype=object),
    "empty": np.zeros((0, 3)),
    "scalar": np.float32(1.5),
    "string": np.str_("word"),
}


def _load(tmp_path, content: bytes):
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    return load_pickle(path)


def _assert_arrays(loaded) -> None:
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(np.asarray(loaded[name]), np.asarray(value))


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data(tmp_path, protocol):
    assert _load(tmp_path, pickle.dumps(PLAIN, protocol)) == PLAIN
    _assert_arrays(_load(tmp_path, pickle.dumps(ARRAYS, protocol)))


@pytest.mark.parametrize("protocol", range(4))
def test_arrays_of_numpy_1(tmp_path, protocol):
    """Its module had a shorter name; from protocol 4 on, the name's length is in the file too."""
    data = pickle.dumps(ARRAYS, protocol).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core." in data
    _assert_arrays(_load(tmp_path, data))


def _calls(target: str, argument: str = "S'touch executed'\n") -> dict[str, bytes]:
    """The same call in every opcode that can make one."""
    module, name = target.rsplit(".", 1)
    glob = f"c{module}\n{name}\n".encode()
    arg = argument.encode()
    stack_global = (
        b"\x80\x04\x8c"
        + bytes([len(module)])
        + module.encode()
        + b"\x8c"
        + bytes([len(name)])
        + name.encode()
        + b"\x93"
    )
    return {
        "reduce": glob + b"(" + arg + b"tR.",
        "inst": b"(" + arg + f"i{module}\n{name}\n.".encode(),
        "obj": b"(" + glob + arg + b"o.",
        "newobj": b"\x80\x02" + glob + b"(" + arg + b"t\x81.",
        "build": b"\x80\x02" + glob + arg + b"b.",
        "stack_global": stack_global + b"\x8c\x05touch\x85R.",
        "nested": b"\x80\x02}q\x00X\x01\x00\x00\x00a" + glob + b"(" + arg + b"tRs.",
        "bare": glob + b".",
    }


TARGETS = [
    "os.system", "posix.system", "subprocess.Popen", "builtins.eval", "builtins.exec", "builtins.getattr", "builtins.open",
    "builtins.__import__", "builtins.compile", "__builtin__.apply", "builtins.type", "builtins.object", "builtins.print",
    "copyreg._reconstructor", "copyreg.__newobj__", "functools.partial", "operator.attrgetter", "importlib.import_module",
    "numpy.load", "numpy.fromfile", "numpy.core.multiarray.fromfile", "numpy.f2py.compile", "numpy.testing.runstring",
    "pickle.loads", "_pickle.loads", "codecs.decode", "shutil.rmtree", "pathlib.Path", "torch.load", "runpy.run_path",
    "collections.deque", "collections.namedtuple", "types.FunctionType", "ctypes.CDLL", "socket.socket", "webbrowser.open",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_calls_are_refused_in_every_form(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    for form, content in _calls(target).items():
        with pytest.raises(SemcoError) as caught:
            _load(tmp_path, content)
        assert "\n" not in str(caught.value), form
        assert "file.pkl" in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.pkl"]


HOSTILE = {
    **EXECUTING,
    **REFUSED,
    **{name: GROWING[name] for name in GROWING if name.startswith(("key", "member", "integers", "value", "numbers"))},
    "empty stack": b".",
    "text": b"not a pickle",
    "nothing": b"",
    "dtype with fields": b"cnumpy\ndtype\n(]tR.",
    "dates": pickle.dumps(np.array(["2020-01-01"], dtype="M8[D]"), 4),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_other_ways_in_are_closed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SemcoError):
        _load(tmp_path, HOSTILE[name])
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.pkl"]


def test_objects_out_of_raw_bytes_are_refused(tmp_path):
    """An object array's state must be a list: bytes would become pointers."""
    good = pickle.dumps(np.array(["x"], dtype=object), 2)
    cut = good.rindex(b"]")
    assert _load(tmp_path, good)[0] == "x"
    with pytest.raises(SemcoError, match="raw bytes|damaged"):
        _load(tmp_path, good[:cut] + b"U\x08AAAAAAAAtb.")


def test_missing_file(tmp_path):
    with pytest.raises(SemcoError, match="cannot read"):
        load_pickle(tmp_path / "gone.pkl")


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in "ab":
        dump_pickle(tmp_path / name, {"train/1.png": "cat", "train/2.png": "dog"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert load_pickle(tmp_path / "a") == {"train/1.png": "cat", "train/2.png": "dog"}


GOOD = [pickle.dumps(content, protocol) for content in (PLAIN, ARRAYS) for protocol in (0, 2, 4)]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(GOOD), st.data())
def test_damage_gives_one_error_or_plain_data(tmp_path_factory, good, data):
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    try:
        load_pickle(path)
    except SemcoError as error:
        assert "\n" not in str(error)


def test_a_large_pickle_is_read_like_any_other(tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    content = {f"term{place}": row for place, row in enumerate(rows)}
    with (tmp_path / "large.pkl").open("wb") as file:
        dump_large_pickle(file, content)
    loaded = load_pickle(tmp_path / "large.pkl")
    assert list(loaded) == list(content)
    for term, row in content.items():
        np.testing.assert_array_equal(loaded[term], row)
    # No memo: nothing that a reader would keep until the end.
    assert not any(opcode.name in ("MEMOIZE", "BINPUT") for opcode, *_ in _opcodes(tmp_path / "large.pkl"))


def _opcodes(path):
    return pickletools.genops(path.read_bytes())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a process has")
def test_a_memo_takes_no_more_than_the_file_deserves(tmp_path):
    limit, peak = resource.getrlimit(resource.RLIMIT_AS), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SemcoError, match="damaged"):
        _load(tmp_path, b"\x80\x02K\x01r" + struct.pack("<I", 2**29) + b".")  # the memo's 2**29th place: 8 GiB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 2**20  # KiB
    assert resource.getrlimit(resource.RLIMIT_AS) == limit


def test_many_small_containers_fit(tmp_path):
    content = [[] for _ in range(200_000)]
    assert _load(tmp_path, pickle.dumps(content, 2)) == content


def test_an_ordered_dict_comes_back_plain_and_in_order(tmp_path):
    pairs = [("b", 1), ("a", 2)]
    for protocol in range(6):
        loaded = _load(tmp_path, pickle.dumps(collections.OrderedDict(pairs), protocol))
        assert type(loaded) is dict
        assert list(loaded.items()) == pairs
    # As Python 2 writes it: a list of pairs.
    old = b"ccollections\nOrderedDict\n((l(S'b'\nI1\nla(S'a'\nI2\nlatR."
    assert list(_load(tmp_path, old).items()) == pairs


def test_strings_of_numpy_are_keys(tmp_path):
    content = {name: name for name in np.array(["ant", "bee"])}
    assert _load(tmp_path, pickle.dumps(content, 4)) == {"ant": "ant", "bee": "bee"}


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file(tmp_path, kind):
    path = {"pipe": tmp_path / "pipe", "device": "/dev/zero", "folder": tmp_path}[kind]
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(SemcoError, match=f"is a {kind}"):
        load_pickle(path)


def test_numpy_s_warnings_are_not_shown(tmp_path):
    """Here every warning is an error: NumPy deprecates this name of a dtype."""
    array = pickle.dumps(np.array([b"abcd"]), 2).replace(b"X\x02\x00\x00\x00S4", b"X\x02\x00\x00\x00a4")
    assert b"a4" in array
    assert _load(tmp_path, array).tolist() == [b"abcd"]


def test_without_the_resource_module(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "resource", None)
    assert _load(tmp_path, pickle.dumps(PLAIN)) == PLAIN
