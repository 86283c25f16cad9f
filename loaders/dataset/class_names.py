"""Class names as they are compared: without outer blanks, in one Unicode form."""

import unicodedata
from collections.abc import Sequence

from utils.errors import SemcoError


def clean_class_name(name: str) -> str:
    """Strip outer blanks and compose accents (NFC): names that differ in these alone look the same, and are one class."""
    return unicodedata.normalize("NFC", name.strip())


def clean_class_names(names: Sequence[str]) -> tuple[str, ...]:
    """Clean a list of class names, in order.

    Raises:
        SemcoError: two of them are then the same.
    """
    cleaned: dict[str, str] = {}
    for name in names:
        key = clean_class_name(name)
        if key in cleaned:
            raise SemcoError(
                f"the class list holds {cleaned[key]!r} and {name!r}, which are one class: take one of them out"
            )
        cleaned[key] = name
    return tuple(cleaned)
