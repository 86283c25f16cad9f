"""Bars draw on terminals only."""

import sys

from utils.progress import Progress


def test_chunks_pass_through(capsys):
    chunks = [[1, 2], [3]]
    assert list(Progress().chunks(chunks, total=3, what="reading", unit="rows")) == chunks
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert not Progress().bar(total=3, what="x", unit="rows").disable
    assert Progress(enabled=False).bar(total=3, what="x", unit="rows").disable
