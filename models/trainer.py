"""The training loop: one step, an epoch, the whole run. Takes iterables of batches and knows nothing of files."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from models.ema import ModelEma
from models.label_guessor import LabelGuessor
from models.losses import LossParts, co_training_loss, supervised_loss
from models.optim import set_learning_rate
from models.precision import Precision
from utils.errors import SemcoError
from utils.metrics import is_better
from utils.schedules import cosine_learning_rate

StepComputation = Callable[[Tensor, Tensor], None]
# How often the device's sums are read: rare enough to cost nothing, often enough to stop a broken run soon.
_STEPS_BETWEEN_READS = 20


@dataclass(frozen=True)
class Method:
    """The method's numbers, under the paper's symbols in the help of the flags of the same names."""

    thr: float
    lam_u: float
    lambda_emb: float
    cotrain: bool


@dataclass(frozen=True)
class Schedule:
    """Length and pace: epochs, steps, learning rate, when to stop early."""

    steps_per_epoch: int
    total_steps: int
    last_epoch: int
    lr: float
    early_stopping_epochs: int
    min_wait_before_es: int
    es_metric: str


@dataclass
class Progressed:
    """How far a run has come: finished epochs, their records, and which of them is best."""

    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1

    @property
    def best(self) -> dict[str, Any] | None:
        """The best epoch's record."""
        return next((record for record in self.history if record["epoch"] == self.best_epoch), None)


class Trainer:
    """Trains a two-head network by SemCo.

    Args:
        network: what is called, `model` itself or its wrapper for several processes.
        model: the network whose parameters are trained and averaged.
        capture: makes a faster callable of the step's computation, such as `models.cuda_graph.CapturedStep`.
        reduce: adds a tensor up over all processes, which are `world_size`.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        model: nn.Module,
        ema: ModelEma,
        guessor: LabelGuessor,
        optimizer: Optimizer,
        precision: Precision,
        method: Method,
        schedule: Schedule,
        device: torch.device,
        capture: Callable[[StepComputation], StepComputation] = lambda compute: compute,
        reduce: Callable[[Tensor], Tensor] = lambda values: values,
        world_size: int = 1,
    ) -> None:
        self.network, self.model, self.ema, self.guessor = network, model, ema, guessor
        self.optimizer, self.precision, self.method, self.schedule = optimizer, precision, method, schedule
        self.progressed = Progressed()
        self._reduce, self._world_size = reduce, world_size
        self._sums = torch.zeros(len(LossParts._fields), device=device)
        self._broken_at = torch.full((), -1, dtype=torch.int64, device=device)
        # On the device like the learning rate: a captured step reads both from where they lie.
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._compute = capture(self._compute_step)

    def train_step(self, images: Tensor, labels: Tensor, *, step: int) -> None:
        """Make step `step` of the run from one batch of views (labelled weak, unlabelled weak, strong) and labels (B,)."""
        lr = cosine_learning_rate(step, total_steps=self.schedule.total_steps, base=self.schedule.lr)
        set_learning_rate(self.optimizer, lr)
        self._step.fill_(step)
        self._compute(images, labels)

    def _compute_step(self, images: Tensor, labels: Tensor) -> None:
        """Forward, loss, backward, optimiser, average, figures: kernels alone, nothing that depends on their results."""
        with self.precision.forward():
            output = self.network(images)
        parts = self._loss(output.logits, output.embedding, labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.precision.step(parts.total, self.optimizer)
        self.ema.update()
        self._record(parts)

    def _loss(self, logits: Tensor, embedding: Tensor, labels: Tensor) -> LossParts:
        num_labelled = len(labels)
        num_unlabelled = (len(logits) - num_labelled) // 2
        sizes = [num_labelled, num_unlabelled, num_unlabelled]
        labelled_logits, weak_logits, strong_logits = logits.split(sizes)
        labelled_embedding, weak_embedding, strong_embedding = embedding.split(sizes)
        labelled = {"labelled_logits": labelled_logits, "labelled_embedding": labelled_embedding, "labels": labels}
        shared = {"class_vectors": self.guessor.class_vectors, "lambda_emb": self.method.lambda_emb}
        if not num_unlabelled:
            return supervised_loss(**labelled, **shared)
        return co_training_loss(
            **labelled,
            weak_logits=weak_logits.detach(),
            strong_logits=strong_logits,
            strong_embedding=strong_embedding,
            guess=self.guessor(weak_embedding.detach()),
            threshold=self.method.thr,
            lam_u=self.method.lam_u,
            cotrain=self.method.cotrain,
            **shared,
        )

    def _record(self, parts: LossParts) -> None:
        """Add the step's figures up on the device: nothing here waits for it."""
        values = torch.stack([part.detach().float() for part in parts])
        self._sums += values
        broken = ~torch.isfinite(values[0]) & (self._broken_at < 0)
        self._broken_at.copy_(torch.where(broken, self._step, self._broken_at))

    def _read(self, steps: int) -> dict[str, float]:
        """Read the means over `steps` steps; this waits for the device."""
        if (step := int(self._broken_at)) >= 0:
            parts = ", ".join(
                f"{name} {value:.4g}" for name, value in zip(LossParts._fields, self._sums.tolist(), strict=True)
            )
            raise SemcoError(
                f"the loss is no longer finite at step {step} (sums so far: {parts}): lower --lr, or pass --no-amp; "
                "the run folder holds the last good checkpoint"
            )
        means = self._reduce(self._sums / (steps * self._world_size))
        return dict(zip(LossParts._fields, means.tolist(), strict=True))

    def train_epoch(self, batches: Iterable, *, epoch: int, bar: Any) -> dict[str, Any]:
        """Train one epoch; returns its mean losses and rates, learning rate and speed."""
        self.network.train()
        self._sums.zero_()
        start, images = time.perf_counter(), 0
        first = epoch * self.schedule.steps_per_epoch
        for done, batch in enumerate(batches, start=1):
            self.train_step(batch.images, batch.labels, step=first + done - 1)
            images += len(batch.images)
            bar.update(1)
            if done % _STEPS_BETWEEN_READS == 0:
                means = self._read(done)
                bar.set_postfix(loss=f"{means['total']:.3f}", mask=f"{means['mask_rate']:.2f}", refresh=False)
        means = self._read(self.schedule.steps_per_epoch)
        seconds = time.perf_counter() - start
        return {
            "loss": means.pop("total"),
            **means,
            "lr": float(self.optimizer.param_groups[0]["lr"]),
            "images_per_second": images * self._world_size / seconds,
            "seconds": seconds,
        }

    def fit(
        self,
        *,
        epoch_batches: Callable[[int], Iterable],
        evaluate: Callable[[], dict[str, float]],
        on_epoch: Callable[[bool], None],
        bar: Callable[[int], Any],
    ) -> None:
        """Train until the last epoch, or until early stopping.

        Args:
            epoch_batches: the batches of an epoch, with `images` and `labels`.
            evaluate: figures of the averaged model.
            on_epoch: called after each epoch, told whether it is the best so far.
            bar: makes a progress bar for an epoch.
        """
        state = self.progressed
        while state.epoch < self.schedule.last_epoch and not self._has_stalled():
            with bar(state.epoch) as shown:
                trained = self.train_epoch(epoch_batches(state.epoch), epoch=state.epoch, bar=shown)
            start = time.perf_counter()
            figures = evaluate()
            state.epoch += 1
            record = {
                "epoch": state.epoch,
                "step": state.epoch * self.schedule.steps_per_epoch,
                **trained,
                **figures,
                "evaluation_seconds": time.perf_counter() - start,
            }
            best = is_better(record, state.best, self.schedule.es_metric)
            state.history.append(record)
            if best:
                state.best_epoch = state.epoch
            on_epoch(best)

    def _has_stalled(self) -> bool:
        """True when the best epoch lies too far back; epochs before `min_wait_before_es` do not count."""
        patience = self.schedule.early_stopping_epochs
        counted_from = max(self.progressed.best_epoch, self.schedule.min_wait_before_es, 0)
        return bool(patience) and self.progressed.epoch - counted_from >= patience

    def describe(self) -> dict[str, Any]:
        """Facts for the run's record."""
        return {
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "num_groups": self.guessor.num_groups,
            "precision": self.precision.name,
            "device": str(self._sums.device),
            "total_steps": self.schedule.total_steps,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run needs to go on: tensors, numbers and strings only."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.precision.state_dict(),
            "epoch": self.progressed.epoch,
            "best_epoch": self.progressed.best_epoch,
            "history": self.progressed.history,
        }
