"""Config and label semantics -> network -> a Trainer that is ready to train."""

import logging

import torch
from torch import nn

from models.label_guessor import LabelGuessor
from models.networks.depths import parameter_depths
from models.networks.timm_backbone import PREFIX, can_normalise, describe_input, share_statistics
from models.networks.two_head import TwoHeadNet, build_model, resolve_backbone
from models.networks.weights import load_matching_weights
from models.settings import starts_pretrained, warn_of_settings
from models.step.called import callable_network
from models.step.ema import ModelEma
from models.step.optimizer import build_optimizer
from models.step.precision import ApexPrecision, Precision, TorchPrecision, choose_dtype, import_apex_amp
from models.step.ramp_up import RampUp
from models.step.scaling import check_share
from models.step.sync_batch_norm import synchronise_batch_norm
from models.trainer import Method, Trainer
from utils.errors import SemcoError, first_ten
from utils.flags.config import Config
from utils.labels.semantics import LabelSemantics
from utils.processes.world import World
from utils.schedule import Schedule
from utils.seeding import Draws, Purpose

LOGGER = logging.getLogger("semco")
# A ResNet makes one pixel of images up to this size, and BatchNorm cannot normalise by a single value per channel. A
# WideResNet keeps at least 2x2 pixels of the smallest images.
_ONE_PIXEL = 32


def check_machine(config: Config, world: World) -> None:
    """Check that this machine and these processes can do what the flags ask for. Needs no image, so it comes first.

    Raises:
        SemcoError: number formats, apex, CUDA graphs or a place for the pixels that are unavailable here, or a batch that the
            processes cannot share equally or that BatchNorm cannot normalise.
    """
    on_cuda = world.device.type == "cuda"
    if config.amp and config.amp_dtype == "float16" and not on_cuda:
        raise SemcoError("--amp-dtype float16 is for GPUs: pass bfloat16 or --no-amp on a CPU")
    if config.amp and config.amp_backend == "apex":
        import_apex_amp()
    check_share(config.batch_size, world.size)
    _check_batch_norm(config, world)
    if config.cuda_graph and not on_cuda:
        raise SemcoError("--cuda-graph needs a CUDA GPU: drop the flag, or pass --device cuda")
    if config.cuda_graph and world.size > 1:
        raise SemcoError("--cuda-graph is for one GPU: drop the flag, or pass --no-parallel")
    if config.data_device == "cuda" and not on_cuda:
        raise SemcoError("--data-device cuda: training is on the CPU; drop the flag, or pass --device cuda")
    if config.data_device == "cuda" and config.cache_imgs == "none":
        raise SemcoError("--data-device cuda needs decoded pixels: drop --cache-imgs none")


def _check_batch_norm(config: Config, world: World, network: TwoHeadNet | None = None) -> None:
    """Refuse single images of which BatchNorm gets a single pixel; for a timm model, whose layers differ, by trying one."""
    strong = config.unlabelled_batch
    images = config.batch_size + 2 * strong
    if config.strong_bn == "separate" and strong:
        images = min(images - strong, strong)
    if images // (1 if config.sync_bn else world.size) != 1 or config.freeze_backbone:
        return
    backbone = resolve_backbone(config.model_backbone, config.im_size)
    if backbone.startswith(PREFIX):
        fails = network is not None and not can_normalise(network.backbone, config.cropsize)
        larger = "larger --cropsize"
    else:
        fails = backbone != "wres" and config.cropsize <= _ONE_PIXEL
        larger = f"--cropsize above {_ONE_PIXEL}"
    if fails:
        raise SemcoError(
            f"--batch-size {config.batch_size} leaves one image per step and process, and {backbone} makes one pixel of "
            f"{config.cropsize}x{config.cropsize}, which BatchNorm cannot normalise: pass --batch-size {2 * world.size}, or a "
            f"{larger}"
        )


def build_network(config: Config, semantics: LabelSemantics) -> TwoHeadNet:
    """Build the network with the weights that it starts from. It needs no image, so it comes before hours of decoding.

    Raises:
        SemcoError: weights that are unavailable or cannot be loaded.
    """
    backbone = resolve_backbone(config.model_backbone, config.im_size)
    if config.imgnet_weights is not None and not starts_pretrained(config):
        raise SemcoError(
            f"--imgnet-weights {config.imgnet_weights} does nothing: this run's {backbone} starts from random weights; "
            "drop it, or train a pretrained resnet18, resnet50 or timm:NAME"
        )
    # One seed for all of torch's draws from here on: the network's first weights are the only ones.
    torch.manual_seed(int(Draws(config.seed, Purpose.MODEL).integers(2**31, 1)[0]))
    model = build_model(
        backbone=backbone,
        num_classes=len(semantics.vectors),
        embedding_dim=semantics.vectors.shape[1],
        cropsize=config.cropsize,
        wres_depth=config.wres_n,
        wres_width=config.wres_k,
        bn_momentum=config.bn_momentum,
        pretrained=starts_pretrained(config),
        imagenet_weights=config.imgnet_weights,
    )
    if backbone.startswith(PREFIX) and (hint := describe_input(model.backbone, config.cropsize)):
        LOGGER.info("%s: %s", backbone, hint)
    warn_of_settings(config, backbone)
    if config.use_pretrained:
        report = load_matching_weights(model, config.checkpoint_path)
        LOGGER.info("loaded %d tensors from %s", len(report.loaded), config.checkpoint_path)
        for what in ("missing", "unexpected", "mismatched"):
            if names := getattr(report, what):
                LOGGER.warning("%d %s in the checkpoint, not loaded: %s", len(names), what, first_ten(names))
    return model


def build_trainer(
    config: Config,
    network: TwoHeadNet,
    semantics: LabelSemantics,
    *,
    world: World,
    number_format: str | None = None,
) -> Trainer:
    """Put average, guessor, optimiser and precision around a network, on the world's device.

    Args:
        number_format: the one in which an interrupted run began, which `auto` might not choose here.

    Raises:
        SemcoError: the number format is unavailable on this device, a CUDA graph cannot be made of it, or BatchNorm cannot
            normalise a timm model's single pixels.
    """
    _check_batch_norm(config, world, network)
    device = world.device
    model = network.to(device, memory_format=torch.channels_last)
    if config.sync_bn and world.size > 1:
        is_timm = resolve_backbone(config.model_backbone, config.im_size).startswith(PREFIX)
        share_on_gpus = share_statistics if is_timm else nn.SyncBatchNorm.convert_sync_batchnorm
        model = share_on_gpus(model) if device.type == "cuda" else synchronise_batch_norm(model, world)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = config.amp  # --no-amp promises float32 throughout
    if config.freeze_backbone:
        model.freeze_backbone()
    optimizer = build_optimizer(
        model,
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        kind=config.optimizer,
        layer_decay=config.layer_decay,
        depths=parameter_depths(model) if config.layer_decay != 1 else None,
    )
    precision: Precision
    if config.amp and config.amp_backend == "apex":
        amp = import_apex_amp()
        model, optimizer = amp.initialize(model, optimizer, opt_level="O1", verbosity=0)
        precision = ApexPrecision(amp)
    else:
        precision = TorchPrecision(device, _number_format(config, device, number_format))
    if config.cuda_graph and precision.name not in ("float32", "bfloat16"):
        raise SemcoError(
            f"--cuda-graph cannot scale losses as {precision.name} does: pass --amp-dtype bfloat16 or --no-amp"
        )
    LOGGER.info("computing in %s on %s", precision.name, _device_name(device))
    guessor = LabelGuessor(
        torch.from_numpy(semantics.vectors), torch.from_numpy(semantics.grouping.ids), thr_emb=config.thr_emb
    )
    return Trainer(
        network=callable_network(model, precision, world, compiled=config.compile),
        model=model,
        ema=ModelEma(model, decay=config.ema_alpha),
        guessor=guessor.to(device),
        optimizer=optimizer,
        precision=precision,
        method=Method(
            thr=config.thr,
            lam_u=config.lam_u,
            lambda_emb=config.lambda_emb,
            cotrain=config.cotrain,
            supervised_start=config.supervised_start if config.unlabelled_batch else 0.0,
        ),
        schedule=Schedule(
            steps_per_epoch=config.steps_per_epoch,
            total_steps=config.total_steps,
            last_epoch=config.last_epoch,
            lr=config.lr,
            early_stopping_epochs=config.early_stopping_epochs,
            min_wait_before_es=config.min_wait_before_es,
            es_metric=config.es_metric,
        ),
        world=world,
        most_skipped=config.most_skipped,
        cuda_graph=config.cuda_graph,
        compiled=config.compile,
        separate_strong=config.strong_bn == "separate",
        ramp_up=_ramp_up(config, len(semantics.vectors), world),
    )


def _ramp_up(config: Config, num_classes: int, world: World) -> RampUp | None:
    """Return what weighs the losses; nothing where there are no pseudo-labels, or no second head that they are compared by."""
    if config.ramp_up == "none" or not config.unlabelled_batch or not config.lambda_emb:
        return None
    return RampUp(
        num_classes, lam_u=config.lam_u, lambda_emb=config.lambda_emb, reduce=world.sum, world_size=world.size
    )


def _number_format(config: Config, device: torch.device, began_in: str | None) -> torch.dtype:
    if not config.amp:
        return torch.float32
    if began_in not in ("float32", "bfloat16", "float16"):
        return choose_dtype(device, config.amp_dtype)
    if began_in == "float16" and device.type == "cpu":
        raise SemcoError("this run began in float16, which needs a GPU: resume it where there is one")
    return getattr(torch, began_in)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"the CPU, {torch.get_num_threads()} threads"
