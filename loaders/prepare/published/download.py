"""Open datasets through torchvision, which knows their addresses and the checksums of their files."""

import argparse
import http.client
import tarfile
import zlib
from pathlib import Path
from typing import Any

from utils.errors import SemcoError

# What a broken connection, a full disk or a damaged archive make torchvision raise.
_FAILURES = (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error)


def open_with_torchvision(kind: str, values: argparse.Namespace, *, title: str, **settings: Any) -> Any:
    """Open the dataset `torchvision.datasets.<kind>` at `values.source`; fetch it if `values.download` says so.

    An archive that is there is unpacked beside itself.

    Raises:
        SemcoError: files are missing, their checksums are wrong, or they cannot be fetched or unpacked.
    """
    from torchvision import datasets  # seconds of imports that --help does without

    make = getattr(datasets, kind)
    unpack = not values.download and _is_packed(make, values.source)
    try:
        return make(values.source, download=values.download or unpack, **settings)
    except _FAILURES as error:
        if values.download:
            raise SemcoError(f"{title} cannot be fetched into {values.source} ({error})") from error
        raise SemcoError(
            f"the files of {title} in {values.source} are missing or damaged ({error}): check the folder, or pass --download"
        ) from error


def _is_packed(make: Any, source: Path) -> bool:
    """Say whether there is an intact archive that was not unpacked yet."""
    from torchvision.datasets.utils import check_integrity

    if not hasattr(make, "tgz_md5") or (source / make.base_folder).exists():
        return False
    archive = source / make.filename
    if archive.is_file() and not check_integrity(str(archive), make.tgz_md5):
        raise SemcoError(f"archive {archive} is damaged: fetch it again, or remove it and pass --download")
    return archive.is_file()
