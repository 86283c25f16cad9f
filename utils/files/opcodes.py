"""Look through a pickle before anything is built from it: bounded depth, and keys that hash in no time.

Python's reader hashes whatever a pickle offers as a key. A tuple that holds itself twice, sixty levels deep, fits into a few
hundred bytes and hashes 2**60 times in one call that no signal interrupts; a million levels end in a segmentation fault; and
integers beyond 64 bits can be chosen to collide. Here only the kinds of the values are followed, on a stack like the
reader's: 0 for a plain value, which may be a key, else the depth of a container.
"""

from collections.abc import Callable, Collection
from typing import NoReturn

# Far more than any file needs, far less than what a recursion in C could not take.
_DEEPEST = 100
# Integers of so many bytes, or characters (a sign, 19 digits, an L), at most: a handful of them can collide.
_WIDEST_KEY, _LONGEST_KEY = 8, 21
_PLAIN, _EMPTY_ONLY = 0, -1
_STOP, _MEMOIZE, _BINGET, _BINPUT, _LONG_BINPUT = ord("."), 0x94, ord("h"), ord("q"), ord("r")


class UnfitPickleError(Exception):
    """What a pickle holds that no file of plain data needs; the end of a sentence."""


def walk_pickle(data: bytes | memoryview, start: int = 0, *, refused: Collection[str] = ()) -> int:
    """Look through the pickle at `start`; return the position behind it.

    Args:
        refused: classes, as `module.name`, that make sets or dicts out of any list: the pickle may not call them, but for
            `collections.OrderedDict`, which it may call with nothing.

    Raises:
        UnfitPickleError: it is nested too deep, or has a key that is neither text nor an ordinary number.
        IndexError, KeyError, ValueError: it is damaged.
    """
    return _Walk(data, start, refused).run()


def _refuse_depth() -> NoReturn:
    raise UnfitPickleError(f"it nests more than {_DEEPEST} levels deep")


def _refuse_key() -> NoReturn:
    raise UnfitPickleError("a key in it is neither text nor an ordinary number")


class _Walk:
    """One pickle's stack, marks and memo, holding kinds instead of values."""

    def __init__(self, data: bytes | memoryview, start: int, refused: Collection[str]) -> None:
        self._data, self._at, self._refused = data, start, refused
        self._stack: list[int] = []
        self._marks: list[int] = []
        self._memo: dict[int, int] = {}

    def run(self) -> int:
        """Follow all opcodes up to the end; the commonest are followed here: 500,000 word vectors are ten million of them."""
        data, stack, memo, at = self._data, self._stack, self._memo, self._at
        while True:
            opcode = data[at]
            if opcode == _MEMOIZE:
                memo[len(memo)] = stack[-1]
                at += 1
            elif size := _PLAIN_SIZES[opcode]:
                stack.append(_PLAIN)
                at += size
            elif width := _LENGTH_WIDTHS[opcode]:
                stack.append(_PLAIN)
                at += 1 + width + int.from_bytes(data[at + 1 : at + 1 + width], "little")
            elif opcode == _BINGET:
                stack.append(memo[data[at + 1]])
                at += 2
            elif opcode == _BINPUT:
                memo[data[at + 1]] = stack[-1]
                at += 2
            elif opcode == _LONG_BINPUT:
                memo[int.from_bytes(data[at + 1 : at + 5], "little")] = stack[-1]
                at += 5
            elif opcode == _STOP:
                return at + 1
            else:
                self._at = at + 1
                _FOLLOW[opcode](self)
                at = self._at

    def _line(self) -> bytes:
        start = self._at
        while self._data[self._at] != 0x0A:
            self._at += 1
        self._at += 1
        return bytes(self._data[start : self._at - 1])

    def _number(self, width: int) -> int:
        self._at += width
        raw = self._data[self._at - width : self._at]
        if len(raw) < width:
            raise IndexError
        return int.from_bytes(raw, "little")

    def _since_mark(self) -> list[int]:
        place = self._marks.pop()
        items = self._stack[place:]
        del self._stack[place:]
        return items

    def _push_holding(self, items: list[int]) -> None:
        # With nothing in it, or a class, it is a container like any other.
        depth = 1 + max(items) if any(items) else 1
        if depth > _DEEPEST:
            _refuse_depth()
        self._stack.append(depth or 1)

    def _put_into_top(self, items: list[int]) -> None:
        self._push_holding([self._stack.pop() - 1, *items])

    def mark(self) -> None:
        if len(self._marks) == _DEEPEST:
            _refuse_depth()
        self._marks.append(len(self._stack))

    def tuple_of_one(self) -> None:
        self._push_holding([self._stack.pop()])

    def tuple_of_two(self) -> None:
        self._push_holding([self._stack.pop(), self._stack.pop()])

    def tuple_of_three(self) -> None:
        self._push_holding([self._stack.pop(), self._stack.pop(), self._stack.pop()])

    def marked(self) -> None:
        self._push_holding(self._since_mark())

    def dict_of_marked(self) -> None:
        items = self._since_mark()
        self._check_keys(items[::2])
        self._push_holding(items)

    def frozenset_of_marked(self) -> None:
        items = self._since_mark()
        self._check_keys(items)
        self._push_holding(items)

    def append(self) -> None:
        self._put_into_top([self._stack.pop()])

    def appends(self) -> None:
        self._put_into_top(self._since_mark())

    def set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._check_keys([key])
        self._put_into_top([value])

    def set_items(self) -> None:
        items = self._since_mark()
        self._check_keys(items[::2])
        self._put_into_top(items)

    def add_items(self) -> None:
        items = self._since_mark()
        self._check_keys(items)
        self._put_into_top(items)

    @staticmethod
    def _check_keys(keys: list[int]) -> None:
        if any(keys):
            _refuse_key()

    def pop(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def duplicate(self) -> None:
        self._stack.append(self._stack[-1])

    def put(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def get(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def push_integer(self, width: int) -> None:
        size = self._number(width)
        self._at += size
        self._stack.append(_PLAIN if size <= _WIDEST_KEY else 1)

    def push_integer_line(self) -> None:
        self._stack.append(_PLAIN if len(self._line()) <= _LONGEST_KEY else 1)

    def push_global(self) -> None:
        name = b".".join((self._line(), self._line())).decode(errors="replace").replace("__builtin__", "builtins")
        if name not in self._refused:
            self._stack.append(_PLAIN)
        elif name == "collections.OrderedDict":
            self._stack.append(_EMPTY_ONLY)
        else:
            raise UnfitPickleError(f"it asks for {name}")

    def push_line(self) -> None:
        self._line()
        self._stack.append(_PLAIN)

    def push_depth_one(self) -> None:
        self._stack.append(1)

    def push_bytearray(self) -> None:
        size = self._number(8)
        self._at += size
        self._stack.append(1)

    def call(self) -> None:
        """The reader makes something of a function and a tuple; what it makes is a plain value or has no hash."""
        arguments, function = self._stack.pop(), self._stack.pop()
        if function == _EMPTY_ONLY and arguments != 1:
            raise UnfitPickleError("it fills an ordered dict with a list")
        self._stack.append(_PLAIN)

    def call_marked(self) -> None:
        self._since_mark()
        self._stack.append(_PLAIN)

    def call_named(self) -> None:
        self.push_global()
        self._stack.pop()
        self.call_marked()

    def replace(self, count: int) -> None:
        """Take what the opcode needs from the stack, and put there what it makes."""
        for _ in range(count):
            self._stack.pop()
        self._stack.append(_PLAIN)

    def global_of_stack(self) -> None:
        if self._refused:
            raise UnfitPickleError("it is of a protocol that torch does not write")
        self.replace(2)

    def skip(self, count: int) -> None:
        self._at += count


def _table(entries: dict[str, int]) -> list[int]:
    """A number for each opcode, 0 where there is none."""
    table = [0] * 256
    for characters, number in entries.items():
        for character in characters:
            table[ord(character)] = number
    return table


def _refuse_opcode(walk: _Walk) -> NoReturn:
    raise ValueError("unknown opcode")


# Sizes of opcodes, with their arguments, that push a plain value of one size: None, True, False, integers, floats.
_PLAIN_SIZES = _table({"N\x88\x89": 1, "K": 2, "M": 3, "J": 5, "G": 9, "\x82": 2, "\x83": 3, "\x84": 5})
# Widths of the length in front of text and bytes.
_LENGTH_WIDTHS = _table({"U\x8cC": 1, "TXB": 4, "\x8d\x8e": 8})
_FOLLOW: list[Callable[[_Walk], None]] = [_refuse_opcode] * 256
for _character, _follow in {
    "(": _Walk.mark,
    "]": _Walk.push_depth_one,
    "}": _Walk.push_depth_one,
    ")": _Walk.push_depth_one,
    "\x8f": _Walk.push_depth_one,
    "\x97": _Walk.push_depth_one,
    "\x85": _Walk.tuple_of_one,
    "\x86": _Walk.tuple_of_two,
    "\x87": _Walk.tuple_of_three,
    "t": _Walk.marked,
    "l": _Walk.marked,
    "d": _Walk.dict_of_marked,
    "\x91": _Walk.frozenset_of_marked,
    "a": _Walk.append,
    "e": _Walk.appends,
    "s": _Walk.set_item,
    "u": _Walk.set_items,
    "\x90": _Walk.add_items,
    "0": _Walk.pop,
    "1": lambda walk: walk._since_mark(),
    "2": _Walk.duplicate,
    "p": lambda walk: walk.put(int(walk._line())),
    "g": lambda walk: walk.get(int(walk._line())),
    "j": lambda walk: walk.get(walk._number(4)),
    "\x8a": lambda walk: walk.push_integer(1),
    "\x8b": lambda walk: walk.push_integer(4),
    "I": _Walk.push_integer_line,
    "L": _Walk.push_integer_line,
    "F": _Walk.push_line,
    "S": _Walk.push_line,
    "V": _Walk.push_line,
    "P": _Walk.push_line,
    "\x96": _Walk.push_bytearray,
    "c": _Walk.push_global,
    "\x93": _Walk.global_of_stack,
    "R": _Walk.call,
    "\x81": lambda walk: walk.replace(2),
    "\x92": lambda walk: walk.replace(3),
    "o": _Walk.call_marked,
    "i": _Walk.call_named,
    "Q": lambda walk: walk.replace(1),
    "b": lambda walk: walk._stack.pop(),
    "\x98": lambda walk: None,
    "\x80": lambda walk: walk.skip(1),
    "\x95": lambda walk: walk.skip(8),
}.items():
    _FOLLOW[ord(_character)] = _follow
