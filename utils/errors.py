"""What a user can fix, as opposed to a bug, and the frame that tells the two apart."""

import errno
import sys
from collections.abc import Callable, Sequence, Sized
from importlib.util import find_spec

from utils.stopping import StopAtOnce, Stopped, existing_signals, receiving
from utils.streams import lasting_streams

# Ctrl-C comes as KeyboardInterrupt; these would end a program without its cleaning up.
_ENDING = existing_signals("SIGTERM", "SIGHUP")
_OWN = ("benchmarks", "loaders", "models", "utils")
# What torch's CPU allocator, thread starts and the loader of shared libraries say when memory runs out.
_WITHOUT_MEMORY = ("DefaultCPUAllocator", "can't start new thread", "cannot allocate memory", "failed to map segment")


def one_line(text: str) -> str:
    """Spell out what is not printable: names from files may hold line breaks or terminal escapes."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def and_more(faults: Sized) -> str:
    """Return the end of a complaint about the first of several faults: " (and 2 more)"; nothing for the only one."""
    return f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""


def first_ten(names: Sequence[str]) -> str:
    """List names for a message: the first ten, quoted, and how many more there are."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(repr(name) for name in names[:10]) + more


class SemcoError(Exception):
    """A user's mistake. The message is one line: what is wrong, what was expected, how to fix it.

    The command-line programs print it without a traceback and exit with code 2; every other exception is a bug and
    keeps its traceback.
    """

    def __init__(self, message: str) -> None:
        # The promise of one plain line must hold whatever the message names.
        super().__init__(one_line(message))


def as_mistake(error: BaseException) -> SemcoError | None:
    """Return the mistake that a user can mend behind an exception; None where there is none and the exception is a bug."""
    if isinstance(error, SemcoError):
        return error
    if _says_memory_is_used_up(error):
        return SemcoError(
            "out of memory: end other programs, raise this one's limit (ulimit -v, cgroup), or use a larger machine"
        )
    if isinstance(error, ModuleNotFoundError) and _is_foreign(package := (error.name or "").partition(".")[0]):
        return SemcoError(
            f"the package {package!r} is not installed for {sys.executable}: run the program with the environment that "
            "make has set up (. .venv/bin/activate), or pip install -r requirements.txt into this one"
        )
    return None


def _says_memory_is_used_up(error: BaseException) -> bool:
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError | ImportError) and any(words in str(error) for words in _WITHOUT_MEMORY))
    )


def _is_foreign(package: str) -> bool:
    """Return True for a package that neither Python nor this project brings, and that is not there at all."""
    return package not in ("", *_OWN, *sys.stdlib_module_names) and find_spec(package) is None


def run_program(work: Callable[[], None]) -> int:
    """Do a program's work, and report a user's mistake or a signal in one line.

    Returns:
        The exit code: 0, 2 after a user's mistake, 128 + its number after a signal that ended the work.
    """
    with lasting_streams(), receiving(_ENDING, StopAtOnce()):
        try:
            work()
        except KeyboardInterrupt:
            print("stopped by SIGINT", file=sys.stderr)
            return 130
        except Stopped as stopped:
            print(f"stopped by {stopped}", file=sys.stderr)
            return stopped.exit_code
        except Exception as error:
            if (mistake := as_mistake(error)) is None:
                raise
            print(f"error: {mistake}", file=sys.stderr)
            return 2
    return 0
