"""The promise of one plain line."""

from utils.errors import SemcoError


def test_control_characters_are_spelt_out():
    message = str(SemcoError("class 'a\nb\x1b[31m\u202e' of größe.png"))
    assert message == r"class 'a\nb\x1b[31m\u202e' of größe.png"
