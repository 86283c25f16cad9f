"""The trainer: one step, an epoch, an evaluation. It takes batches from any iterable and knows nothing of files."""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from models.diagnose import gradient_share, guess_pool
from models.evaluate import evaluate
from models.history import History
from models.label_guessor import LabelGuessor
from models.losses import LossParts, co_training_loss, supervised_loss
from models.networks.two_head import NetOutput
from models.predict import predict
from models.state import capture_state, restore_state
from models.step.cuda_graph import CapturedStep
from models.step.ema import ModelEma
from models.step.guard import StepGuard
from models.step.optimizer import set_learning_rate
from models.step.precision import Precision
from models.step.ramp_up import RampUp
from models.step.strong_views import SeparateStrongViews, unseen
from models.step.tally import Tally
from utils.processes.world import STEPS_BETWEEN_AGREEMENTS, World
from utils.results.predictions import Predictions
from utils.results.pseudo_labels import PoolGuesses
from utils.schedule import Schedule
from utils.short_runs import takes_unlabelled

LOGGER = logging.getLogger("semco")


@dataclass(frozen=True)
class Method:
    """The method's numbers, under the names of their flags."""

    thr: float
    lam_u: float
    lambda_emb: float
    cotrain: bool
    supervised_start: float = 0.0


class Trainer:
    """Trains a two-head network by SemCo.

    Args:
        network: what is called, `model` itself or its wrapper for several processes.
        model: the network whose parameters are trained and averaged.
        world: the processes that share each batch, and this one's device.
        most_skipped: how many steps of a run are skipped because they are not finite before it stops; 0: it stops at the first.
        cuda_graph: replay the step as one CUDA graph.
        compiled: compile the loss too, as `network` is: its hundred small operations become a few kernels.
        separate_strong: put the strong views through the network in a forward pass of their own.
        ramp_up: weighs the losses by the reliability of the pseudo-labels; None: the weights stay as `method` has them.
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
        world: World,
        most_skipped: int = 0,
        cuda_graph: bool = False,
        compiled: bool = False,
        separate_strong: bool = False,
        ramp_up: RampUp | None = None,
    ) -> None:
        self.network, self.model, self.ema, self.guessor = network, model, ema, guessor
        self.optimizer, self.precision, self.method, self.schedule = optimizer, precision, method, schedule
        self.world, self.device = world, world.device
        self.history = History()
        self.tally = Tally(world.device, most_broken=most_skipped, reduce=world.sum, world_size=world.size)
        self.ramp_up = ramp_up.to(world.device) if ramp_up else None
        self._separate_strong = SeparateStrongViews(network, model) if separate_strong else None
        self._guard = self._build_guard() if most_skipped else None
        self._has_complained = False
        self._compute_loss = torch.compile(self._loss) if compiled else self._loss
        self._compute = CapturedStep(self._compute_step) if cuda_graph else self._compute_step

    @property
    def is_done(self) -> bool:
        """True after the last epoch, or when early stopping ends the run."""
        return self.history.is_complete(self.schedule)

    @property
    def takes_unlabelled(self) -> bool:
        """False while --supervised-start has the run learn from its labelled images alone; changes between epochs only."""
        return takes_unlabelled(self.history.records, self.method.supervised_start)

    def train_step(self, images: Tensor, labels: Tensor, *, step: int) -> None:
        """Make one step from a batch.

        Args:
            images: float32 (B + 2 * U, 3, H, W), normalised: labelled images, then weak views, then strong views of the
                same U unlabelled images. U is 0 where labelled images are trained on alone.
            labels: int64 (B,).
            step: which step of the run it is, counted from 0.
        """
        set_learning_rate(self.optimizer, self.schedule.learning_rate(step))
        self._compute(images, labels)

    def _compute_step(self, images: Tensor, labels: Tensor) -> None:
        """Forward, loss, backward, optimiser, average, figures: kernels alone, nothing that depends on their results."""
        if self._guard:
            self._guard.remember()
        with self.precision.forward():
            output = self._forward(images, len(labels))
        parts = self._compute_loss(output, labels, *self._weights(output, len(labels)))
        self.optimizer.zero_grad(set_to_none=True)
        self.precision.step(parts.total, self.optimizer)
        self.ema.update()
        total = parts.total.detach()
        broken = total - total != 0  # not finite, in two kernels instead of `isfinite`'s five
        self.tally.add(parts, self._guard.undo(broken) if self._guard else broken)

    def _forward(self, images: Tensor, num_labelled: int) -> NetOutput:
        if self._separate_strong is None:
            return self.network(images)
        return self._separate_strong(images, (len(images) - num_labelled) // 2)

    def _weights(self, output: NetOutput, num_labelled: int) -> tuple[Tensor, ...]:
        """Return lambda_u and lambda_emb of this step where they ramp up, nothing where they are the method's."""
        _, weak, _ = output.split(num_labelled)
        if self.ramp_up is None or not len(weak.logits):
            return ()
        self.ramp_up.update(weak.logits.detach().argmax(1), self.guessor(weak.embedding.detach()).hint)
        return self.ramp_up.weights()

    def _loss(
        self, output: NetOutput, labels: Tensor, lam_u: Tensor | None = None, lambda_emb: Tensor | None = None
    ) -> LossParts:
        labelled, weak, strong = output.split(len(labels))
        vectors, method = self.guessor.class_vectors, self.method
        if not len(weak.logits):
            return supervised_loss(
                labelled=labelled, labels=labels, class_vectors=vectors, lambda_emb=method.lambda_emb
            )
        return co_training_loss(
            labelled=labelled,
            weak=weak,
            strong=strong,
            labels=labels,
            guess=self.guessor(weak.embedding.detach()),
            class_vectors=vectors,
            thr=method.thr,
            lam_u=method.lam_u if lam_u is None else lam_u,
            lambda_emb=method.lambda_emb if lambda_emb is None else lambda_emb,
            cotrain=method.cotrain,
        )

    def train_epoch(self, batches: Iterable, *, bar: tqdm) -> dict[str, Any]:
        """Train the rest of the unfinished epoch.

        Args:
            batches: the epoch's batches from step `history.steps` on, with `images` and `labels` as `train_step` takes them.

        Returns:
            The epoch's mean losses and rates, learning rate, speed and seconds: what metrics.jsonl holds of it.

        Raises:
            NotFiniteError: too many steps are not finite.
        """
        self.network.train()
        history = self.history
        first_step = history.epoch * self.schedule.steps_per_epoch
        if not history.steps:
            self.tally.begin(first_step)
        seconds_before, start = history.seconds, time.perf_counter()
        for batch in batches:
            self.train_step(batch.images, batch.labels, step=first_step + history.steps)
            history.steps += 1
            history.images += len(batch.images)
            bar.update(1)
            if history.steps % STEPS_BETWEEN_AGREEMENTS == 0:
                self._show_progress(bar)
            history.seconds = seconds_before + time.perf_counter() - start
        means, counted = self.tally.read()
        history.seconds = seconds_before + time.perf_counter() - start
        return {
            "loss": means.pop("total"),
            **means,
            "skipped_steps": history.steps - counted,
            **({"reliability": float(self.ramp_up.reliability())} if self.ramp_up else {}),
            "lr": self.schedule.learning_rate(first_step + self.schedule.steps_per_epoch - 1),
            "images_per_second": history.images * self.world.size / history.seconds,
            "seconds": history.seconds,
        }

    def _show_progress(self, bar: tqdm) -> None:
        """Read the device's sums, which synchronises with it: rare enough to cost nothing, and a broken run stops soon."""
        means, _ = self.tally.read()
        bar.set_postfix(loss=f"{means['total']:.3f}", mask=f"{means['mask_rate']:.2f}", refresh=False)
        complaint = self.precision.complaint()
        if complaint and not self._has_complained:
            LOGGER.warning("%s", complaint)
            self._has_complained = True

    def evaluate(self, batches: Iterable) -> dict[str, float]:
        """Evaluate the averaged model on this process's share of the validation batches, see `models.evaluate`."""
        start = time.perf_counter()
        # Without SyncBatchNorm each process has the running statistics of its own share of the last batch.
        self.world.share(self.ema.module.buffers())
        figures = evaluate(
            self.ema.module,
            self.guessor,
            batches,
            forward=self.precision.forward,
            reduce=self.world.sum,
            has_embedding=bool(self.method.lambda_emb),
        )
        return {**figures, "evaluation_seconds": time.perf_counter() - start}

    def gradient_share(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """Measure the embedding loss's share of the backbone's gradient for a batch as `train_step` takes it.

        Nothing is learnt from it: weights, running statistics, gradients and generators stay as they are. With --sync-bn all
        processes must call it.

        Returns:
            What `models.diagnose.gradient_share` returns; nothing where one loss alone, or none, trains the backbone.
        """
        trunk = [parameter for parameter in self.model.backbone.parameters() if parameter.requires_grad]
        if not trunk or not self.method.lambda_emb:
            return {}
        call = SeparateStrongViews(self.model, self.model) if self._separate_strong else self.model
        more = ((len(images) - len(labels)) // 2,) if self._separate_strong else ()
        self.model.train()
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []), unseen(self.model):
            with self.precision.forward():
                output = call(images, *more)
            parts = self._loss(output, labels, *(self.ramp_up.weights() if self.ramp_up else ()))
        lam_u, lambda_emb = self.ramp_up.weights() if self.ramp_up else (self.method.lam_u, self.method.lambda_emb)
        emb_loss = lambda_emb * (parts.emb_labelled + lam_u * parts.emb_unlabelled)
        return gradient_share(parts.total - emb_loss, emb_loss, trunk)

    def guess_pool(self, batches: Iterable) -> PoolGuesses:
        """Guess the labels of unlabelled images as a step would, see `models.diagnose`; nothing is learnt from them."""
        return guess_pool(self.model, self.guessor, batches, thr=self.method.thr, forward=self.precision.forward)

    def predict(self, batches: Iterable, *, ids: Sequence[str]) -> Predictions:
        """Collect the averaged model's answers for every image of `batches`, see `models.predict`."""
        return predict(self.ema.module, self.guessor, batches, ids=ids, forward=self.precision.forward)

    def finish_epoch(self, *figures: dict[str, Any]) -> None:
        """Count the unfinished epoch as finished; `figures` together are its record."""
        epoch = self.history.epoch + 1
        record: dict[str, Any] = {"epoch": epoch, "step": epoch * self.schedule.steps_per_epoch}
        for part in figures:
            record.update(part)
        was_alone = not self.takes_unlabelled
        self.history.finish_epoch(record, es_metric=self.schedule.es_metric)
        if was_alone and self.takes_unlabelled:
            LOGGER.info(
                "--supervised-start: the labelled images are learnt far enough; unlabelled ones take part from epoch %d on",
                epoch + 1,
            )

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs: tensors, numbers and strings only.

        Raises:
            NotFiniteError: the run is broken and its state is worth nothing.
        """
        return capture_state(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, on this trainer's own device.

        Raises:
            SemcoError: it belongs to another network, or is not what `state_dict` returns.
        """
        restore_state(self, state)
        if self._guard:
            self._guard = self._build_guard()

    def _build_guard(self) -> StepGuard:
        others = self.ramp_up.buffers() if self.ramp_up else ()
        return StepGuard(self.model, self.ema, self.optimizer, reduce=self.world.sum, others=others)

    def describe(self) -> dict[str, Any]:
        """Return facts for the run's record."""
        return {
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "num_groups": self.guessor.num_groups,
            "precision": self.precision.name,
            "device": str(self.device),
            "total_steps": self.schedule.total_steps,
        }
