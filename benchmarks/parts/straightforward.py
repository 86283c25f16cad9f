"""A SemCo trainer written the straightforward way: the yardstick for this project's speed.

Per-image Pillow views in DataLoader workers, float32, NCHW, `.item()` after every step, EMA over `state_dict()`. The images
are held decoded in memory, as in torchvision's CIFAR datasets. The loss is this project's own.
"""

import copy

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.parts import pillow_views
from loaders.views.plan import EpochPlan
from models.label_guessor import LabelGuessor
from models.losses import co_training_loss
from models.networks.two_head import TwoHeadNet


class PillowViews(Dataset):
    """Make the batches of a plan image by image; one item per step.

    Args:
        images: uint8 (N, H, W, 3); `labels`: int64 (L,), classes of the first L of them, the labelled ones.
    """

    def __init__(self, images: np.ndarray, labels: torch.Tensor, plan: EpochPlan, size: int) -> None:
        self._images, self._labels, self._plan, self._size = images, labels, plan, size

    def __len__(self) -> int:
        return self._plan.shape.steps

    def __getitem__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        part, unlabelled = self._plan.step(step), len(self._labels)
        views = [self._weak(part.labelled, row, 0) for row in range(len(part.labelled))]
        views += [self._weak(part.weak, row, unlabelled) for row in range(len(part.weak))]
        for row in range(len(part.strong)):
            crop, strong = self._weak(part.strong, row, unlabelled), part.augment
            views.append(pillow_views.strong_view(crop, strong.ops[row], strong.negative[row], strong.centre[row]))
        return torch.stack([self._to_tensor(view) for view in views]), self._labels[part.labelled.image]

    def _weak(self, crops, row: int, first: int) -> Image.Image:
        image = Image.fromarray(self._images[first + int(crops.image[row])])
        place = {"y": float(crops.y[row]), "x": float(crops.x[row]), "flip": bool(crops.flip[row])}
        return pillow_views.crop(image, **place, size=self._size)

    @staticmethod
    def _to_tensor(view: Image.Image) -> torch.Tensor:
        levels = torch.from_numpy(np.array(view)).permute(2, 0, 1)
        return (levels.float() / 255 - 0.5) / 0.25


class StraightforwardTrainer:
    """Train a network on batches of `PillowViews`."""

    def __init__(self, model: TwoHeadNet, guessor: LabelGuessor, dataset: PillowViews) -> None:
        self._model, self._guessor = model.train(), guessor
        self._average = copy.deepcopy(model).eval()
        self._optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4)
        self._loader = DataLoader(
            dataset, batch_size=None, num_workers=torch.get_num_threads(), persistent_workers=True
        )

    def epoch(self) -> list[float]:
        """Train on every batch once and return the losses, reading the figures after every step."""
        return [self._step(images, labels) for images, labels in self._loader]

    def _step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        device = self._guessor.class_vectors.device
        images, labels = images.to(device), labels.to(device)
        labelled, weak, strong = self._model(images).split(len(labels))
        parts = co_training_loss(
            labelled=labelled,
            weak=weak,
            strong=strong,
            labels=labels,
            guess=self._guessor(weak.embedding.detach()),
            class_vectors=self._guessor.class_vectors,
            thr=0.3,
            lam_u=1.0,
            lambda_emb=3.0,
        )
        self._optimizer.zero_grad()
        parts.total.backward()
        self._optimizer.step()
        self._update_average()
        return {name: part.item() for name, part in parts._asdict().items()}["total"]

    @torch.no_grad()
    def _update_average(self) -> None:
        average, current = self._average.state_dict(), self._model.state_dict()
        for name, value in current.items():
            averaged = 0.999 * average[name] + 0.001 * value if value.is_floating_point() else value
            average[name] = averaged
        self._average.load_state_dict(average)
