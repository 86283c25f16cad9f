"""The data chain: dataset folder and splits -> pools of decoded images, ready to be batched."""

import logging
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from loaders.batches import TrainingPool
from loaders.dataset.index import DatasetIndex, dataset_folder, load_index
from loaders.dataset.split import Split, locate_split, read_split
from loaders.dataset.validation import Validation, select_validation
from loaders.pixels.cache import OpenedStore, StoreRequest, open_store
from loaders.pixels.capacity import cache_folder, can_hold
from loaders.pixels.statistics import KNOWN, PixelStatistics, pixel_statistics
from loaders.pixels.store import ImageStore, PixelStore
from utils.errors import SemcoError
from utils.files.tables import read_class_names
from utils.flags.config import Config
from utils.processes.machine import ALONE, Machine
from utils.progress import Progress

LOGGER = logging.getLogger("semco")


@dataclass(frozen=True)
class Selection:
    """Which images of the folder a run uses.

    `split`: names the labelled images; `labelled` (L,), `unlabelled` (U,): rows of `train` that are trained on; `labels`
    (L,): classes of the labelled ones. All int64 arrays.
    """

    train: DatasetIndex
    split: Split
    labelled: np.ndarray
    labels: np.ndarray
    unlabelled: np.ndarray
    validation: Validation

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names; a label is an index into them."""
        return self.train.class_names


@dataclass(frozen=True)
class TrainingData:
    """Everything that batches are made of.

    `validation_rows` (V,): rows of `validation`, int64; `validation_labels` (V,): their classes, int64; `truth` (U,): the
    classes of the pool's unlabelled images, int64, -1 where nobody knows. Nothing but the diagnostics looks at `truth`.
    `training_pixels`, `validation_pixels`: digests of all decoded pixels, by which a resumed run notices changed images.
    """

    pool: TrainingPool
    validation: ImageStore
    validation_rows: torch.Tensor
    validation_labels: torch.Tensor
    truth: torch.Tensor
    statistics: PixelStatistics
    training_pixels: str
    validation_pixels: str


def select_images(config: Config) -> Selection:
    """Read the dataset folder and the splits, and decide what each image is used for.

    Raises:
        SemcoError: something is missing or contradictory in them.
    """
    folder = dataset_folder(config.dataset_path, config.dataset_name)
    names = read_class_names(config.classes_pickle) if config.classes_pickle else None
    train = load_index(folder, "train", class_names=names)
    split = read_split(config.train_split_pickle)
    if split.part != "train":
        raise SemcoError(f"{config.train_split_pickle} names images of test/: labelled images must come from train/")
    labelled, labels = locate_split(split, train)
    validation = select_validation(config, folder, train, labelled, labels)
    held_out = validation.rows if validation.index is train else np.empty(0, np.int64)
    trained = ~np.isin(labelled, held_out)
    labelled, labels = labelled[trained], labels[trained]
    unlabelled = np.setdiff1d(np.arange(len(train)), np.concatenate([labelled, held_out]))
    if config.unlabelled_batch and not len(unlabelled):
        raise SemcoError(
            f"no unlabelled images are left in {folder}: label fewer images, or pass --lam-u 0 to train on labelled ones alone"
        )
    return Selection(
        train=train, split=split, labelled=labelled, labels=labels, unlabelled=unlabelled, validation=validation
    )


def open_training_data(
    config: Config,
    selection: Selection,
    *,
    statistics: PixelStatistics | None,
    progress: Progress,
    machine: Machine = ALONE,
) -> TrainingData:
    """Decode all images of a run, or find them decoded.

    Args:
        statistics: those that a pretrained network expects; None: the dataset's own, known or computed.
        machine: the processes of the run that share this machine, and so the pixels.
    """
    folder = dataset_folder(config.dataset_path, config.dataset_name)

    def request(index: DatasetIndex, used: np.ndarray) -> StoreRequest:
        return StoreRequest(
            paths=index.paths,
            im_size=config.im_size,
            mode=config.cache_imgs,
            workers=config.num_workers_per_gpu,
            cache_folder=cache_folder(folder),
            progress=progress,
            machine=machine,
            needed=frozenset() if config.skip_bad_images else frozenset(used.tolist()),
        )

    chosen = selection.validation
    is_apart = chosen.index is not selection.train
    used = np.concatenate([selection.labelled, selection.unlabelled])
    train_request = request(selection.train, used if is_apart else np.append(used, chosen.rows))
    train = open_store(train_request)
    valid = open_store(request(chosen.index, chosen.rows)) if is_apart else train
    labelled = _good_rows(selection.labelled, train, "labelled")
    unlabelled = _good_rows(selection.unlabelled, train, "unlabelled")
    validation = _good_rows(chosen.rows, valid, "validation")
    LOGGER.info("pixels: %s", _describe(train))
    LOGGER.info("validation: %s", chosen.source)
    return TrainingData(
        pool=TrainingPool(
            store=train.store,
            labelled=torch.from_numpy(selection.labelled[labelled]),
            unlabelled=torch.from_numpy(selection.unlabelled[unlabelled]),
            labels=torch.from_numpy(selection.labels[labelled]),
        ),
        validation=valid.store,
        validation_rows=torch.from_numpy(chosen.rows[validation]),
        validation_labels=torch.from_numpy(chosen.labels[validation]),
        truth=torch.from_numpy(selection.train.labels[selection.unlabelled[unlabelled]]),
        statistics=statistics or _statistics(config, train_request, train),
        training_pixels=train.digest,
        validation_pixels=valid.digest,
    )


def _good_rows(rows: np.ndarray, opened: OpenedStore, what: str) -> np.ndarray:
    """Return which of `rows` hold an image that can be decoded, bool (n,)."""
    bad = [row for row in rows.tolist() if row in opened.bad]
    good = ~np.isin(rows, bad)
    if not bad:
        return good
    LOGGER.warning("%d of %d %s images cannot be decoded and are skipped", len(bad), len(rows), what)
    for row in bad:
        LOGGER.info("skipped: %s", opened.bad[row])
    if not good.any():
        raise SemcoError(f"none of the {len(rows)} {what} images can be decoded: {opened.bad[bad[0]]}")
    return good


def describe_data(selection: Selection, data: TrainingData) -> dict[str, Any]:
    """Return facts for the run's record."""
    validation = selection.validation
    return {
        "classes": len(selection.class_names),
        "labelled_images": len(data.pool.labelled),
        "unlabelled_images": len(data.pool.unlabelled),
        "validation_images": len(data.validation_rows),
        "validation_source": validation.source,
        "mean": data.statistics.mean,
        "std": data.statistics.std,
        "statistics": data.statistics.source,
        "training_set": selection.train.fingerprint(),
        "training_pixels": data.training_pixels,
        "validation_pixels": data.validation_pixels,
        "labelled_split": selection.split.fingerprint(),
        "validation_set": validation.index.fingerprint(),
        "validation_split": validation.split and validation.split.fingerprint(),
    }


def file_names(index: DatasetIndex, rows: torch.Tensor) -> list[str]:
    """Return where in the dataset folder the images of `rows` are, such as `test/0.png` or `unlabelled/a/0.png`."""
    return [os.path.normpath(f"{index.folder.name}/{index.ids[row]}") for row in rows.tolist()]


def _describe(opened: OpenedStore) -> str:
    size = f", {opened.store.num_bytes / 2**20:.0f} MiB" if isinstance(opened.store, PixelStore) else ""
    return f"{len(opened.store):,} training images {opened.source}{size}"


def _statistics(config: Config, request: StoreRequest, opened: OpenedStore) -> PixelStatistics:
    if config.dataset_name in KNOWN:
        return KNOWN[config.dataset_name]
    return pixel_statistics(
        opened.store,
        im_size=request.im_size,
        cache_file=request.cache_file("statistics.json") if can_hold(request.cache_folder, 4096) else None,
        progress=request.progress,
        left_out=opened.bad.keys(),
    )
