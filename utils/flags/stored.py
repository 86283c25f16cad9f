"""The flags that a run stored -> Config. Standard library only."""

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path

from utils.flags.config import Config


def stored_config(flags: Mapping[str, object]) -> Config:
    """Turn what `Config.as_json` returned back into a Config.

    Flags that are missing, because the run is older than they are, have their defaults; unknown ones are ignored.
    """
    kinds = typing.get_type_hints(Config)
    values = {}
    for entry in dataclasses.fields(Config):
        if entry.name in flags:
            value, kind = flags[entry.name], kinds[entry.name]
            is_path = Path in (kind, *typing.get_args(kind)) and isinstance(value, str)
            values[entry.name] = Path(value) if is_path else value
    return Config(**values)
