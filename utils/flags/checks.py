"""What the values of the flags must be, alone and together. Standard library only."""

import dataclasses
import math

from utils.errors import SemcoError
from utils.flags.config import Config, flag_of

_COUNT = 10**12
_BACKBONES = ("wres", "resnet18", "resnet50")
_RANGES: dict[str, tuple[float, float, str]] = {
    "valid_fraction": (0.0, 0.9, "a share from 0 to 0.9"),
    "eps": (0.0, 2.0, "a cosine distance from 0 to 2, or auto"),
    "im_size": (8, 4096, "8 to 4096 pixels"),
    "cropsize": (8, 4096, "8 to 4096 pixels"),
    "lam_u": (0.0, 1e6, "0 or more"),
    "mu": (1, 1024, "a whole number from 1"),
    "thr": (0.0, 1.0, "a probability from 0 to 1"),
    "thr_emb": (-1.0, 1.0, "a cosine from -1 to 1, or auto"),
    "lambda_emb": (0.0, 1e6, "0 or more"),
    "supervised_start": (0.0, 0.999, "a probability from 0 to 0.999"),
    "ema_alpha": (0.0, 0.999999999, "a decay from 0 to below 1, or auto"),
    "wres_k": (1, 64, "a whole number from 1"),
    "wres_n": (10, 1000, "10 or more"),
    "bn_momentum": (1e-6, 1.0, "a share above 0, up to 1, or auto"),
    "n_epoches": (1, _COUNT, "a whole number from 1"),
    "break_epoch": (0, _COUNT, "a number of epochs, or 0 for none"),
    "n_imgs_per_epoch": (1, _COUNT, "a whole number from 1"),
    "batch_size": (1, 10**6, "a whole number from 1"),
    "lr": (1e-12, 1e3, "a number above 0"),
    "momentum": (1e-12, 1.0, "a number above 0, up to 1 (Nesterov momentum needs some)"),
    "weight_decay": (0.0, 1e3, "0 or more"),
    "layer_decay": (0.01, 1.0, "a factor from 0.01 to 1"),
    "early_stopping_epochs": (0, _COUNT, "a number of epochs, or 0 for none"),
    "min_wait_before_es": (-1, _COUNT, "a number of epochs, or -1 for none"),
    "checkpoint_minutes": (0.0, 1e6, "minutes, or 0 for none within an epoch"),
    "diagnose_images": (0, _COUNT, "a number of images, or 0 for none"),
    "nan_limit": (1, _COUNT, "a whole number from 1"),
    "seed": (-(2**63), 2**63 - 1, "a whole number below 2**63"),
    "num_workers_per_gpu": (0, 1024, "a whole number from 0 to 1024"),
}


def check_config(config: Config) -> None:
    """Check everything that can be checked without touching a file.

    Raises:
        SemcoError: the first flag whose value cannot work.
    """
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise SemcoError(f"{flag_of(entry.name)} is {value}: give a finite number")
    for name, (low, high, wanted) in _RANGES.items():
        value = getattr(config, name)
        if value is not None and not low <= value <= high:
            raise SemcoError(f"{flag_of(name)} is {value}: expected {wanted}")
    _check_together(config)


def _check_together(config: Config) -> None:
    if config.train_split_pickle is None:
        raise SemcoError("--train-split-pickle is missing: make one with split_maker.py and name it here")
    if config.im_size < config.cropsize:
        raise SemcoError(
            f"--im-size {config.im_size} is smaller than --cropsize {config.cropsize}: images must be at least as large as crops"
        )
    if config.valid_fraction and config.valid_split_pickle is not None:
        raise SemcoError("--valid-fraction and --valid-split-pickle both choose validation images: give one of them")
    if (config.wres_n - 4) % 6:
        raise SemcoError(f"--wres-n is {config.wres_n}: expected 6 * i + 4, such as 10, 16, 22, 28 or 40")
    if config.steps_per_epoch < 1:
        raise SemcoError(
            f"--n-imgs-per-epoch {config.n_imgs_per_epoch} is smaller than --batch-size {config.batch_size}: no step is made"
        )
    _check_backbone(config)
    _check_optimizer(config)
    kind, _, model = (config.label_embedder or "sentence-transformers:-").partition(":")
    if kind != "sentence-transformers" or not model:
        raise SemcoError(
            f"--label-embedder is {config.label_embedder!r}: expected sentence-transformers:MODEL, a name or a folder"
        )
    if config.use_pretrained and config.checkpoint_path is None:
        raise SemcoError("--use-pretrained needs --checkpoint-path: name the checkpoint to start from")
    if config.checkpoint_path is not None and not config.use_pretrained:
        raise SemcoError("--checkpoint-path does nothing without --use-pretrained: add it, or drop the path")


def _check_backbone(config: Config) -> None:
    name = config.model_backbone
    if name is not None and name not in _BACKBONES and not (name.startswith("timm:") and name != "timm:"):
        raise SemcoError(f"--model-backbone is {name!r}: expected {', '.join(_BACKBONES)} or timm:NAME")


def _check_optimizer(config: Config) -> None:
    if config.optimizer == "adamw" and config.momentum != Config.momentum:
        raise SemcoError("--momentum is for --optimizer sgd: drop it, AdamW has averages of its own")
    if config.layer_decay != 1 and config.freeze_backbone:
        raise SemcoError(
            "--layer-decay does nothing with --freeze-backbone, which trains the heads only: drop one of them"
        )
