"""Speed of training: against a straightforward trainer, by part of a step, by size; speed of evaluation."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.parts.straightforward import PillowViews, StraightforwardTrainer
from benchmarks.parts.timing import Stopwatch, growth_exponent, in_turn, seconds
from benchmarks.parts.workload import STATISTICS, Workload, build_workload
from loaders.batches import EvaluationBatches, Normalise
from models.evaluate import evaluate
from models.networks.two_head import build_model

NETWORKS = {
    "WRN-28-1 @32": {"backbone": "wres", "width": 1, "size": 32},
    "WRN-28-2 @32": {"backbone": "wres", "width": 2, "size": 32},
    "WRN-28-2 @32, B=64": {"backbone": "wres", "width": 2, "size": 32, "batch": 64},
    "ResNet-18 @84": {"backbone": "resnet18", "size": 84},
}
BATCH, MU = 16, 3
_BLOCK = 6


def end_to_end(device: str, dtype: torch.dtype, *, repetitions: int) -> dict[str, Any]:
    """Return the training images/s of both trainers and of our network alone, in turn, and what the convolutions allow.

    They take turns by whole epochs of the other trainer's loader: its workers must be idle while ours computes.
    """
    rows = {}
    for name, settings in NETWORKS.items():
        ours = build_workload(device, **{"batch": BATCH, "mu": MU, "steps": _BLOCK, "dtype": dtype, **settings})
        theirs = _straightforward(ours, settings["size"])
        train = functools.partial(_train_block, ours)
        found = in_turn({"ours": train, "straightforward": theirs.epoch}, repetitions=repetitions)
        # In turns of their own: what follows the other trainer finds cold caches.
        alone = in_turn({"ours": train, "network": network_alone(ours)}, repetitions=repetitions)
        views = ours.shape.labelled + 2 * ours.shape.unlabelled
        ceiling = _BLOCK * convolution_seconds(ours, views)
        rows[name] = {
            "images_per_second": round(_BLOCK * views / found["ours"], 1),
            "straightforward_images_per_second": round(_BLOCK * views / found["straightforward"], 1),
            "ratio": round(found["straightforward"] / found["ours"], 2),
            "network_alone_images_per_second": round(_BLOCK * views / alone["network"], 1),
            "share_of_network_alone": round(alone["network"] / alone["ours"], 3),
            "convolution_ceiling_images_per_second": round(_BLOCK * views / ceiling, 1),
            "share_of_ceiling": round(ceiling / found["ours"], 3),
        }
    return rows


def _train_block(work: Workload) -> None:
    for step, batch in enumerate(work.batches()):
        work.trainer.train_step(batch.images, batch.labels, step=step)


def network_alone(work: Workload) -> Callable[[], None]:
    """Return a block of the trainer's network alone: as many steps, forward and backward, no data, loss or optimiser."""
    trainer = work.trainer
    images = next(iter(work.batches())).images

    def run() -> None:
        for _ in range(work.shape.steps):
            with trainer.precision.forward():
                output = trainer.network(images)
            torch.autograd.backward([output.logits.sum(), output.embedding.sum()])
            trainer.optimizer.zero_grad(set_to_none=True)

    return run


def _straightforward(work: Workload, size: int) -> StraightforwardTrainer:
    """Build the other trainer: same network, weights, images and plan."""
    trainer, store = work.trainer, work.pool.store
    kind = "wres" if hasattr(trainer.model, "model_base") else "resnet18"
    width = trainer.model.fc_classes.in_features // 64 if kind == "wres" else 2
    classes, dim = trainer.guessor.class_vectors.shape
    model = build_model(backbone=kind, num_classes=classes, embedding_dim=dim, wres_width=width, bn_momentum=0.05)
    model.load_state_dict(trainer.model.state_dict())
    images = store.pixels.cpu().view(len(store), size, size, 3).numpy()
    views = PillowViews(images, work.pool.labels.cpu(), work.plan(), size)
    return StraightforwardTrainer(model.to(trainer.guessor.class_vectors.device), trainer.guessor, views)


def convolution_seconds(work: Workload, views: int, *, repetitions: int = 3) -> float:
    """Time the forward and backward passes of the network's convolutions alone, on a batch of `views` images; seconds."""
    shapes: list[tuple[torch.nn.Conv2d, torch.Size]] = []
    handles = [
        module.register_forward_hook(lambda module, inputs, _: shapes.append((module, inputs[0].shape)))
        for module in work.trainer.model.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    batch = next(iter(work.batches())).images[:views]
    with torch.no_grad(), work.trainer.precision.forward():
        work.trainer.model(batch)
    for handle in handles:
        handle.remove()
    return sum(_convolution(work, module, shape, repetitions) for module, shape in shapes)


def _convolution(work: Workload, module: torch.nn.Conv2d, shape: torch.Size, repetitions: int) -> float:
    inputs = torch.randn(shape, device=module.weight.device).to(memory_format=torch.channels_last)
    inputs.requires_grad_(module.in_channels > 3)

    def run() -> None:
        with work.trainer.precision.forward():
            output = module(inputs)
        output.backward(torch.ones_like(output))

    run()
    return min(seconds(run) for _ in range(repetitions))


def shares(device: str, dtype: torch.dtype, *, steps: int) -> dict[str, float]:
    """Return the share of a WRN-28-2 step spent in data, forward, loss, backward, optimiser and average."""
    work = build_workload(device, batch=BATCH, mu=MU, steps=steps + 2, dtype=dtype)
    trainer, watch = work.trainer, Stopwatch()
    batches = iter(work.batches())
    for step in range(2):
        batch = next(batches)
        trainer.train_step(batch.images, batch.labels, step=step)
    watch.watch("forward", trainer.network, "forward")
    watch.watch("loss", trainer, "_compute_loss")
    watch.watch("backward and optimiser", trainer.precision, "step")
    watch.watch("optimiser", trainer.optimizer, "step")
    watch.watch("average", trainer.ema, "update")
    waited = 0.0

    def run() -> None:
        nonlocal waited
        for step in range(2, steps + 2):
            held: list[Any] = []
            waited += seconds(lambda held=held: held.append(next(batches)))
            trainer.train_step(held[0].images, held[0].labels, step=step)

    total = seconds(run)
    parts = watch.seconds
    parts = {
        "data": waited,
        "forward": parts["forward"],
        "loss": parts["loss"],
        "backward": parts["backward and optimiser"] - parts["optimiser"],
        "optimiser": parts["optimiser"],
        "average": parts["average"],
    }
    return {name: round(value / total, 4) for name, value in {**parts, "rest": total - sum(parts.values())}.items()}


def growth(device: str, dtype: torch.dtype, *, repetitions: int) -> dict[str, Any]:
    """Return seconds per step for several mu, B, C and D, with the exponent of growth. C is varied on WRN-28-2."""
    sweeps: dict[str, tuple[str, list[int], dict[str, Any]]] = {
        "mu (images per step: B * (1 + 2 mu))": ("mu", [1, 3, 7], {"width": 1}),
        "B": ("batch", [4, 8, 16, 32], {"width": 1}),
        "C": ("classes", [10, 100, 1000], {}),
        "D": ("dim", [50, 128, 300], {"width": 1}),
    }
    found = {}
    for title, (argument, values, settings) in sweeps.items():
        steps = {}
        for value in values:
            work = build_workload(device, steps=1000, dtype=dtype, **{**settings, argument: value})
            steps[str(value)] = _stepper(work)
        times = in_turn(steps, repetitions=repetitions)
        sizes = [1 + 2 * value for value in values] if argument == "mu" else values
        found[title] = {
            "seconds_per_step": {value: round(time, 4) for value, time in times.items()},
            "exponent": round(growth_exponent(sizes, list(times.values())), 3),
        }
    return found


def _stepper(work: Workload) -> Callable[[], None]:
    """Return a function that runs the next training step."""
    batches, steps = work.batches(), itertools.count()

    def step() -> None:
        batch = next(batches)
        work.trainer.train_step(batch.images, batch.labels, step=next(steps))

    return step


def evaluation(device: str, dtype: torch.dtype, *, repetitions: int) -> dict[str, float]:
    """Return the evaluation images/s of WRN-28-2 at 32 pixels."""
    work = build_workload(device, dtype=dtype)
    batches = EvaluationBatches(
        store=work.pool.store,
        rows=torch.arange(1024),
        labels=torch.zeros(1024, dtype=torch.int64),
        cropsize=32,
        batch_size=256,
        normalise=Normalise(STATISTICS, torch.device(device)),
        device=torch.device(device),
    )
    run = {
        "ours": lambda: evaluate(
            work.trainer.ema.module, work.trainer.guessor, batches, forward=work.trainer.precision.forward
        )
    }
    return {"images_per_second": round(len(batches) / in_turn(run, repetitions=repetitions)["ours"], 1)}
