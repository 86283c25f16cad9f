"""What the flags leave to the program to choose, and settings that do not suit the length of a run."""

import dataclasses
import logging
from collections.abc import Sequence

from models.networks.two_head import resolve_backbone
from utils.flags.config import Config
from utils.labels.insight import idle_score
from utils.labels.semantics import LabelSemantics
from utils.labels.threshold import auto_threshold
from utils.schedule import auto_bn_momentum, auto_ema_alpha
from utils.short_runs import times_seen, warn_of_short_run

LOGGER = logging.getLogger("semco")
# In fewer steps than this, running statistics that move by a thousandth per step stay far from the truth.
_STEPS_TO_SETTLE = 5000
# AdamW moves each weight by about its rate per step, so rates that suit SGD make it diverge.
_LARGEST_ADAMW_RATE = 5e-3


def starts_pretrained(config: Config) -> bool:
    """Return True when the backbone starts from pretrained weights, ImageNet's or those of a timm model."""
    return resolve_backbone(config.model_backbone, config.im_size) != "wres" and config.imgnet_pretrained


def settle(config: Config, semantics: LabelSemantics) -> Config:
    """Return the config with numbers for what is `auto`: they follow from the length of the schedule and the class vectors."""
    thr_emb, ema_alpha, bn_momentum = config.thr_emb, config.ema_alpha, config.bn_momentum
    if thr_emb is None:
        thr_emb = auto_threshold(semantics.vectors, semantics.grouping.ids)
        idle = idle_score(semantics.vectors, semantics.grouping.ids)
        LOGGER.info("--thr-emb auto is %g; an embedding that knows nothing scores %.2f", thr_emb, idle)
    if ema_alpha is None:
        ema_alpha = auto_ema_alpha(config.total_steps)
        LOGGER.info("--ema-alpha auto is %.4g at %d steps", ema_alpha, config.total_steps)
    if bn_momentum is None:
        bn_momentum = auto_bn_momentum(config.total_steps)
        LOGGER.info("--bn-momentum auto is %.4g at %d steps", bn_momentum, config.total_steps)
    return dataclasses.replace(config, thr_emb=thr_emb, ema_alpha=ema_alpha, bn_momentum=bn_momentum)


def warn_of_length(config: Config, labelled: int, arguments: Sequence[str]) -> str | None:
    """Say that supervised training was measured to do as well as a run of this length; None where nothing says so.

    Args:
        labelled: how many labelled images there are.
        arguments: the command line of the run.
    """
    if not config.unlabelled_batch or starts_pretrained(config) or config.use_pretrained:
        return None
    steps = config.last_epoch * config.steps_per_epoch
    return warn_of_short_run(
        seen=times_seen(steps=steps, batch_size=config.batch_size, labelled=labelled),
        images_per_labelled=1 + 2 * config.mu,
        arguments=arguments,
    )


def decided(config: Config, settings: Config) -> dict[str, float]:
    """Return the numbers that `settle` put in the place of `auto`, under their flags' names."""
    names = ("thr_emb", "ema_alpha", "bn_momentum")
    return {name: getattr(settings, name) for name in names if getattr(config, name) is None}


def warn_of_settings(config: Config, backbone: str) -> None:
    """Warn of values that suit another length of run or another optimiser."""
    steps = config.last_epoch * config.steps_per_epoch
    if backbone == "wres" and config.bn_momentum <= 0.001 and steps < _STEPS_TO_SETTLE:
        LOGGER.warning(
            "--bn-momentum %g needs thousands of steps before evaluation means anything; this run has %d: pass auto",
            config.bn_momentum,
            steps,
        )
    if config.optimizer == "adamw" and config.lr > _LARGEST_ADAMW_RATE:
        LOGGER.warning(
            "--lr %g is a rate for SGD; with --optimizer adamw, pass 1e-3 to train from scratch, 1e-4 or less to fine-tune",
            config.lr,
        )
