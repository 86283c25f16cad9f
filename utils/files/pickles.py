"""Read and write pickles of plain data; nothing in a file is ever executed."""

import contextlib
import math
import mmap
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from utils.errors import SemcoError
from utils.files.atomic import write_bytes
from utils.files.opcodes import UnfitPickleError, walk_pickle
from utils.files.regular import check_regular, open_regular

try:
    import resource
except ImportError:  # Windows: nothing bounds the memory there
    resource = None  # type: ignore[assignment]

# What a pickle may take while it is read. An empty list is two bytes in the file and 64 in memory; little else grows so.
_FREE_GROWTH, _GROWTH_PER_BYTE = 2**28, 64
# Larger integers can be chosen to collide in a set.
_MOST_NARROW = 2**63


def load_pickle(path: Path) -> Any:
    """Read a pickle of containers, strings, numbers and NumPy arrays, in any protocol.

    Ordered dicts come back as plain ones, which keep their order too. Keys, and members of sets, are text or numbers.

    Raises:
        SemcoError: the file is missing, damaged, or asks for anything else.
    """
    size = check_regular(path)
    try:
        with open_regular(path, follow_links=True) as file, _memory_bounded_by(size):
            _look_through(file, size)
            with warnings.catch_warnings():
                # NumPy comments on odd dtypes; what is wrong with them is said in one line here.
                warnings.simplefilter("ignore")
                return _PlainUnpickler(file, encoding="latin1").load()
    except OSError as error:
        raise SemcoError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except (_RefusedError, UnfitPickleError) as error:
        raise SemcoError(f"{path} was not loaded: {error}, and only plain data is read; make the file again") from error
    except SemcoError:
        raise
    # A damaged pickle makes the machine that reads it fail in nearly any way; none of them is a bug of this program.
    except Exception as error:
        raise SemcoError(f"{path} is no pickle or is damaged ({type(error).__name__}): make it again") from error


def _look_through(file: IO[bytes], size: int) -> None:
    """Walk through the file without reading all of it into memory."""
    if not size:
        raise EOFError  # of nothing there is no map
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as content:
        walk_pickle(content)


def dump_pickle(path: Path, content: Any) -> None:
    """Write a pickle atomically; equal content gives equal bytes."""
    write_bytes(path, pickle.dumps(content, protocol=4))


def dump_large_pickle(file: BinaryIO, content: Any) -> None:
    """Write a pickle of very many small values into an open file, without holding it in memory.

    It has no memo, in which writer and reader keep the raw bytes of every value until the last is done: for half a million
    vectors twice the memory. So values that are referred to twice are written twice, and none may contain itself.
    """
    pickler = pickle.Pickler(file, protocol=4)
    pickler.fast = True
    pickler.dump(content)


@contextlib.contextmanager
def _memory_bounded_by(size: int) -> Iterator[None]:
    """Let the process grow in proportion to a file of `size` bytes only: five bytes can ask for a memo of 64 GiB."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:  # not Linux
        pages = 0
    if not pages or resource is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + _FREE_GROWTH + _GROWTH_PER_BYTE * size
    resource.setrlimit(resource.RLIMIT_AS, (most if soft == resource.RLIM_INFINITY else min(most, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class _RefusedError(Exception):
    """The pickle asks for something that is not plain data."""


class _Dtype:
    """Stands in for a dtype while a pickle is read: NumPy's own accepts a hostile state unchecked."""

    def __init__(self, *arguments: Any) -> None:
        dtype = np.dtype(arguments[0]) if isinstance(arguments[0], str) else None
        # An item of no bytes lets an array of any size fit into none.
        if dtype is None or dtype.kind not in "biufcSUO" or not dtype.itemsize or dtype.subdtype or dtype.names:
            raise _RefusedError("it asks for a dtype that is no plain number or text")
        self.dtype = dtype

    def __setstate__(self, state: Any) -> None:
        _, order, subdtype, names, members, *_ = state
        if order not in ("<", ">", "|", "=") or (subdtype, names, members) != (None, None, None):
            raise _RefusedError("it asks for a structured dtype")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray):
    """What an array is built on while it is read: its state is checked before NumPy sees it."""

    def __setstate__(self, state: Any) -> None:
        version, shape, dtype, is_fortran, content = state
        has_objects = dtype.dtype.kind == "O"
        if has_objects and not (isinstance(content, list) and len(content) == math.prod(shape)):
            raise _RefusedError("it makes objects out of raw bytes")
        if not has_objects and not isinstance(content, (bytes, str)):
            raise _RefusedError("an array has no bytes")
        super().__setstate__((version, shape, dtype.dtype, is_fortran, content))


class _Maker:
    """A function as pickles see it: it can be called, but nothing can be set on it, which `BUILD` does to plain functions."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError("it sets attributes of a function")


def _refuse_memory(*_: Any) -> Any:
    """Stands in for `numpy.ndarray` where a pickle names it; it can be passed on, not called."""
    raise _RefusedError("it makes an array out of raw memory")


def _reconstruct(*_: Any) -> np.ndarray:
    return _Array.__new__(_Array, (0,), np.int8)


def _frombuffer(buffer: Any, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    if dtype.dtype.kind == "O":
        raise _RefusedError("it makes objects out of raw bytes")
    return np.frombuffer(buffer, dtype=dtype.dtype).reshape(shape, order=order).copy()


def _scalar(dtype: _Dtype, content: Any = b"") -> Any:
    # Complex ones can be chosen to collide as keys.
    if dtype.dtype.kind not in "biufSU" or not isinstance(content, (bytes, str)):
        raise _RefusedError("it makes an object out of raw bytes")
    raw = content if isinstance(content, bytes) else content.encode("latin1")
    return np.frombuffer(raw, dtype=dtype.dtype, count=1)[0]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How protocols 0 to 2 spell bytes. No other codec is needed, and some decompress without bound."""
    if encoding not in ("latin1", "latin-1"):
        raise _RefusedError(f"it asks for the codec {encoding}")
    return text.encode("latin1")


def _bytes(*arguments: Any) -> bytes:
    """`bytes()`, as protocol 2 spells an empty one; `bytes(n)` would allocate whatever the file wishes."""
    if arguments:
        raise _RefusedError("it makes bytes out of nothing")
    return b""


def _as_members(content: Iterable[Any] = ()) -> list[Any]:
    """Members of a set: what hashes at once."""
    members = list(content)
    if not all(isinstance(member, (str, bytes, float, np.number)) or _is_narrow(member) for member in members):
        raise _RefusedError("a member of a set is neither text nor an ordinary number")
    return members


def _is_narrow(member: Any) -> bool:
    return member is None or (isinstance(member, int) and abs(member) < _MOST_NARROW)


def _ordered_dict(pairs: Iterable[Any] = ()) -> dict[Any, Any]:
    """A plain dict: on an ordered one a pickle could set attributes, such as another `items`."""
    pairs = [tuple(pair) for pair in pairs]
    _as_members(key for key, _ in pairs)
    return dict(pairs)


def _bytearray(content: Any = b"", encoding: str = "latin1") -> bytearray:
    return bytearray(_encode(content, encoding) if isinstance(content, str) else bytes(memoryview(content)))


_NUMPY = {
    "dtype": _Dtype,
    "ndarray": _Maker(_refuse_memory),
    "_reconstruct": _Maker(_reconstruct),
    "_frombuffer": _Maker(_frombuffer),
    "scalar": _Maker(_scalar),
}
_BUILTINS = {
    "set": _Maker(lambda *content: set(_as_members(*content))),
    "frozenset": _Maker(lambda *content: frozenset(_as_members(*content))),
    "bytes": _Maker(_bytes),
    "bytearray": _Maker(_bytearray),
}
# Python 2 and 3 name the builtins differently, NumPy 1 and 2 the core: files from either side are read.
_ALLOWED = {
    **dict.fromkeys(("builtins", "__builtin__"), _BUILTINS),
    **dict.fromkeys(("numpy", "numpy.core.multiarray", "numpy._core.multiarray"), _NUMPY),
    **dict.fromkeys(("numpy.core.numeric", "numpy._core.numeric"), _NUMPY),
    "collections": {"OrderedDict": _Maker(_ordered_dict)},
    "_codecs": {"encode": _Maker(_encode)},
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module][name]
        except KeyError:
            raise _RefusedError(f"it asks for {module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise _RefusedError("it refers to objects outside the file")
