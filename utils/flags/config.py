"""The command line as one frozen dataclass: fields, help, JSON. Standard library only.

`Config` is the single list of flags. Parsing (`utils.flags.parse`) and the run folder's config.json follow from it.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
    valid_fraction: float = option(
        0.0,
        "share of each class's labelled images that validates instead of training, for datasets without test/; "
        "at least one image, but never a class's last; 0: none",
        group=_DATA,
    )
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
    shared_terms: str = option(
        "compose",
        "classes that land on one term: compose a vector for each from all words of its name, or keep the term's for all, "
        "as the paper's code does",
        group=_LABELS,
        choices=("compose", "keep"),
    )
    shuffle_vectors: bool = option(
        False,
        "deal the class vectors out to the classes at random: the control for what the names are worth",
        group=_LABELS,
    )
    eps: float | None = option(
        None,
        "radius of label groups in cosine distance (DBSCAN eps); auto: 0.15 for D<100, 0.2 for D<256, 0.28 above, and found "
        "from the vectors with --label-embedder, where distances are between vectors less their mean; 0: no groups",
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
    thr_emb: float | None = option(
        0.7,
        "confidence threshold of the embedding head, mean cosine over a group (tau_emb); auto: what 99% of the embeddings "
        "halfway between two classes stay below, from the class vectors",
        group=_METHOD,
        words={"auto": None},
    )
    lambda_emb: float = option(3.0, "weight of the embedding head's loss (lambda_emb); 0: FixMatch", group=_METHOD)
    cotrain: bool = option(True, "let each head learn from the other's guesses too", group=_METHOD)
    ramp_up: str = option(
        "none",
        "agreement: lambda_u grows from 0, and lambda_emb from 1, with how far both heads agree on unlabelled images beyond "
        "chance; for short runs, and without effect at --lambda-emb 0",
        group=_METHOD,
        choices=("none", "agreement"),
    )
    supervised_start: float = option(
        0.0,
        "train on the labelled images alone until, in an epoch, the class head gives them their classes with this probability "
        "(geometric mean); for short runs; 0: unlabelled images from the first step on, as in the paper",
        group=_METHOD,
    )
    ema_alpha: float | None = option(
        0.999,
        "decay of the parameters' moving average, per step; auto: 1 - 10 / T, at most 0.999, T the steps of --n-epoches",
        group=_METHOD,
        words={"auto": None},
    )

    model_backbone: str | None = option(
        None,
        "network: wres, resnet18, resnet50, or timm:NAME for any image model of timm, such as timm:vit_small_patch16_224; "
        "auto: wres when --im-size <= 64, else resnet50",
        group=_NETWORK,
        words={"auto": None},
    )
    wres_k: int = option(2, "width factor of the WideResNet (k)", group=_NETWORK)
    wres_n: int = option(28, "depth of the WideResNet (n), 6 * i + 4", group=_NETWORK)
    bn_momentum: float | None = option(
        0.001,
        "share of the newest batch in the WideResNet's running statistics; auto: 50 / T, from 0.001 to 0.1, T the steps of "
        "--n-epoches",
        group=_NETWORK,
        words={"auto": None},
    )
    strong_bn: str = option(
        "shared",
        "batch normalisation of strong views: shared with the other images of the batch, as in the paper, or separate: by "
        "their own statistics, which the running ones do not see",
        group=_NETWORK,
        choices=("shared", "separate"),
    )
    imgnet_pretrained: bool = option(
        True, "start resnet18/resnet50 from ImageNet's weights, and timm:NAME from that model's own", group=_NETWORK
    )
    imgnet_weights: Path | None = option(
        None,
        "file of pretrained weights, .pth, .pt or .safetensors, for machines without network: torchvision's for "
        "resnet18/resnet50, the model's own for timm:NAME",
        group=_NETWORK,
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
    optimizer: str = option(
        "sgd",
        "sgd with Nesterov momentum, or adamw, which is usual for fine-tuning transformers",
        group=_TRAINING,
        choices=("sgd", "adamw"),
    )
    lr: float = option(0.03, "learning rate at the first step (eta)", group=_TRAINING)
    momentum: float = option(0.9, "Nesterov momentum of SGD (beta)", group=_TRAINING)
    weight_decay: float = option(
        5e-4,
        "weight decay, on all but normalisation layers; with adamw, on all but these, biases and position embeddings",
        group=_TRAINING,
    )
    layer_decay: float = option(
        1.0,
        "factor of the learning rate from each layer to the one below it, so that a pretrained network's lowest layers change "
        "least; 1: the same for all",
        group=_TRAINING,
    )
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
    resume: Path | str | None = option(
        None,
        "resume from a checkpoint in its run folder: PATH of a .pth file or a run folder, or auto: the furthest run with these "
        "flags under --output-dir, a new run if there is none; docs/faults.md lists the flags that may differ from that run's",
        group=_MACHINE,
        words={"auto": "auto"},
    )
    checkpoint_minutes: float = option(
        10.0, "minutes between checkpoints within an epoch; 0: at the ends of epochs only", group=_MACHINE
    )
    on_nan: str = option(
        "stop",
        "what to do when a loss is not finite: stop, or skip: undo the step, up to --nan-limit times",
        group=_MACHINE,
        choices=("stop", "skip"),
    )
    diagnose_images: int = option(
        1000,
        "unlabelled images whose pseudo-labels are measured after each epoch, one forward pass each; 0: none",
        group=_MACHINE,
    )
    nan_limit: int = option(100, "how many steps of a run --on-nan skip undoes before the run stops", group=_MACHINE)
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
    cuda_graph: bool = option(
        False,
        "replay each step as one CUDA graph, for small networks on one GPU; not yet verified on a GPU",
        group=_MACHINE,
    )
    compile: bool = option(
        False, "compile the network and the loss with torch.compile; takes a minute before it pays", group=_MACHINE
    )
    sync_bn: bool = option(
        False,
        "let batch normalisation compute its statistics over all GPUs' images instead of each GPU's own, as in the paper; "
        "every layer then waits for all GPUs",
        group=_MACHINE,
    )
    data_device: str = option(
        "auto",
        "where decoded pixels are stored: cuda, cpu, or auto: on the GPU when they fill less than half of its free memory",
        group=_MACHINE,
        choices=("auto", "cpu", "cuda"),
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

    @property
    def most_skipped(self) -> int:
        """Steps of the run that may be skipped because they are not finite."""
        return self.nan_limit if self.on_nan == "skip" else 0

    def as_json(self) -> dict[str, Any]:
        """Return plain values under the fields' names."""
        return {
            name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(self).items()
        }


def flag_of(name: str) -> str:
    """Return how the field `name` is spelt on the command line."""
    return "--" + name.replace("_", "-")
