"""How names and terms are spelt, and what their parts are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.words.terms import alternatives, fold, fold_all, normalise, spell


@given(st.lists(st.text()))
def test_folding_many_is_folding_each(terms):
    assert fold_all(terms) == [fold(term) for term in terms]


@given(st.text())
def test_folding_twice_changes_nothing(name):
    assert fold(fold(name)) == fold(name)
    assert normalise(normalise(name)) == normalise(name)


@pytest.mark.parametrize(
    ("one", "other"), [("e\u0301", "\u00c9"), ("Stra\u00dfe", "STRASSE"), ("guinea-pig", "Guinea Pig"), ("K", "\u212a")]
)
def test_equal_spellings(one, other):
    assert fold(one) == fold(other)


def test_spelling_keeps_letters():
    assert spell("the Gr\u00f6\u00dfe-Bar") == "gr\u00f6\u00dfe_bar"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("T-shirt/top", ["T-shirt", "top"]),
        ("tench, Tinca tinca", ["tench", "Tinca tinca"]),
        ("crane (bird)", ["crane", "bird"]),
        ("cup OR mug", ["cup", "mug"]),
        ("cup_or_mug", ["cup", "mug"]),
        ("a/a", ["a"]),
        ("orchid", ["orchid"]),
        ("or mug", ["or mug"]),
        ("//", ["//"]),
    ],
)
def test_alternatives(name, expected):
    assert alternatives(name) == expected
