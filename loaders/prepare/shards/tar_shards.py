"""Read tar shards as a stream: which samples they hold, where their images are, what their small members say."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from loaders.dataset.parts import is_leftover
from loaders.prepare.shards.image_bytes import HEAD
from utils.errors import SemcoError
from utils.files.names import path_fault
from utils.files.regular import open_regular

# In bytes: a label or a description, and what a tar file may say of one member beside its name.
_LARGEST_TEXT, _LARGEST_HEADER = 2**20, 2**16
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)


@dataclass(frozen=True)
class TarImage:
    """A member of a tar file: `size` bytes from `offset`."""

    size: int
    offset: int
    path: Path

    def read(self) -> bytes:
        """Read the member.

        Raises:
            SemcoError: the shard cannot be read any more, or is shorter than before.
        """
        try:
            with open_regular(self.path, follow_links=True) as file:
                file.seek(self.offset)
                data = file.read(self.size)
        except OSError as error:
            raise SemcoError(
                f"shard {self.path} cannot be read: {error.strerror}; leave it there until the end"
            ) from error
        if len(data) != self.size:
            raise SemcoError(f"shard {self.path} has changed while it was read: leave it alone and start again")
        return data


@dataclass
class TarSample:
    """The members of one key, by the ending of their names in lower case, without its first dot.

    `heads`: the first bytes of each; `texts`: the whole of those that may be a label.
    """

    key: str
    members: dict[str, TarImage] = field(default_factory=dict)
    heads: dict[str, bytes] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)


def read_samples(path: Path, *, label_key: str | None) -> Iterator[TarSample]:
    """Yield the samples of a shard in order, those of which anything was read, once the shard has been read to its end.

    Nothing is unpacked: images are read from where they are in the shard, by `TarImage`.

    Args:
        label_key: ending of the members that hold labels, beside cls and json.

    Raises:
        SemcoError: the shard is damaged or compressed, or holds links, devices, names that lead elsewhere, or a label of
            more than a mebibyte.
    """
    labels = {"cls", "json", (label_key or "cls").lower()}
    samples: dict[str, TarSample] = {}
    try:
        with open_regular(path, follow_links=True) as file, _Shard.open(fileobj=file, mode="r|") as shard:
            for member in shard:
                # tarfile remembers all members, which a stream cannot go back to anyway.
                shard.members = []
                if _is_wanted(member, path):
                    _add(samples, member, shard, path, labels)
            _check_end(file, shard.offset, path)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        reason = str(error).strip()[:200] or type(error).__name__
        raise SemcoError(
            f"shard {path} cannot be read ({reason}): expected a tar file that is not compressed"
        ) from error
    yield from samples.values()


def _check_end(file: BinaryIO, offset: int, path: Path) -> None:
    """Make sure that the shard ends where reading stopped, which tarfile also does, silently, at a damaged header."""
    file.seek(offset)
    zeros = 0
    while block := file.read(2**20):
        if block.strip(b"\0"):
            raise SemcoError(f"shard {path} is damaged, or holds more after its end (byte {offset:,}): fetch it again")
        zeros += len(block)
    if zeros < 2 * tarfile.BLOCKSIZE:
        raise SemcoError(f"shard {path} is cut short: fetch it again")


class _Header(tarfile.TarInfo):
    """A member's header, refused before what it announces is read."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_Header":
        """Read a header.

        Raises:
            SemcoError: it announces a size below zero, or a name or comment that is too long.
        """
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in _HEADERS and header.size > _LARGEST_HEADER):
            raise SemcoError(
                f"a shard has a member that announces {header.size:,} bytes of name or comment: make it again"
            )
        return header


class _Shard(tarfile.TarFile):
    tarinfo = _Header


def _is_wanted(member: tarfile.TarInfo, path: Path) -> bool:
    """Say whether a member is a file of a sample; folders and what systems leave are not.

    Raises:
        SemcoError: it has no business in a shard.
    """
    if member.type not in _PLAIN or member.sparse is not None:
        raise SemcoError(f"shard {path}: {member.name[:100]!r} is a link, a device or the like: expected files alone")
    name = member.name.removeprefix("./")
    if member.isdir():
        return False
    if fault := path_fault(name):
        raise SemcoError(f"shard {path}: the name {member.name[:100]!r} {fault}: make the shard again")
    return not any(map(is_leftover, name.split("/")))


def _add(
    samples: dict[str, TarSample], member: tarfile.TarInfo, shard: tarfile.TarFile, path: Path, labels: set[str]
) -> None:
    folder, _, name = member.name.removeprefix("./").rpartition("/")
    stem, _, ending = name.partition(".")
    key, ending = f"{folder}/{stem}" if folder else stem, ending.lower()
    sample = samples.setdefault(key, TarSample(key))
    if ending in sample.members:
        raise SemcoError(f"shard {path} holds {member.name[:100]!r} twice: keys must be different")
    is_label = ending in labels
    if is_label and member.size > _LARGEST_TEXT:
        raise SemcoError(
            f"shard {path}: {member.name[:100]!r} holds {member.size:,} bytes, expected a label of at most {_LARGEST_TEXT:,}"
        )
    content = shard.extractfile(member)
    data = content.read(member.size if is_label else HEAD) if content else b""
    sample.members[ending] = TarImage(member.size, member.offset_data, path)
    sample.heads[ending] = data[:HEAD]
    if is_label:
        sample.texts[ending] = data
