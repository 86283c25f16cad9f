"""Names that may be shown on a line, and file names that stay inside their folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.files.names import find_fault, path_fault


@pytest.mark.parametrize(
    "name", ["apple", "T-shirt/top", "../odd", "=1+1", "Größe 海", "a\u200db", "a\u00a0b", "🍎", "x" * 200]
)
def test_names_of_every_kind_pass(name):
    assert find_fault(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("a\nb", "control characters"),
        ("a\x1b[2J", "control characters"),
        ("a\x85b", "control characters"),
        ("a\u2028b", "control characters"),
        ("a\u202eb", "control characters"),
        ("a\ud800", "bytes that are no text"),
        ("x" * 201, "longer than 200"),
    ],
)
def test_others_do_not(name, fault):
    assert fault in find_fault(name)


@given(st.text())
def test_what_passes_is_one_line_of_utf_8(name):
    if find_fault(name) is None:
        assert len(name.splitlines()) == 1
        name.encode("utf-8")


@pytest.mark.parametrize("name", ["a.png", "deep/a.png", "..a/b..", "a..b", ".hidden"])
def test_names_inside(name):
    assert path_fault(name) is None


@pytest.mark.parametrize("name", ["/a", "../a", "a/../../b", "a/..", "..", "a\\b", "..\\a"])
def test_names_that_lead_out(name):
    assert path_fault(name) == "is not inside the dataset folder"
