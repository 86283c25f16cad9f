"""The baseline that fine-tuning must beat: a linear classifier on a pretrained network's features, computed once per image.

    python -m benchmarks.linear_probe @my.flags

It takes run_semco.py's flags and uses those for data, image size and backbone. The network stays as it is and no view is
augmented: each labelled image has one feature vector, that of its centre crop. A logistic regression on the standardised
features is trained, its L2 penalty chosen by cross-validation on the labelled images alone, and the accuracy on the
validation images is printed as one JSON line. Seconds to minutes on a CPU.
"""

import json
import sys
import time
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from loaders.batches import EvaluationBatches, Normalise
from loaders.pixels.statistics import PixelStatistics
from loaders.pixels.store import ImageStore
from loaders.training_data import TrainingData, open_training_data, select_images
from models.networks.two_head import TwoHeadNet, build_model, resolve_backbone
from models.settings import starts_pretrained
from utils.errors import SemcoError, run_program
from utils.flags.config import Config
from utils.flags.parse import parse_config
from utils.processes.world import join_world
from utils.progress import Progress
from utils.run.log import logging_for

_BATCH = 64
_FOLDS = 3
_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def probe(features: np.ndarray, labels: np.ndarray, *, seed: int) -> tuple[Pipeline, float]:
    """Fit a classifier to features (L, F) and labels (L,); return it and the inverse penalty chosen.

    With fewer than two images of a class there is nothing to validate on, and the middle of the penalties is taken.
    """
    fewest = int(np.unique(labels, return_counts=True)[1].min())
    regression = LogisticRegression(C=_PENALTIES[len(_PENALTIES) // 2], max_iter=2000)
    classifier = make_pipeline(StandardScaler(), regression)
    if fewest < 2:
        return classifier.fit(features, labels), regression.C
    folds = StratifiedKFold(min(_FOLDS, fewest), shuffle=True, random_state=seed)
    search = GridSearchCV(classifier, {"logisticregression__C": _PENALTIES}, cv=folds, error_score="raise")
    search.fit(features, labels)
    return search.best_estimator_, search.best_params_["logisticregression__C"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    return run_program(lambda: _measure(parse_config(sys.argv[1:] if argv is None else list(argv))))


def _measure(config: Config) -> None:
    backbone = resolve_backbone(config.model_backbone, config.im_size)
    if not starts_pretrained(config):
        raise SemcoError(
            f"a linear probe of {backbone} from random weights means nothing: pass --model-backbone timm:NAME, resnet18 or "
            "resnet50, without --no-imgnet-pretrained"
        )
    with join_world(config.device, parallel=False) as world, logging_for(talks=True):
        selection = select_images(config)
        network = build_model(
            backbone=backbone,
            num_classes=len(selection.class_names),
            embedding_dim=1,
            cropsize=config.cropsize,
            pretrained=True,
            imagenet_weights=config.imgnet_weights,
        )
        statistics = PixelStatistics(*network.normalisation)
        progress = Progress(enabled=config.progress_bar)
        data = open_training_data(config, selection, statistics=statistics, progress=progress)
        pool, start = data.pool, time.perf_counter()
        trained = _features(network, data, pool.store, pool.labelled, config.cropsize, world.device)
        tested = _features(network, data, data.validation, data.validation_rows, config.cropsize, world.device)
        computed = time.perf_counter()
        classifier, inverse_penalty = probe(trained, pool.labels.numpy(), seed=max(config.seed, 0))
        right = classifier.predict(tested) == data.validation_labels.numpy()
        seconds = {"features": computed - start, "classifier": time.perf_counter() - computed}
    print(
        json.dumps(
            {
                "backbone": backbone,
                "cropsize": config.cropsize,
                "labelled": len(trained),
                "validation": len(tested),
                "top1": round(100 * float(right.mean()), 2),
                "inverse_penalty": inverse_penalty,
                "seconds": {name: round(value, 1) for name, value in seconds.items()},
            }
        )
    )


@torch.no_grad()
def _features(
    network: TwoHeadNet, data: TrainingData, store: ImageStore, rows: torch.Tensor, cropsize: int, device: torch.device
) -> np.ndarray:
    """Return the features (n, F) of the centre crops of a store's images at `rows` (n,)."""
    model = network.backbone.eval().to(device, memory_format=torch.channels_last)
    batches = EvaluationBatches(
        store=store,
        rows=rows,
        labels=torch.zeros_like(rows),
        cropsize=cropsize,
        batch_size=_BATCH,
        normalise=Normalise(data.statistics, device),
        device=device,
    )
    return torch.cat([model(batch.images).float().cpu() for batch in batches]).numpy()


if __name__ == "__main__":
    sys.exit(main())
