"""What a run is called: its method, its network, the flags that set it apart."""

from collections.abc import Mapping
from typing import Any

from utils.flags.config import Config, flag_of

# Where, how fast and how often a run was made, and where its files were: never what it computes.
_MACHINE = {
    "output_dir", "preview", "resume", "checkpoint_minutes", "device", "parallel", "num_workers_per_gpu", "cache_imgs",
    "data_device", "cuda_graph", "compile", "progress_bar", "diagnose_images", "on_nan", "nan_limit",
    "amp", "amp_backend", "amp_dtype",
    "dataset_path", "train_split_pickle", "valid_split_pickle", "classes_pickle",
}  # fmt: skip
# Files that may be anywhere; their names say which they are.
_FILES = {"word_vec_path", "label_terms", "imgnet_weights", "checkpoint_path"}
# How a backbone says that it is timm's.
_TIMM = "timm:"
# What the method's name says already.
_NAMED = {"lam_u", "lambda_emb", "cotrain", "eps", "shuffle_vectors", "model_backbone", "wres_k", "wres_n"}


def method_name(flags: Mapping[str, Any]) -> str:
    """Name the method that the flags ask for."""
    if not flags["lam_u"]:
        return "supervised" if not flags["lambda_emb"] else "supervised, both heads"
    if not flags["lambda_emb"]:
        return "FixMatch"
    without = []
    if flags["eps"] == 0:
        without.append("without grouping")
    if not flags["cotrain"]:
        without.append("without co-training")
    if flags.get("shuffle_vectors"):
        without.append("with shuffled word vectors")
    return ", ".join(["SemCo", *without])


def is_supervised(flags: Mapping[str, Any]) -> bool:
    """True for the baseline that learns from the labelled images alone, by the class head."""
    return not flags["lam_u"] and not flags["lambda_emb"]


def backbone(flags: Mapping[str, Any]) -> str:
    """Name the network, such as WRN-28-2, and what it starts from where that can differ."""
    name = flags["model_backbone"] or ("wres" if flags["im_size"] <= 64 else "resnet50")
    if name == "wres":
        return f"WRN-{flags['wres_n']}-{flags['wres_k']}"
    if name.startswith(_TIMM):
        return f"timm's {name.removeprefix(_TIMM)}, {'pretrained' if flags['imgnet_pretrained'] else 'from scratch'}"
    start = "ImageNet weights" if flags["imgnet_pretrained"] else "from scratch"
    return f"{name.replace('resnet', 'ResNet-')}, {start}"


def starts_from_scratch(flags: Mapping[str, Any]) -> bool:
    """True when the network starts from random weights."""
    name = flags["model_backbone"] or ("wres" if flags["im_size"] <= 64 else "resnet50")
    return not flags["use_pretrained"] and (name == "wres" or not flags["imgnet_pretrained"])


def science_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that decide what is computed, without the seed: equal in runs that are repetitions of each other."""
    kept = {name: value for name, value in flags.items() if name not in _MACHINE and name != "seed"}
    return {name: _file_name(value) if name in _FILES else value for name, value in kept.items()}


def differing_flags(flags: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Spell the deciding flags of `flags` that `other` has not, but for those that the method's name implies."""
    here, there = science_flags(flags), science_flags(other)
    return [spell_flag(name, value) for name, value in here.items() if value != there.get(name) and name not in _NAMED]


def changed_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that differ from their defaults."""
    default = Config().as_json()
    return {name: value for name, value in flags.items() if name not in default or value != default[name]}


def spell_flag(name: str, value: Any) -> str:
    """Write a flag as it stands on a command line."""
    if isinstance(value, bool):
        return flag_of(name) if value else flag_of(f"no_{name}")
    return f"{flag_of(name)} {'auto' if value is None else value}"


def _file_name(path: str | None) -> str | None:
    return None if path is None else path.replace("\\", "/").rsplit("/", 1)[-1]
