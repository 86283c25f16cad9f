"""Versions and machine are recorded, with or without git."""

from utils.run import environment as module
from utils.run.environment import environment


def test_environment(monkeypatch):
    facts = environment()
    assert facts["torch"]
    assert facts["python"].count(".") == 2
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError("git")))
    assert environment()["git_commit"] is None
