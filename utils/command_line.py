"""Arguments -> Config. Both spellings of every flag, switches with and without a word, `@file`, one-line errors."""

import argparse
import dataclasses
import difflib
import os
import shlex
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from utils.config import Config, flag_name
from utils.config_checks import check_config
from utils.errors import SemcoError

# In bytes. Files get names of their own below a folder that is given, so the whole limit of 4096 is not for the user.
_LONGEST_NAME, _LONGEST_PATH = 255, 3000
_WORDS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


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

    def _read_args_from_files(self, arg_strings: list[str]) -> list[str]:
        try:
            return super()._read_args_from_files(arg_strings)
        except UnicodeDecodeError as error:
            files = ", ".join(text for text in arg_strings if text.startswith("@"))
            self.error(f"{files} is not text in UTF-8 ({error.reason})")
        except RecursionError:
            files = ", ".join(text for text in arg_strings if text.startswith("@"))
            self.error(f"{files} reads itself, directly or through another file")

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        """Read one line of an `@file`: flags and values as in a shell, `#` starts a comment."""
        try:
            return shlex.split(arg_line, comments=True)
        except ValueError as error:
            self.error(f"cannot read the line {arg_line!r} of an @file: {error}")

    def error(self, message: str) -> NoReturn:
        """Report a mistake in the arguments."""
        raise SemcoError(f"{message}; see --help")

    def _known_flags(self) -> list[str]:
        nested = [action.choices.values() for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return [
            *self._option_string_actions,
            *(flag for group in nested for one in group for flag in one._known_flags()),
        ]


class _Switch(argparse.Action):
    """`--x`, `--no-x`, `--x True`, `--x False`."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        positive = option_string == self.option_strings[0]
        if values is None:
            said = True
        elif values.lower() in _WORDS:
            said = _WORDS[values.lower()]
        else:
            parser.error(f"{option_string} is {values!r}: expected True or False, or no value")
        setattr(namespace, self.dest, said == positive)


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
    return Path(text)


def environment_path(variable: str) -> Path | None:
    """The path that an environment variable holds, None when it is unset or empty."""
    return Path(os.environ[variable]) if os.environ.get(variable) else None


def positive_number(text: str) -> int:
    """A whole number from 1, as the `type` of an argument."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def seed_number(text: str) -> int:
    """A seed, 0 to 2**32 - 1, as the `type` of an argument."""
    if not 0 <= (number := int(text)) < 2**32:
        raise ValueError(text)
    return number


# argparse names these in its message about a wrong value.
positive_number.__name__ = "whole number from 1"
seed_number.__name__ = "whole number below 2**32"


def parse_config(arguments: Sequence[str]) -> Config:
    """Turn run_semco.py's arguments into a validated Config.

    Raises:
        SemcoError: a mistake in the arguments.
    """
    config = Config(**vars(build_parser().parse(arguments)))
    check_config(config)
    return config


def build_parser() -> OneLineParser:
    """The parser of run_semco.py."""
    parser = OneLineParser(
        prog="run_semco.py",
        description="Train SemCo: semi-supervised image classification with label semantics and co-training.",
        epilog="Flags may be written with - or _, and read from a file: run_semco.py @recipes/NAME.flags",
    )
    kinds = typing.get_type_hints(Config)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for entry in dataclasses.fields(Config):
        group = entry.metadata["group"]
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        _add(groups[group], entry, _without_none(kinds[entry.name]))
    return parser


def _add(group: argparse._ArgumentGroup, entry: dataclasses.Field, kind: type) -> None:
    flag = flag_name(entry)
    default = environment_path(entry.metadata["env"]) if "env" in entry.metadata else entry.default
    text = f"{entry.metadata['help']} (default: {_shown(entry, default)})".replace("%", "%%")
    if kind is bool:
        group.add_argument(
            f"--{flag}",
            f"--no-{flag}",
            action=_Switch,
            nargs="?",
            metavar="BOOL",
            dest=entry.name,
            default=default,
            help=text,
        )
        return
    bare = {"nargs": "?", "const": entry.metadata["bare"]} if "bare" in entry.metadata else {}
    choices = entry.metadata.get("choices")
    metavar = "{" + ",".join(choices) + "}" if choices else kind.__name__.upper().replace("STR", "NAME")
    group.add_argument(
        f"--{flag}", dest=entry.name, type=_reader(entry, kind), default=default, help=text, metavar=metavar, **bare
    )


def _reader(entry: dataclasses.Field, kind: type):
    words, choices = entry.metadata.get("words", {}), entry.metadata.get("choices")

    def read(text: str) -> Any:
        if text.lower() in words:
            return words[text.lower()]
        if choices and text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(choices)}")
        if kind is Path:
            return path_argument(text)
        if not text:
            raise argparse.ArgumentTypeError("the value is empty")
        try:
            return kind(text)
        except ValueError:
            wanted = {int: "a whole number", float: "a number"}[kind]
            raise argparse.ArgumentTypeError(f"{text[:50]!r} is not {wanted}") from None

    return read


def _shown(entry: dataclasses.Field, default: Any) -> str:
    if entry.metadata.get("env"):
        return f"${entry.metadata['env']}"
    if isinstance(default, bool):
        return "on" if default else "off"
    if default is None:
        return "auto" if None in entry.metadata.get("words", {}).values() else "none"
    return str(default)


def _dashes(text: str) -> str:
    if not text.startswith("--"):
        return text
    name, equals, value = text.partition("=")
    return name.replace("_", "-") + equals + value


def _without_none(kind: Any) -> type:
    if isinstance(kind, types.UnionType):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return kind
