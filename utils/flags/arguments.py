"""Arguments of all programs here: a parser whose mistakes are one line, paths, numbers."""

import argparse
import difflib
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from utils.errors import SemcoError
from utils.files.regular import check_regular

# In bytes. Files get names of their own below a folder that is given, so the whole limit of 4096 is not for the user.
_LONGEST_NAME, _LONGEST_PATH = 255, 3000
# Of an `@FILE`: no list of flags comes near these, and what goes beyond is another file or one that reads itself.
_LARGEST_FILE, _DEEPEST_FILE, _MOST_ARGUMENTS = 2**20, 8, 10_000


class OneLineParser(argparse.ArgumentParser):
    """argparse that takes `_` for `-` in flags, reads `@file`, and reports a mistake as a SemcoError."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False,
            fromfile_prefix_chars="@",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **settings,
        )

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse, with an unknown flag answered by the nearest known one.

        Raises:
            SemcoError: unknown flag, wrong value or unreadable `@file`.
        """
        expanded = [_dashes(text) for text in self._read_args_from_files(list(arguments))]
        known = self._known_flags()
        for text in expanded:
            if text.startswith("--") and (flag := text.split("=")[0]) not in known:
                near = difflib.get_close_matches(flag, known, n=1)
                self.error(f"unknown flag {flag}" + (f", did you mean {near[0]}?" if near else ""))
        return self.parse_args(expanded)

    def _read_args_from_files(self, arg_strings: list[str], depth: int = 0) -> list[str]:
        """Replace each `@FILE` by the arguments in it, which may name further files."""
        found: list[str] = []
        for text in arg_strings:
            if not text.startswith("@") or len(text) == 1:
                found.append(text)
                continue
            if depth == _DEEPEST_FILE:
                self.error(f"{text} reads itself, directly or through another file")
            arguments = [word for line in self._file_lines(text[1:]) for word in self._words(line, text)]
            found += self._read_args_from_files(arguments, depth + 1)
            if len(found) > _MOST_ARGUMENTS:
                self.error(f"{text} holds more than {_MOST_ARGUMENTS:,} arguments")
        return found

    def _file_lines(self, name: str) -> list[str]:
        try:
            path = path_argument(name)
            check_regular(path, what="file of flags", most_bytes=_LARGEST_FILE)
            return path.read_text(encoding="utf-8-sig").splitlines()
        except argparse.ArgumentTypeError as error:
            self.error(f"@{name}: {error}")
        except UnicodeDecodeError as error:
            self.error(f"@{name} is not text in UTF-8 ({error.reason})")
        except OSError as error:
            self.error(f"cannot read @{name}: {error.strerror or error}")

    def _words(self, line: str, file: str) -> list[str]:
        """Read one line of an `@FILE`: flags and values as in a shell, `#` starts a comment."""
        if _lost_backslash(line):
            self.error(f"the line {line[:200]!r} of {file} holds a backslash: write / between folders")
        try:
            return shlex.split(line, comments=True)
        except ValueError as error:
            self.error(f"cannot read the line {line[:200]!r} of {file}: {error}")

    def error(self, message: str) -> NoReturn:
        """Report a mistake in the arguments."""
        raise SemcoError(f"{message}; see --help")

    def _known_flags(self) -> list[str]:
        nested = [action.choices.values() for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return [
            *self._option_string_actions,
            *(flag for group in nested for one in group for flag in one._known_flags()),
        ]


def path_argument(text: str) -> Path:
    """Turn an argument into a path.

    Raises:
        argparse.ArgumentTypeError: no file can have this name.
    """
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"the path {text!r} is not in UTF-8") from None
    if not raw:
        raise argparse.ArgumentTypeError("the path is empty")
    if b"\0" in raw:
        raise argparse.ArgumentTypeError(f"the path {text!r} holds a zero byte")
    if len(raw) > _LONGEST_PATH or max(map(len, raw.split(b"/"))) > _LONGEST_NAME:
        raise argparse.ArgumentTypeError(f"the path {text[:50]!r}... is too long for a path")
    if os.sep == "/" and "\\" in text and not os.path.lexists(text):
        raise argparse.ArgumentTypeError(f"the path {text!r} holds a backslash: write / between folders")
    return Path(text)


def environment_path(variable: str) -> Path | None:
    """Return the path that an environment variable holds, None when it is unset or empty."""
    return Path(os.environ[variable]) if os.environ.get(variable) else None


def positive_number(text: str) -> int:
    """Read a whole number from 1, as the `type` of an argument."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def seed_number(text: str) -> int:
    """Read a seed, 0 to 2**32 - 1, as the `type` of an argument."""
    if not 0 <= (number := int(text)) < 2**32:
        raise ValueError(text)
    return number


# argparse names these in its message about a wrong value.
positive_number.__name__ = "whole number from 1"
seed_number.__name__ = "whole number below 2**32"


def _lost_backslash(line: str) -> bool:
    """Return True if reading `line` as a shell does would make `ab` of a path like `a\\b`."""
    outside_quotes = re.sub(r"'[^']*'|(^|\s)#.*", "", line)
    return re.search(r"\\[\w.]", outside_quotes) is not None


def _dashes(text: str) -> str:
    if not text.startswith("--"):
        return text
    name, equals, value = text.partition("=")
    return name.replace("_", "-") + equals + value
