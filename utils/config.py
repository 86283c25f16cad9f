"""The command line as one frozen dataclass: fields, help, validation, JSON. Standard library only.

`Config` is the single list of flags. Parsing (`utils.command_line`) and the run folder's config.json follow from it.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.errors import SemcoError


def option(default: Any, help: str, *, group: str, **extra: Any) -> Any:
    """Declare one flag.

    Args:
        default: value when the flag is absent.
        help: what it does, with unit and the paper's symbol where there is one.
        group: heading in --help.
        extra: `choices`, `bare` (value of the flag without an argument), `env` (variable that gives the default),
            `words` (what certain words stand for).
    """
    return field(default=default, metadata={"help": help, "group": group, **extra})


_DATA, _VIEWS, _LABELS = "data", "views", "label semantics"
_METHOD, _NETWORK, _TRAINING, _MACHINE = "method", "network", "training", "machine"


@dataclass(frozen=True)
class Config:
    """Every flag of run_semco.py, parsed and typed. `None` means: decided from the others (`auto`)."""

    dataset_path: Path | None = option(
        None, "folder that holds the dataset folders", group=_DATA, env="SEMCO_DATA_PATH"
    )
    dataset_name: str = option("cifar100", "the dataset's folder under --dataset-path", group=_DATA)
    train_split_pickle: Path | None = option(None, "labelled images (required), made by split_maker.py", group=_DATA)
    valid_split_pickle: Path | None = option(None, "validation images; without it, all of test/", group=_DATA)
    classes_pickle: Path | None = option(
        None, "class names in order; without it, those of labels_train.feather", group=_DATA
    )
    skip_bad_images: bool = option(False, "leave out images that cannot be decoded, and count them", group=_DATA)
    cache_imgs: str = option(
        "auto",
        "where decoded pixels are kept: memory, disk (a mapped cache file), none (decode each time), or auto: a cache file, "
        "held in memory when it fits; bare --cache-imgs means memory",
        group=_DATA,
        choices=("auto", "memory", "disk", "none"),
        bare="memory",
        words={"true": "memory", "false": "none"},
    )

    word_vec_path: Path | None = option(
        None,
        "word vectors: pickled dict, Numberbatch text, word2vec/GloVe text, or CSV of class attributes",
        group=_LABELS,
        env="SEMCO_WV_PATH",
    )
    label_embedder: str | None = option(
        None,
        "text encoder that gives class names their vectors instead of --word-vec-path: sentence-transformers:MODEL, a name or "
        "a folder",
        group=_LABELS,
    )
    label_terms: Path | None = option(
        None, "CSV `class,term` that overrides the matching rules, or the text that is embedded", group=_LABELS
    )
    unmatched_labels: str = option(
        "error", "what to do with a class name that matches no term", group=_LABELS, choices=("error", "random")
    )
    eps: float | None = option(
        None,
        "radius of label groups in cosine distance (DBSCAN eps); auto: 0.15 for D<100, 0.2 for D<256, 0.28 above; 0: no groups",
        group=_LABELS,
        words={"auto": None},
    )

    im_size: int = option(32, "short side of the decoded images, pixels", group=_VIEWS)
    cropsize: int = option(32, "side of the square views that the network sees, pixels", group=_VIEWS)

    lam_u: float = option(
        1.0, "weight of the unlabelled losses (lambda_u); 0: train on the labelled images alone", group=_METHOD
    )
    mu: int = option(3, "unlabelled images per labelled one in a batch (mu)", group=_METHOD)
    thr: float = option(0.95, "confidence threshold of the class head (tau)", group=_METHOD)
    thr_emb: float = option(
        0.7, "confidence threshold of the embedding head, mean cosine over a group (tau_emb)", group=_METHOD
    )
    lambda_emb: float = option(3.0, "weight of the embedding head's loss (lambda_emb); 0: FixMatch", group=_METHOD)
    cotrain: bool = option(True, "let each head learn from the other's guesses too", group=_METHOD)
    ema_alpha: float = option(0.999, "decay of the parameters' moving average, per step", group=_METHOD)

    model_backbone: str | None = option(
        None,
        "network; auto: wres when --im-size <= 64, else resnet50",
        group=_NETWORK,
        choices=("wres", "resnet18", "resnet50"),
        words={"auto": None},
    )
    wres_k: int = option(2, "width factor of the WideResNet (k)", group=_NETWORK)
    wres_n: int = option(28, "depth of the WideResNet (n), 6 * i + 4", group=_NETWORK)
    bn_momentum: float = option(
        0.001, "share of the newest batch in the WideResNet's running statistics; short runs want 0.05", group=_NETWORK
    )
    imgnet_pretrained: bool = option(True, "start resnet18/resnet50 from ImageNet's weights", group=_NETWORK)
    imgnet_weights: Path | None = option(
        None, "file with torchvision's ImageNet weights, for machines without network", group=_NETWORK
    )
    use_pretrained: bool = option(
        False, "start from the weights of --checkpoint-path; what fits is loaded", group=_NETWORK
    )
    checkpoint_path: Path | None = option(
        None, "checkpoint for --use-pretrained, this project's or the paper's", group=_NETWORK
    )
    freeze_backbone: bool = option(False, "train the heads only", group=_NETWORK)

    n_epoches: int = option(300, "length of the learning-rate schedule and of the run, epochs", group=_TRAINING)
    break_epoch: int = option(
        0, "stop after this many epochs, on the schedule of --n-epoches; 0: do not", group=_TRAINING
    )
    n_imgs_per_epoch: int = option(
        65536, "labelled images drawn per epoch; iterations = this // --batch-size", group=_TRAINING
    )
    batch_size: int = option(64, "labelled images per step (B)", group=_TRAINING)
    lr: float = option(0.03, "learning rate at the first step (eta)", group=_TRAINING)
    momentum: float = option(0.9, "Nesterov momentum of SGD (beta)", group=_TRAINING)
    weight_decay: float = option(5e-4, "weight decay, on all but normalisation layers", group=_TRAINING)
    early_stopping_epochs: int = option(
        0, "stop after this many epochs without a better --es-metric; 0: do not", group=_TRAINING
    )
    min_wait_before_es: int = option(-1, "epochs before early stopping begins to count; -1: none", group=_TRAINING)
    es_metric: str = option(
        "accuracy",
        "what makes an epoch the best: top1 accuracy or validation loss",
        group=_TRAINING,
        choices=("accuracy", "loss"),
    )
    seed: int = option(
        123, "seed of everything random; negative: a fresh one, recorded in config.json", group=_TRAINING
    )

    output_dir: Path = option(Path("runs"), "folder for run folders", group=_MACHINE)
    preview: bool = option(
        False, "train nothing: check everything, show data, labels and costs, draw example views", group=_MACHINE
    )
    device: str = option(
        "auto", "where to train; auto: CUDA if there is a GPU", group=_MACHINE, choices=("auto", "cpu", "cuda")
    )
    amp: bool = option(True, "mixed precision; --no-amp computes in float32 throughout", group=_MACHINE)
    amp_backend: str = option(
        "auto", "who does mixed precision; auto: torch", group=_MACHINE, choices=("auto", "torch", "apex")
    )
    amp_dtype: str = option(
        "auto",
        "number format of mixed precision; auto: bfloat16 where the processor computes in it, float16 on older GPUs, "
        "float32 on older CPUs",
        group=_MACHINE,
        choices=("auto", "bfloat16", "float16"),
    )
    num_workers_per_gpu: int = option(4, "workers that decode images, per process", group=_MACHINE)
    parallel: bool = option(True, "use all visible GPUs, one process each", group=_MACHINE)
    progress_bar: bool = option(True, "draw progress bars when the output is a terminal", group=_MACHINE)

    @property
    def steps_per_epoch(self) -> int:
        """Training steps in an epoch."""
        return self.n_imgs_per_epoch // self.batch_size

    @property
    def total_steps(self) -> int:
        """Steps of the whole schedule, T."""
        return self.n_epoches * self.steps_per_epoch

    @property
    def last_epoch(self) -> int:
        """Number of epochs that the run trains at most."""
        return min(self.break_epoch or self.n_epoches, self.n_epoches)

    @property
    def unlabelled_batch(self) -> int:
        """Unlabelled images per step; none when nothing is learnt from them."""
        return self.mu * self.batch_size if self.lam_u > 0 else 0

    def as_json(self) -> dict[str, Any]:
        """Plain values under the fields' names."""
        return {
            name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(self).items()
        }

    def validate(self) -> None:
        """Check everything that can be checked without touching a file.

        Raises:
            SemcoError: the first flag whose value cannot work.
        """
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise SemcoError(f"--{flag_name(entry)} is {value}: give a finite number")
        for name, (low, high, wanted) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SemcoError(f"--{name.replace('_', '-')} is {value}: expected {wanted}")
        self._check_together()

    def _check_together(self) -> None:
        if self.train_split_pickle is None:
            raise SemcoError("--train-split-pickle is missing: make one with split_maker.py and name it here")
        if self.im_size < self.cropsize:
            raise SemcoError(
                f"--im-size {self.im_size} is smaller than --cropsize {self.cropsize}: images must be at least as large as crops"
            )
        if (self.wres_n - 4) % 6:
            raise SemcoError(f"--wres-n is {self.wres_n}: expected 6 * i + 4, such as 10, 16, 22, 28 or 40")
        if self.steps_per_epoch < 1:
            raise SemcoError(
                f"--n-imgs-per-epoch {self.n_imgs_per_epoch} is smaller than --batch-size {self.batch_size}: no step is made"
            )
        kind, _, model = (self.label_embedder or "sentence-transformers:-").partition(":")
        if kind != "sentence-transformers" or not model:
            raise SemcoError(
                f"--label-embedder is {self.label_embedder!r}: expected sentence-transformers:MODEL, a name or a folder"
            )
        if self.use_pretrained and self.checkpoint_path is None:
            raise SemcoError("--use-pretrained needs --checkpoint-path: name the checkpoint to start from")
        if self.checkpoint_path is not None and not self.use_pretrained:
            raise SemcoError("--checkpoint-path does nothing without --use-pretrained: add it, or drop the path")


def flag_name(entry: dataclasses.Field) -> str:
    """How a field is spelt on the command line, without the leading dashes."""
    return entry.name.replace("_", "-")


_COUNT = 10**12
_RANGES: dict[str, tuple[float, float, str]] = {
    "eps": (0.0, 2.0, "a cosine distance from 0 to 2, or auto"),
    "im_size": (8, 4096, "8 to 4096 pixels"),
    "cropsize": (8, 4096, "8 to 4096 pixels"),
    "lam_u": (0.0, 1e6, "0 or more"),
    "mu": (1, 1024, "a whole number from 1"),
    "thr": (0.0, 1.0, "a probability from 0 to 1"),
    "thr_emb": (-1.0, 1.0, "a cosine from -1 to 1"),
    "lambda_emb": (0.0, 1e6, "0 or more"),
    "ema_alpha": (0.0, 0.999999999, "a decay from 0 to below 1"),
    "wres_k": (1, 64, "a whole number from 1"),
    "wres_n": (10, 1000, "10 or more"),
    "bn_momentum": (1e-6, 1.0, "a share above 0, up to 1"),
    "n_epoches": (1, _COUNT, "a whole number from 1"),
    "break_epoch": (0, _COUNT, "a number of epochs, or 0 for none"),
    "n_imgs_per_epoch": (1, _COUNT, "a whole number from 1"),
    "batch_size": (1, 10**6, "a whole number from 1"),
    "lr": (1e-12, 1e3, "a number above 0"),
    "momentum": (1e-12, 1.0, "a number above 0, up to 1 (Nesterov momentum needs some)"),
    "weight_decay": (0.0, 1e3, "0 or more"),
    "early_stopping_epochs": (0, _COUNT, "a number of epochs, or 0 for none"),
    "min_wait_before_es": (-1, _COUNT, "a number of epochs, or -1 for none"),
    "seed": (-(2**63), 2**63 - 1, "a whole number below 2**63"),
    "num_workers_per_gpu": (0, 1024, "a whole number from 0 to 1024"),
}
