"""What a user can mend, as opposed to a bug."""

import sys
from collections.abc import Callable, Sequence, Sized


def one_line(text: str) -> str:
    """Spell out what is not printable: names from files may hold line breaks or terminal escapes."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def and_more(faults: Sized) -> str:
    """The end of a complaint about the first of several faults: " (and 2 more)"; nothing when it is the only one."""
    return f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""


def first_ten(names: Sequence[str]) -> str:
    """List names for a message: the first ten, quoted, and how many more there are."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(repr(name) for name in names[:10]) + more


class SemcoError(Exception):
    """A user's mistake. The message is one line: what is wrong, what was expected, how to mend it.

    The command-line programs print it without a traceback and exit with code 2; every other exception is a bug and
    keeps its traceback.
    """

    def __init__(self, message: str) -> None:
        # The promise of one plain line must survive whatever is named in it.
        super().__init__(one_line(message))


def run_program(work: Callable[[], None]) -> int:
    """Do a program's work; returns its exit code: 0, 2 after a user's mistake, 130 after Ctrl-C."""
    try:
        work()
    except SemcoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0
