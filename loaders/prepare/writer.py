"""Write a dataset folder: images under train/ and test/, feathers under labels/. It appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from loaders.index import DatasetIndex, check_rows, load_index
from utils.atomic import write_error
from utils.errors import SemcoError
from utils.progress import Progress


@dataclass(frozen=True)
class SourceImage:
    """One image of a source: its file name in the dataset, its class or None, and its file or its decoded picture."""

    name: str
    class_name: str | None
    content: Path | Image.Image


Parts = dict[str, Sequence[SourceImage]]


def write_dataset(target: Path, parts: Parts, *, link: bool, progress: Progress) -> bool:
    """Write `train` and `test` to the dataset folder `target`; returns False when it was there already, and equal.

    Args:
        link: make links to the source's files instead of copies (hard links, symbolic ones across file systems).

    Raises:
        SemcoError: `target` holds something else, two images share a name, or the disk refuses.
    """
    for part, images in parts.items():
        check_rows(f"the {part} images", [image.name for image in images], [image.class_name for image in images])
    if len(classes := {image.class_name for image in parts["train"]} - {None}) < 2:
        raise SemcoError(f"the training images have {len(classes)} classes: classification needs at least two")
    # Not Path.exists, which raises where a folder on the way may not be read.
    if os.path.lexists(target):
        if _is_same(target, parts):
            return False
        raise SemcoError(f"{target} exists and holds something else: choose another --dataset-name, or remove it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise write_error(target, error) from error
    try:
        _fill(building, parts, link=link, progress=progress)
        building.chmod(0o755)
        building.rename(target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return True


def _fill(folder: Path, parts: Parts, *, link: bool, progress: Progress) -> None:
    total = sum(map(len, parts.values()))
    with progress.bar(total=total, what=f"writing {folder.name.split('.')[1]}", unit="images") as bar:
        (folder / "labels").mkdir()
        for part, images in parts.items():
            (folder / part).mkdir()
            for image in images:
                _place(image.content, folder / part / image.name, link=link)
                bar.update(1)
            rows = [(image.name, image.class_name) for image in images]
            table = pd.DataFrame(rows, columns=["id", "class"]).astype({"id": str})
            table.to_feather(folder / "labels" / f"labels_{part}.feather")


def _place(content: Path | Image.Image, path: Path, *, link: bool) -> None:
    if isinstance(content, Image.Image):
        content.save(path, "PNG")
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
        raise SemcoError(f"image {image} cannot be read: {error.strerror}") from error


def _is_same(target: Path, parts: Parts) -> bool:
    """True when the dataset folder holds these images, by name, class and, for files, size."""
    try:
        indices: dict[str, DatasetIndex] = {part: load_index(target, part) for part in parts}
    except SemcoError:
        return False
    for part, images in parts.items():
        index = indices[part]
        names = [None if label < 0 else index.class_names[label] for label in index.labels]
        if dict(zip(index.ids, names, strict=True)) != {image.name: image.class_name for image in images}:
            return False
        for image in images:
            if not isinstance(image.content, Path):
                continue
            if (index.folder / image.name).stat().st_size != image.content.stat().st_size:
                return False
    return True
