"""The images of the dataset that a run was trained on, found again from the flags in its checkpoint."""

import os
from collections.abc import Sequence

from loaders.dataset.index import UNLABELLED, DatasetIndex, dataset_folder, load_index
from loaders.photos.find import Photo
from loaders.training_data import Selection, select_images
from utils.errors import SemcoError, and_more
from utils.flags.config import Config


def unlabelled_photos(config: Config) -> list[Photo]:
    """Return the run's unlabelled pool, with the classes that the labels feather knows all the same.

    Raises:
        SemcoError: dataset or splits are not where the flags say, or have changed.
    """
    selection = _selection(config)
    return _photos(selection.train, selection.unlabelled.tolist())


def validation_photos(config: Config) -> list[Photo]:
    """Return the run's validation images with their classes.

    Raises:
        SemcoError: dataset or splits are not where the flags say, or have changed.
    """
    validation = _selection(config).validation
    return _photos(validation.index, validation.rows.tolist())


def split_names(photos: Sequence[Photo], config: Config) -> tuple[list[str | None], DatasetIndex]:
    """Return the name of each photograph in the run's train/ (None for one in unlabelled/), and the index of train/.

    Raises:
        SemcoError: a photograph is no training image of the run's dataset.
    """
    folder = dataset_folder(config.dataset_path, config.dataset_name)
    index = load_index(folder, "train")
    known = {os.path.abspath(path): name for path, name in zip(index.paths, index.ids, strict=True)}  # noqa: PTH100
    names = [known.get(os.path.abspath(photo.path)) for photo in photos]  # noqa: PTH100
    if strange := [photo.name for photo, name in zip(photos, names, strict=True) if name is None]:
        raise SemcoError(
            f"--as-split: {strange[0]}{and_more(strange)} is no training image of {folder}, and a split can name no other: "
            "predict with --unlabelled, or prepare a dataset of these images with python -m loaders.prepare"
        )
    return [None if name.startswith(UNLABELLED) else name for name in names], index  # type: ignore[union-attr]


def _selection(config: Config) -> Selection:
    try:
        return select_images(config)
    except SemcoError as error:
        raise SemcoError(
            f"the run's images cannot be found again: {error} (paths are those of the training, seen from the current "
            "folder; --dataset-path names a new place)"
        ) from error


def _photos(index: DatasetIndex, rows: Sequence[int]) -> list[Photo]:
    paths, labels = index.paths, index.labels.tolist()
    return [
        Photo(
            paths[row],
            os.path.normpath(paths[row]),
            None if labels[row] < 0 else index.class_names[labels[row]],
        )
        for row in rows
    ]
