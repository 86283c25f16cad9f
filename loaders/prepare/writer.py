"""Write a dataset folder: images, feathers under labels/, further files. It appears complete or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from loaders.dataset.index import UNLABELLED, load_index, table_path
from loaders.prepare.sources.contents import Contents, PackedImage, SourceImage
from utils.errors import SemcoError
from utils.files.atomic import write_error
from utils.files.lock import try_lock
from utils.progress import Progress


def write_dataset(target: Path, contents: Contents, *, link: bool, progress: Progress) -> bool:
    """Write the dataset folder `target`; returns False when it was there already, and equal.

    Args:
        contents: checked by `check_contents`.
        link: make links to the source's files instead of copies (hard links, symbolic ones across file systems).

    Raises:
        SemcoError: `target` holds something else, or the disk refuses.
    """
    # Not Path.exists, which raises where a folder on the way may not be read.
    if os.path.lexists(target):
        if _is_same(target, contents):
            return False
        raise SemcoError(f"{target} exists and holds something else: choose another --dataset-name, or remove it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _building_folder(target) as building:
            _fill(building, contents, what=f"writing {target.name}", link=link, progress=progress)
            building.chmod(0o755)
            building.rename(target)
    except OSError as error:
        raise write_error(target, error) from error
    return True


@contextlib.contextmanager
def _building_folder(target: Path) -> Iterator[Path]:
    """Yield a fresh folder beside `target`, which is gone afterwards unless it was renamed.

    Folders that a killed process left for the same `target` are removed first. A lock on the folder itself, which ends with
    its process however that ends, tells them from the folder of a process that is still at work.
    """
    _sweep(target)
    handle, building = _make_building_folder(target)
    try:
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)
        os.close(handle)


def _make_building_folder(target: Path) -> tuple[int, Path]:
    while True:
        building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        # Between making and locking, another process may have taken it for a leftover.
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(building, os.O_RDONLY)
            if try_lock(handle) is not False and building.exists():
                return handle, building
            os.close(handle)


def _sweep(target: Path) -> None:
    """Remove the folders for `target` whose makers are dead; where the file system has no locks, none is."""
    start = f".{target.name}."
    for other in target.parent.iterdir():  # not glob: the name may hold its wildcards
        if not (other.name.startswith(start) and other.name.endswith(".part")):
            continue
        # It may vanish meanwhile, or belong to somebody else.
        with contextlib.suppress(OSError):
            handle = os.open(other, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0))
            try:
                if try_lock(handle):
                    shutil.rmtree(other, ignore_errors=True)
            finally:
                os.close(handle)


def _fill(folder: Path, contents: Contents, *, what: str, link: bool, progress: Progress) -> None:
    total = sum(map(len, contents.parts.values()))
    with progress.bar(total=total, what=what, unit="images") as bar:
        (folder / "labels").mkdir()
        for part, images in contents.parts.items():
            (folder / part).mkdir()
            for image in images:
                _place(image.content, folder / part / image.name, link=link)
                bar.update(1)
            if part != "unlabelled":
                rows = [(image.name, image.class_name) for image in images]
                pd.DataFrame(rows, columns=["id", "class"]).astype({"id": str}).to_feather(table_path(folder, part))
        for name, text in contents.texts.items():
            (folder / name).write_text(text, encoding="utf-8")


def _place(content: Path | np.ndarray | PackedImage, path: Path, *, link: bool) -> None:
    if isinstance(content, np.ndarray):
        Image.fromarray(np.ascontiguousarray(content)).save(path, "PNG")
    elif not isinstance(content, Path):
        path.write_bytes(content.read())
    elif not link:
        _check_readable(content)
        shutil.copyfile(content, path)
    else:
        try:
            os.link(content.resolve(), path)
        except OSError:
            # Another file system, or one without hard links.
            path.symlink_to(content.resolve())


def _check_readable(image: Path) -> None:
    try:
        image.open("rb").close()
    except OSError as error:
        raise SemcoError(f"image {image} cannot be read: {error.strerror}; check who may read it") from error


def _is_same(target: Path, contents: Contents) -> bool:
    """Say whether the dataset folder holds these images, by name, class and (unless they are pixels) size, and further files."""
    for name, text in contents.texts.items():
        if not (target / name).is_file() or (target / name).read_text(encoding="utf-8") != text:
            return False
    if table_path(target, "test").exists() != ("test" in contents.parts):
        return False
    images = {part: {image.name: image for image in contents.parts.get(part, ())} for part in ("train", "test")}
    images["train"] |= {UNLABELLED + image.name: image for image in contents.parts.get("unlabelled", ())}
    return all(_is_same_part(target, part, images[part]) for part in contents.parts if part != "unlabelled")


def _is_same_part(target: Path, part: str, images: dict[str, SourceImage]) -> bool:
    try:
        index = load_index(target, part)
    except SemcoError:
        return False
    if index.classes != {name: image.class_name for name, image in images.items()}:
        return False
    return all(
        (index.folder / name).stat().st_size == _size(image.content)
        for name, image in images.items()
        if not isinstance(image.content, np.ndarray)
    )


def _size(content: Path | PackedImage) -> int:
    return content.stat().st_size if isinstance(content, Path) else content.size
