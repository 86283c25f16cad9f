"""The training loop: one step, an epoch, the whole run. Takes iterables of batches and knows nothing of files."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from models.history import Progressed, Schedule
from models.label_guessor import LabelGuessor
from models.losses import LossParts, co_training_loss, supervised_loss
from models.step.ema import ModelEma
from models.step.guard import StepGuard
from models.step.optimizer import set_learning_rate
from models.step.precision import Precision
from models.step.tally import Tally
from utils.metrics import is_better
from utils.schedule import cosine_learning_rate

LOGGER = logging.getLogger("semco")
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


class Trainer:
    """Trains a two-head network by SemCo.

    Args:
        network: what is called, `model` itself or its wrapper for several processes.
        model: the network whose parameters are trained and averaged.
        capture: makes a faster callable of the step's computation, such as `models.step.cuda_graph.CapturedStep`.
        reduce: adds a tensor up over all processes, which are `world_size`.
        share: overwrites tensors with the main process's.
        most_skipped: steps of a run that are left out because they are not finite before it stops; 0: it stops at the first.
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
        share: Callable[[Iterable[Tensor]], None] = lambda tensors: None,
        world_size: int = 1,
        most_skipped: int = 0,
    ) -> None:
        self.network, self.model, self.ema, self.guessor = network, model, ema, guessor
        self.optimizer, self.precision, self.method, self.schedule = optimizer, precision, method, schedule
        self.progressed = Progressed()
        self.device, self._reduce, self._share, self._world_size = device, reduce, share, world_size
        self.tally = Tally(device, most_broken=most_skipped, reduce=reduce, world_size=world_size)
        self._most_skipped, self._has_complained = most_skipped, False
        self._compute = capture(self._compute_step)
        self.renew_guard()

    def renew_guard(self) -> None:
        """Watch over the optimiser's present tensors; call it when they have been replaced."""
        self._guard = None
        if self._most_skipped:
            self._guard = StepGuard(self.model, self.ema, self.optimizer, reduce=self._reduce)

    def train_step(self, images: Tensor, labels: Tensor, *, step: int) -> None:
        """Make step `step` of the run from one batch of views (labelled weak, unlabelled weak, strong) and labels (B,)."""
        set_learning_rate(self.optimizer, self.learning_rate(step))
        self._compute(images, labels)

    def _compute_step(self, images: Tensor, labels: Tensor) -> None:
        """Forward, loss, backward, optimiser, average, figures: kernels alone, nothing that depends on their results."""
        if self._guard:
            self._guard.remember()
        with self.precision.forward():
            output = self.network(images)
        parts = self._loss(output.logits, output.embedding, labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.precision.step(parts.total, self.optimizer)
        self.ema.update()
        values = torch.stack([part.detach().float() for part in parts])
        broken = ~torch.isfinite(values[0])
        self.tally.add(values, self._guard.undo(broken) if self._guard else broken)

    def learning_rate(self, step: int) -> float:
        """Learning rate of step `step` of the run."""
        return cosine_learning_rate(step, total_steps=self.schedule.total_steps, base=self.schedule.lr)

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

    def train_epoch(
        self, batches: Iterable, *, bar: Any, safe_point: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Train the rest of the unfinished epoch; returns the epoch's mean losses and rates, learning rate and speed.

        Raises:
            NotFiniteError: too many steps are not finite.
        """
        self.network.train()
        state, per_epoch = self.progressed, self.schedule.steps_per_epoch
        first = state.epoch * per_epoch
        if not state.steps:
            self.tally.begin(first)
        seconds, start = state.seconds, time.perf_counter()
        for batch in batches:
            self.train_step(batch.images, batch.labels, step=first + state.steps)
            state.steps += 1
            state.images += len(batch.images)
            bar.update(1)
            if state.steps % _STEPS_BETWEEN_READS == 0:
                means, _ = self.tally.read()
                bar.set_postfix(loss=f"{means['total']:.3f}", mask=f"{means['mask_rate']:.2f}", refresh=False)
                self._warn_of_precision()
            state.seconds = seconds + time.perf_counter() - start
            safe_point()
        means, counted = self.tally.read()
        state.seconds = seconds + time.perf_counter() - start
        return {
            "loss": means.pop("total"),
            **means,
            "skipped_steps": state.steps - counted,
            "lr": self.learning_rate(first + per_epoch - 1),
            "images_per_second": state.images * self._world_size / state.seconds,
            "seconds": state.seconds,
        }

    def fit(
        self,
        *,
        epoch_batches: Callable[[int, int], Iterable],
        evaluate: Callable[[], dict[str, float]],
        on_epoch: Callable[[bool], None],
        bar: Callable[[int, int], Any],
        safe_point: Callable[[], None] = lambda: None,
    ) -> None:
        """Train until the last epoch, or until early stopping; from the very step at which a restored run was left.

        Args:
            epoch_batches: the batches of an epoch from a step on, with `images` and `labels`.
            evaluate: figures of the averaged model.
            on_epoch: called after each epoch, told whether it is the best so far.
            bar: makes a progress bar for an epoch, from a step on.
            safe_point: called wherever the run may be saved, or left by an exception.

        Raises:
            NotFiniteError: too many steps are not finite.
        """
        state = self.progressed
        while not state.is_complete(self.schedule):
            with bar(state.epoch, state.steps) as shown:
                batches = epoch_batches(state.epoch, state.steps)
                trained = self.train_epoch(batches, bar=shown, safe_point=safe_point)
            start = time.perf_counter()
            # Without SyncBatchNorm, on CPUs, each process has the running statistics of its own share of the last batch.
            self._share(self.ema.module.buffers())
            figures = evaluate()
            record = {
                "epoch": state.epoch + 1,
                "step": (state.epoch + 1) * self.schedule.steps_per_epoch,
                **trained,
                **figures,
                "evaluation_seconds": time.perf_counter() - start,
            }
            best = is_better(record, state.best, self.schedule.es_metric)
            state.finish_epoch(record, is_best=best)
            on_epoch(best)
            safe_point()

    def _warn_of_precision(self) -> None:
        complaint = self.precision.complaint()
        if complaint and not self._has_complained:
            LOGGER.warning("%s", complaint)
        self._has_complained = self._has_complained or bool(complaint)

    def describe(self) -> dict[str, Any]:
        """Facts for the run's record."""
        return {
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "num_groups": self.guessor.num_groups,
            "precision": self.precision.name,
            "device": str(self.device),
            "total_steps": self.schedule.total_steps,
        }
