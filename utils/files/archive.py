"""The zip archives that torch writes: one pickle, and one entry per storage. Checked before torch reads any of it.

torch itself finds entries by the first name that matches, in any case of letters, and looks at no checksum.
"""

import sys
import zipfile
from collections import Counter
from pathlib import Path

from utils.files.opcodes import walk_pickle
from utils.files.regular import open_regular

SIGNATURE = b"PK\x03\x04"
# Makers of sets and dicts that hash whatever a list holds; torch's own reader would call them.
HASHING = frozenset(
    {
        "builtins.set",
        "builtins.frozenset",
        "collections.Counter",
        "collections.defaultdict",
        "collections.OrderedDict",
    }
)
_VERSIONS = range(1, 11)
_LARGEST_PICKLE = 2**28


class DamagedArchiveError(Exception):
    """What is wrong with an archive; the end of a sentence."""


def check_archive(path: Path, *, all_entries: bool) -> None:
    """Make sure that torch would read from an archive what was written into it.

    Args:
        all_entries: compare the checksums of all entries, not only of the pickle and the small ones beside it.

    Raises:
        DamagedArchiveError: an entry is damaged, missing, there twice, or not as torch writes it.
        UnfitPickleError: the pickle holds what no file of plain data needs.
        Exception: any other; `zipfile` and the walk through a damaged pickle fail in nearly any way.
    """
    with open_regular(path, follow_links=True) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        folder = _check_entries(archive, entries, size=path.stat().st_size)
        if broken := archive.testzip() if all_entries else None:
            raise DamagedArchiveError(f"in {broken}")
        names = set(archive.namelist())
        # Reading an entry compares its checksum.
        if f"{folder}/byteorder" in names and archive.read(f"{folder}/byteorder") != sys.byteorder.encode():
            raise DamagedArchiveError("its numbers are in another byte order")
        version = next((name for name in (f"{folder}/version", f"{folder}/.data/version") if name in names), None)
        if version is None or int(archive.read(version)) not in _VERSIONS:
            raise DamagedArchiveError("its version is none that torch writes")
        walk_pickle(archive.read(f"{folder}/data.pkl"), refused=HASHING)


def _check_entries(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], *, size: int) -> str:
    """Check the list of entries; return the folder that all of them are in."""
    if not entries:
        raise DamagedArchiveError("it is empty")
    names = Counter(entry.filename.lower() for entry in entries)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise DamagedArchiveError(f"{name} is in it twice")
    folder = entries[0].filename.split("/")[0]
    if not all(entry.filename.startswith(f"{folder}/") for entry in entries):
        raise DamagedArchiveError("its entries are in several folders")
    if f"{folder}/data.pkl" not in archive.namelist():
        raise DamagedArchiveError("it has no data.pkl")
    if archive.comment or min(entry.header_offset for entry in entries) != 0:
        raise DamagedArchiveError("there is something before or behind it")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
            raise DamagedArchiveError(f"{entry.filename} is compressed")
        if entry.header_offset + entry.file_size > size:
            raise DamagedArchiveError(f"{entry.filename} is cut short")
    if archive.getinfo(f"{folder}/data.pkl").file_size > _LARGEST_PICKLE:
        raise DamagedArchiveError(f"its pickle is larger than {_LARGEST_PICKLE >> 20} MiB")
    return folder
