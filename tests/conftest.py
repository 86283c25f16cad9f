"""Shared fixtures: a small real-looking dataset folder, clean skips without a GPU, and checks of tensors' shapes."""

import errno
import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

from tests.support.datasets import CLASSES, TERMS, make_dataset, write_split, write_vectors
from utils.stopping import existing_signals

# On a busy machine any example may take longer than Hypothesis's 200 ms.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
# The method's pure functions check the shapes that their annotations state, in tests only.
install_import_hook(["models.losses", "models.label_guessor"], "beartype.beartype")


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="needs a CUDA GPU")
        for item in items:
            # Not `item.keywords`: those hold folders' names too, and a checkout may be called gpu.
            if item.get_closest_marker("gpu"):
                item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def _interrupts_are_heard():
    """A shell's background jobs have SIGINT ignored, nohup's SIGHUP, and so would everything that the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in existing_signals("SIGHUP"):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def small_disk(monkeypatch):
    """Return a function after whose call every file that is written takes so many bytes and no more."""

    def limit_to(size: int) -> None:
        def open_limited(self, mode="r", *arguments, **settings):
            file = path_open(self, mode, *arguments, **settings)
            return _FullFile(file, size) if "w" in mode else file

        path_open = Path.open
        monkeypatch.setattr(Path, "open", open_limited)

    return limit_to


class _FullFile:
    """A file that fails as on a full disk once `room` bytes are written."""

    def __init__(self, file, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data) -> int:
        taken = data[: self._room]
        self._room -= len(taken)
        self._file.write(taken)
        if len(taken) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(taken)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    """A folder with dataset `tiny` (7 classes, 12 training and 4 test images each), word vectors and splits."""
    root = tmp_path_factory.mktemp("data")
    make_dataset(root, "tiny", CLASSES, train=12, test=4)
    write_vectors(root / "vectors.txt", TERMS, dim=8)
    write_split(root / "split.pkl", root / "tiny", per_class=2)
    return root


@pytest.fixture
def no_pictures(monkeypatch):
    """Spare tests of the way to a run the second that its pictures take."""
    monkeypatch.setattr("utils.run.folder.RunFolder.draw_pictures", lambda *_: None)
    monkeypatch.setattr("utils.run.folder.RunFolder.write_report", lambda *_: None)
