"""Fonts for texts in any script: those installed that have the characters; what none has is escaped."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from utils.pictures.figures import FT2Font, fontManager, weight_dict

_USUAL = "DejaVu Sans"
# Looked through first, since they cover whole scripts.
_LARGE = (
    "Noto Sans CJK",
    "Noto Sans",
    "Source Han Sans",
    "WenQuanYi",
    "Droid Sans Fallback",
    "Unifont",
    "Arial Unicode",
)
# Fonts of mathematical signs under other codes, and of placeholders.
_NO_LETTERS = ("cm", "STIXSize", "STIXNon", "Last Resort")


@dataclass(frozen=True)
class Lettering:
    """Font families, tried in this order for each character, and the characters that none of them has."""

    families: tuple[str, ...]
    missing: frozenset[str]

    def write(self, text: str) -> str:
        """Return the text as it can be drawn: characters without a glyph as `\\u732b`."""
        return "".join(_escape(char) if char in self.missing else char for char in text)


def choose_lettering(texts: Iterable[str]) -> Lettering:
    """Find installed fonts that have the characters of the texts."""
    wanted = {char for text in texts for char in text if char != "\n"}
    families, missing = [_USUAL], wanted - _characters_of(_USUAL)
    for family in _other_families() if missing else ():
        found = missing & _characters_of(family)
        if found:
            families.append(family)
            missing -= found
        if not missing:
            break
    return Lettering(tuple(families), frozenset(missing))


def _other_families() -> list[str]:
    """Installed families besides the usual one, large ones first, in an order that does not change."""
    families = {font.name for font in fontManager.ttflist} - {_USUAL}
    real = sorted(family for family in families if not family.startswith(_NO_LETTERS))
    return sorted(real, key=lambda family: not family.startswith(_LARGE))


@functools.cache
def _characters_of(family: str) -> frozenset[str]:
    """The characters for which a family's upright font has a glyph; none where its file cannot be read."""
    fonts = [font for font in fontManager.ttflist if font.name == family and font.style == "normal"]
    try:
        # The one that drawing will take.
        font = min(fonts, key=lambda font: (font.stretch != "normal", abs(_weight(font.weight) - 400)))
        return frozenset(map(chr, FT2Font(font.fname).get_charmap()))
    # An installed font that is damaged, of an odd kind or gone by now is one font less.
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def _weight(weight: int | str) -> int:
    return weight if isinstance(weight, int) else weight_dict.get(weight, 400)


def _escape(char: str) -> str:
    return repr(char)[1:-1] if not char.isprintable() else char.encode("ascii", "backslashreplace").decode()
