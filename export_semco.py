"""Write a trained run as files that need nothing of this project: `python export_semco.py --help`, docs/predict.md."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.errors import SemcoError, one_line, run_program
from utils.flags.arguments import OneLineParser, path_argument
from utils.processes.signals import StopRequest
from utils.stopping import Stopped

if TYPE_CHECKING:  # imported once the arguments are known to be right
    from models.export.check import CheckImages
    from models.inference import Classifier

_FEWEST_IMAGES = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, 2 after a user's mistake, 128 + its number after a signal."""

    def work() -> None:
        _export(_parser().parse(sys.argv[1:] if argv is None else list(argv)))

    try:
        with StopRequest():
            return run_program(work)
    except Stopped as stopped:
        print(f"stopped by {stopped}", file=sys.stderr)
        return stopped.exit_code


def _export(values: argparse.Namespace) -> None:
    # 1. What can be refused at once.
    from models.export.folder import atomic_folder, check_absent

    check_absent(values.out)
    from models.export.files import check_packages, exported_program, onnx_bytes, pt2_bytes, safetensors_bytes, versions

    check_packages()
    # 2. The network, and images to check it on.
    from models.export.card import model_card
    from models.export.check import check_files
    from models.export.description import describe
    from models.export.network import ExportedNet
    from models.inference import load_classifier

    classifier = load_classifier(values.run, which=values.checkpoint)
    images = _check_images(values, classifier)
    network, side = ExportedNet(classifier), classifier.facts.cropsize
    # 3. Files, each made in memory and compared with the network before any is written.
    onnx, pt2 = onnx_bytes(network, side), pt2_bytes(exported_program(network, side))
    check = check_files(network, onnx, pt2, images)
    config = describe(classifier, versions())
    with atomic_folder(values.out) as folder:
        for name, content in {
            "model.safetensors": safetensors_bytes(classifier),
            "model.onnx": onnx,
            "model.pt2": pt2,
            "config.json": _json(config),
            "check.json": _json({**check, "versions": config["versions"]}),
            "README.md": model_card(classifier, check).encode("utf-8"),
        }.items():
            with (folder / name).open("wb") as file:
                file.write(content)
    print(
        one_line(
            f"{values.out}: {classifier.path} as ONNX, .pt2 and safetensors, fingerprint {classifier.fingerprint[:16]}"
        )
    )
    for line in _summary(check):
        print(line)


def _check_images(values: argparse.Namespace, classifier: "Classifier") -> "CheckImages":
    """Take validation images of the run, spread over all of them; generated ones where the dataset is not there."""
    import dataclasses

    import numpy as np

    from loaders.photos.run_images import validation_photos
    from loaders.photos.views import photo_batches
    from models.export.check import CheckImages, generated_images
    from utils.flags.stored import stored_config

    config, facts = stored_config(classifier.config), classifier.facts
    config = dataclasses.replace(config, dataset_path=values.dataset_path or config.dataset_path)
    try:
        photos = validation_photos(config)
    except SemcoError as error:
        if values.dataset_path is not None:
            raise
        print(one_line(f"note: checked on generated images, {error}"), file=sys.stderr)
        return generated_images(facts.cropsize)
    places = np.unique(np.linspace(0, len(photos) - 1, num=min(values.images, len(photos))).round().astype(int))
    batches = photo_batches(
        [photos[place].path for place in places],
        im_size=facts.im_size,
        cropsize=facts.cropsize,
        batch_size=128,
        workers=0,
    )
    pixels = np.concatenate([batch.views.permute(0, 2, 3, 1).numpy() for batch in batches])
    if len(pixels) < _FEWEST_IMAGES:
        generated = generated_images(facts.cropsize)
        source = f"{len(pixels)} validation images of the run, the others generated"
        return CheckImages(np.ascontiguousarray(np.concatenate([pixels, generated.pixels])), source)
    return CheckImages(np.ascontiguousarray(pixels), "validation images of the run")


def _summary(check: dict) -> list[str]:
    differences = check["largest_difference_by_batch_size"]
    return [
        f"model.{name}: largest difference {max(max(values.values()) for values in by_size.values()):.1e} at batch sizes "
        f"{', '.join(by_size)}; top-1 equal on {min(check['top1_agreement'][name].values()):.1%} of {check['images']} images "
        f"({check['images_from']})"
        for name, by_size in differences.items()
    ]


def _json(content: dict) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def _number_of_images(text: str) -> int:
    if (number := int(text)) < _FEWEST_IMAGES:
        raise ValueError(text)
    return number


_number_of_images.__name__ = f"whole number from {_FEWEST_IMAGES}"


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="export_semco.py",
        description="Write a trained run as ONNX, torch.export and safetensors files, with a model card, checked against it.",
        epilog="Needs the packages of requirements-export.txt. docs/predict.md shows a script that uses the files.",
    )
    add = parser.add_argument
    add("run", metavar="RUN", type=path_argument, help="a run folder, or a .pth file in it")
    add("out", metavar="OUT", type=path_argument, help="the folder to make; it must not exist")
    add(
        "--checkpoint", choices=("last", "best"), default="last",
        help="which checkpoint of a run folder; the last epoch is what the paper reports (default: last)",
    )  # fmt: skip
    add(
        "--images", type=_number_of_images, default=256, metavar="N",
        help=f"validation images on which the files are compared with the network, {_FEWEST_IMAGES} or more (default: 256)",
    )  # fmt: skip
    add("--dataset-path", type=path_argument, metavar="DIR", help="where the run's dataset folders are now")
    return parser


if __name__ == "__main__":
    sys.exit(main())
