"""Config and label semantics -> a Trainer that is ready to fit."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.history import Schedule
from models.label_guessor import LabelGuessor
from models.networks.two_head import build_model, resolve_backbone
from models.networks.weights import load_matching_weights
from models.step.cuda_graph import CapturedStep
from models.step.ema import ModelEma
from models.step.optimizer import build_optimizer
from models.step.precision import (
    ApexPrecision,
    Precision,
    TorchPrecision,
    choose_dtype,
    import_apex_amp,
)
from models.trainer import Method, StepComputation, Trainer
from utils.errors import SemcoError, one_line
from utils.flags.config import Config
from utils.labels.semantics import LabelSemantics
from utils.processes.world import World
from utils.seeding import Draws, Purpose

LOGGER = logging.getLogger("semco")
# Fewer steps than this leave running statistics that move by a thousandth a step far from the truth.
_STEPS_TO_SETTLE = 5000


def starts_pretrained(config: Config) -> bool:
    """True when the network starts from ImageNet's weights."""
    return resolve_backbone(config.model_backbone, config.im_size) != "wres" and config.imgnet_pretrained


def build_network(config: Config, semantics: LabelSemantics, *, world: World) -> nn.Module:
    """Build the network with the weights that it starts from. It needs no image, so its faults come before hours of decoding.

    Raises:
        SemcoError: weights that cannot be had or loaded, number formats or apex that cannot be used, a batch that the
            processes cannot share.
    """
    if config.amp and config.amp_dtype == "float16" and world.device.type == "cpu":
        raise SemcoError("--amp-dtype float16 is for GPUs: pass bfloat16 or --no-amp on a CPU")
    if config.batch_size % world.size:
        more = -config.batch_size % world.size + config.batch_size
        raise SemcoError(
            f"--batch-size {config.batch_size} cannot be shared equally by {world.size} processes: pass {more}, or --no-parallel"
        )
    if config.amp and config.amp_backend == "apex":
        import_apex_amp()
    if config.cuda_graph and world.device.type != "cuda":
        raise SemcoError("--cuda-graph needs a CUDA GPU: drop the flag, or pass --device cuda")
    if config.cuda_graph and world.size > 1:
        raise SemcoError("--cuda-graph is for one GPU: drop the flag, or pass --no-parallel")
    return _build_network(config, num_classes=len(semantics.vectors), embedding_dim=semantics.vectors.shape[1])


def build_trainer(
    config: Config, network: nn.Module, semantics: LabelSemantics, *, world: World, sample: Tensor
) -> Trainer:
    """Put average, guessor, optimiser and precision around a network, on the world's device.

    Args:
        sample: a batch of normalised views (n, 3, H, W) on the device, on which number formats are timed.
    """
    device = world.device
    class_vectors, groups = torch.from_numpy(semantics.vectors), torch.from_numpy(semantics.grouping.ids)
    model = network.to(device, memory_format=torch.channels_last)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = config.amp  # --no-amp promises float32 throughout
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model) if world.size > 1 else model
    if config.freeze_backbone:
        model.freeze_backbone()
    optimizer = build_optimizer(model, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    precision: Precision
    if config.amp and config.amp_backend == "apex":
        amp = import_apex_amp()
        model, optimizer = amp.initialize(model, optimizer, opt_level="O1", verbosity=0)
        precision = ApexPrecision(amp)
    else:
        precision = TorchPrecision(device, choose_dtype(device, config.amp_dtype) if config.amp else torch.float32)
    LOGGER.info("computing in %s on %s", precision.name, _device_name(device))
    return Trainer(
        network=_for_several_processes(torch.compile(model) if config.compile else model, world),
        model=model,
        ema=ModelEma(model, decay=config.ema_alpha),
        guessor=LabelGuessor(class_vectors, groups, thr_emb=config.thr_emb).to(device),
        optimizer=optimizer,
        precision=precision,
        method=Method(thr=config.thr, lam_u=config.lam_u, lambda_emb=config.lambda_emb, cotrain=config.cotrain),
        schedule=Schedule(
            steps_per_epoch=config.steps_per_epoch,
            total_steps=config.total_steps,
            last_epoch=config.last_epoch,
            lr=config.lr,
            early_stopping_epochs=config.early_stopping_epochs,
            min_wait_before_es=config.min_wait_before_es,
            es_metric=config.es_metric,
        ),
        device=device,
        capture=_capture(config, precision),
        reduce=world.sum,
        share=world.share,
        world_size=world.size,
        most_skipped=config.most_skipped,
    )


def _build_network(config: Config, *, num_classes: int, embedding_dim: int) -> nn.Module:
    backbone = resolve_backbone(config.model_backbone, config.im_size)
    if config.imgnet_weights is not None and not starts_pretrained(config):
        raise SemcoError(
            f"--imgnet-weights {config.imgnet_weights} does nothing: this run's {backbone} starts from random weights; "
            "drop it, or train a pretrained resnet18 or resnet50"
        )
    # One seed for all of torch's draws from here on: the network's first weights are the only ones.
    torch.manual_seed(int(Draws(config.seed, Purpose.MODEL).integers(2**31, 1)[0]))
    model = build_model(
        backbone=backbone,
        num_classes=num_classes,
        embedding_dim=embedding_dim,
        wres_depth=config.wres_n,
        wres_width=config.wres_k,
        bn_momentum=config.bn_momentum,
        pretrained=starts_pretrained(config),
        imagenet_weights=config.imgnet_weights,
    )
    if (
        backbone == "wres"
        and config.bn_momentum <= 0.001
        and config.last_epoch * config.steps_per_epoch < _STEPS_TO_SETTLE
    ):
        LOGGER.warning(
            "--bn-momentum %g needs thousands of steps before evaluation means anything; this run has %d: pass 0.05",
            config.bn_momentum,
            config.last_epoch * config.steps_per_epoch,
        )
    if config.use_pretrained:
        report = load_matching_weights(model, config.checkpoint_path)
        LOGGER.info("loaded %d tensors from %s", len(report.loaded), config.checkpoint_path)
        for what in ("missing", "unexpected", "mismatched"):
            if names := getattr(report, what):
                LOGGER.warning("%s in the checkpoint, not loaded: %s", what, one_line(", ".join(names)))
    return model


def _capture(config: Config, precision: Precision) -> Callable[[StepComputation], StepComputation]:
    """What makes a step of its computation: a CUDA graph where one is asked for."""
    if not config.cuda_graph:
        return lambda compute: compute
    if precision.name not in ("float32", "bfloat16"):
        raise SemcoError(
            f"--cuda-graph cannot scale losses as {precision.name} does: pass --amp-dtype bfloat16 or --no-amp"
        )
    return CapturedStep


def _for_several_processes(model: nn.Module, world: World) -> nn.Module:
    if world.size == 1:
        return model
    device_ids = [world.device] if world.device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=device_ids, gradient_as_bucket_view=True)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"the CPU, {torch.get_num_threads()} threads"
