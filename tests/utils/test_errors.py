"""The promise of one plain line."""

from utils.errors import SemcoError, and_more, first_ten


def test_control_characters_are_spelt_out():
    message = str(SemcoError("class 'a\nb\x1b[31m\u202e' of größe.png"))
    assert message == r"class 'a\nb\x1b[31m\u202e' of größe.png"


def test_and_more():
    assert [and_more(faults) for faults in ("a", "ab", "abc")] == ["", " (and 1 more)", " (and 2 more)"]


def test_no_message_lists_more_than_ten():
    assert first_ten(["a", "b"]) == "'a', 'b'"
    assert first_ten([str(number) for number in range(10)]).endswith("'9'")
    assert first_ten([str(number) for number in range(12)]).endswith("'9' and 2 more")
