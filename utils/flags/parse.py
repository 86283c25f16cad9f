"""run_semco.py's arguments -> Config. Both spellings of every flag, switches with and without a word, `@file`."""

import argparse
import dataclasses
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.flags.arguments import OneLineParser, environment_path, path_argument
from utils.flags.checks import check_config
from utils.flags.config import Config, flag_of

_WORDS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


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


def parse_config(arguments: Sequence[str]) -> Config:
    """Turn run_semco.py's arguments into a validated Config.

    Raises:
        SemcoError: a mistake in the arguments.
    """
    config = Config(**vars(build_parser().parse(arguments)))
    check_config(config)
    return config


def build_parser() -> OneLineParser:
    """Build the parser of run_semco.py."""
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
    flag = flag_of(entry.name)
    default = environment_path(entry.metadata["env"]) if "env" in entry.metadata else entry.default
    text = f"{entry.metadata['help']} (default: {_shown(entry, default)})".replace("%", "%%")
    if kind is bool:
        group.add_argument(
            flag,
            flag_of(f"no_{entry.name}"),
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
        flag, dest=entry.name, type=_reader(entry, kind), default=default, help=text, metavar=metavar, **bare
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


def _without_none(kind: Any) -> type:
    if isinstance(kind, types.UnionType):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return kind
