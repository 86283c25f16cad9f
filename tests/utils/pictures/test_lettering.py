"""Fonts that have the characters, and escapes for what no font has."""

import shutil

import matplotlib as mpl

from utils.pictures import lettering
from utils.pictures.figures import FT2Font, drawing, fontManager
from utils.pictures.lettering import choose_lettering

SCRIPTS = "\u732b\uace0\u306d\u0642"


def _own_fonts():
    return {font.name for font in fontManager.ttflist if mpl.get_data_path() in font.fname}


def test_the_usual_font_suffices_for_most():
    found = choose_lettering(["cat", "\u00c4pfel", "\u043a\u043e\u0442", "\u03b3\u03ac\u03c4\u03b1"])
    assert (found.families, found.missing) == (("DejaVu Sans",), frozenset())
    assert found.write("\u043a\u043e\u0442") == "\u043a\u043e\u0442"


def test_another_installed_font_is_found():
    usual, other = (set(FT2Font(fontManager.findfont(name)).get_charmap()) for name in ("DejaVu Sans", "STIXGeneral"))
    char = chr(min(code for code in other - usual if chr(code).isprintable()))
    found = choose_lettering([f"a{char}"])
    assert len(found.families) == 2
    assert not found.missing
    with drawing():
        assert ord(char) in FT2Font(fontManager.findfont(found.families[1])).get_charmap()


def test_what_no_font_has_is_escaped(monkeypatch):
    monkeypatch.setattr(lettering, "_other_families", list)
    found = choose_lettering(["\u732b cat", "\U0001f408"])
    assert found.write("\u732b cat \U0001f408") in ("\\u732b cat \\U0001f408", "\\u732b cat \U0001f408")
    assert "\u732b" in found.missing


def test_placeholders_are_no_letters():
    assert not any(
        family.startswith(("Last Resort", "cm")) for family in choose_lettering([SCRIPTS, "\U000e0100"]).families
    )


def test_a_damaged_font_file_is_one_font_less(tmp_path, monkeypatch):
    (entry,) = [
        font
        for font in fontManager.ttflist
        if font.name == "STIXGeneral" and font.style == "normal" and font.weight == 400
    ]
    broken = tmp_path / "broken.ttf"
    shutil.copy(entry.fname, broken)
    broken.write_bytes(broken.read_bytes()[:100])
    monkeypatch.setattr(fontManager, "ttflist", [type(entry)(fname=str(broken), name="Broken")])
    lettering._characters_of.cache_clear()
    try:
        assert lettering._characters_of("Broken") == frozenset()
        assert lettering._characters_of("Gone") == frozenset()
    finally:
        lettering._characters_of.cache_clear()
