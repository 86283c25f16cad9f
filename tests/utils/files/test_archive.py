"""torch's archives: what it wrote passes, every other order of entries is named."""

import io
import sys
import warnings
import zipfile

import pytest
import torch

from utils.files.archive import DamagedArchiveError, check_archive

OTHER_ORDER = b"big" if sys.byteorder == "little" else b"little"


@pytest.fixture
def path(tmp_path):
    torch.save({"a": torch.arange(100.0), "b": torch.zeros(3), "text": "x"}, tmp_path / "a.pth")
    return tmp_path / "a.pth"


def _entries(path) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def _write(path, entries, compression=zipfile.ZIP_STORED, comment=b"") -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in entries:
            archive.writestr(name, content)
        archive.comment = comment


@pytest.mark.parametrize("all_entries", [True, False])
def test_what_torch_wrote_passes(path, all_entries):
    check_archive(path, all_entries=all_entries)
    _write(path, _entries(path))
    check_archive(path, all_entries=all_entries)


def _swapped(entries, name, content):
    return [(entry, content if entry.endswith(f"/{name}") else old) for entry, old in entries]


def _again(entries, name, change=str):
    return [*entries, *((change(entry), content) for entry, content in entries if entry.endswith(f"/{name}"))]


def _upper(name: str) -> str:
    folder, _, rest = name.partition("/")
    return f"{folder}/{rest.upper()}"


CHANGES = {
    "two pickles": (lambda entries: _again(entries, "data.pkl"), "data.pkl is in it twice"),
    "two pickles for torch, which ignores case": (lambda entries: _again(entries, "data.pkl", _upper), "twice"),
    "two of one storage": (lambda entries: _again(entries, "data/0"), "data/0 is in it twice"),
    "two folders": (lambda entries: _again(entries, "data.pkl", lambda name: f"other{name}"), "several folders"),
    "no pickle": (lambda entries: [one for one in entries if "data.pkl" not in one[0]], "has no data.pkl"),
    "byte order": (lambda entries: _swapped(entries, "byteorder", OTHER_ORDER), "another byte order"),
    "odd version": (lambda entries: _swapped(entries, "version", b"99\n"), "version is none"),
    "no version": (lambda entries: [one for one in entries if not one[0].endswith("version")], "version is none"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_torch_does_not_write_is_named(path, name):
    change, words = CHANGES[name]
    _write(path, change(_entries(path)))
    for all_entries in (True, False):
        with pytest.raises(DamagedArchiveError, match=words):
            check_archive(path, all_entries=all_entries)


def test_other_frames(path):
    entries, content = _entries(path), path.read_bytes()
    _write(path, entries, zipfile.ZIP_DEFLATED)
    with pytest.raises(DamagedArchiveError, match="is compressed"):
        check_archive(path, all_entries=False)
    _write(path, entries, comment=b"hello")
    with pytest.raises(DamagedArchiveError, match="before or behind it"):
        check_archive(path, all_entries=False)
    path.write_bytes(b"#!/bin/sh\n" + content)
    with pytest.raises((DamagedArchiveError, zipfile.BadZipFile)):
        check_archive(path, all_entries=False)


def test_a_changed_bit(path):
    """In the pickle at every look, in a storage when all entries are looked at."""
    content = bytearray(path.read_bytes())
    place = content.index(torch.arange(100.0).numpy().tobytes())
    content[place + 10] ^= 1
    path.write_bytes(content)
    check_archive(path, all_entries=False)
    with pytest.raises(DamagedArchiveError, match="in .*data/"):
        check_archive(path, all_entries=True)


def test_an_empty_archive(path):
    text = io.BytesIO()
    zipfile.ZipFile(text, "w").close()
    path.write_bytes(text.getvalue())
    with pytest.raises(DamagedArchiveError, match="is empty"):
        check_archive(path, all_entries=False)
