"""The promise of one plain line."""

from utils.errors import SemcoError, and_more


def test_control_characters_are_spelt_out():
    message = str(SemcoError("class 'a\nb\x1b[31m\u202e' of größe.png"))
    assert message == r"class 'a\nb\x1b[31m\u202e' of größe.png"


def test_and_more():
    assert [and_more(faults) for faults in ("a", "ab", "abc")] == ["", " (and 1 more)", " (and 2 more)"]
