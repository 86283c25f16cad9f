"""A trainer of the smallest network."""

import torch

from models.label_guessor import LabelGuessor
from models.networks.two_head import build_model
from models.step.ema import ModelEma
from models.step.optimizer import build_optimizer
from models.step.precision import TorchPrecision
from models.step.ramp_up import RampUp
from models.trainer import Method, Trainer
from utils.processes.world import World
from utils.schedule import Schedule

CPU = torch.device("cpu")
METHOD = Method(thr=0.4, lam_u=0.5, lambda_emb=3.0, cotrain=True)


def class_vectors(classes: int = 3) -> torch.Tensor:
    """The vectors (C, 4) of the classes."""
    return torch.randn(classes, 4, generator=torch.Generator().manual_seed(3))


def tiny_trainer(
    *,
    seed: int = 0,
    classes: int = 3,
    steps: int = 5,
    epochs: int = 2,
    method: Method = METHOD,
    most_skipped: int = 0,
    optimizer: str = "sgd",
    separate_strong: bool = False,
    ramps_up: bool = False,
    **schedule,
) -> Trainer:
    """Make one that has not begun, every class a group of its own; `schedule`: more of its settings."""
    torch.manual_seed(seed)
    model = build_model(
        backbone="wres", num_classes=classes, embedding_dim=4, wres_depth=10, wres_width=1, bn_momentum=0.1
    ).to(memory_format=torch.channels_last)
    settings = {"early_stopping_epochs": 0, "min_wait_before_es": -1, "es_metric": "accuracy", **schedule}
    return Trainer(
        network=model,
        model=model,
        ema=ModelEma(model, decay=0.9),
        guessor=LabelGuessor(class_vectors(classes), torch.arange(classes), thr_emb=0.0),
        optimizer=build_optimizer(model, lr=0.05, momentum=0.9, weight_decay=5e-4, kind=optimizer),
        precision=TorchPrecision(CPU, torch.float32),
        method=method,
        schedule=Schedule(steps_per_epoch=steps, total_steps=steps * epochs, last_epoch=epochs, lr=0.05, **settings),
        world=World.alone(CPU),
        most_skipped=most_skipped,
        separate_strong=separate_strong,
        ramp_up=_ramp_up(classes, method) if ramps_up else None,
    )  # fmt: skip


def _ramp_up(classes: int, method: Method) -> RampUp:
    return RampUp(classes, lam_u=method.lam_u, lambda_emb=method.lambda_emb, reduce=World.alone(CPU).sum, world_size=1)
