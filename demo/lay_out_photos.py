"""Lay photographs out in class folders: `python demo/lay_out_photos.py --stamps DIR --output DIR`.

DIR is the folder of Tux Paint's stamps. Those that are photographs, of ten kinds of things, are copied; drawings are not.
The copies are what anybody's own photographs would be: a folder for each class, any names, any sizes.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.errors import SemcoError, run_program
from utils.flags.arguments import OneLineParser, path_argument

_MAMMALS = ("", "/apes", "/bears", "/bovines", "/camel", "/cats", "/deer", "/dogs", "/equines", "/rodents")
_COINS = ("canadian/coins", "euro/coins", "japanese", "us/coins")
CLASSES: dict[str, tuple[str, ...]] = {
    "bird": ("animals/birds",),
    "coin": tuple(f"symbols/money/{folder}" for folder in _COINS),
    "fish": ("animals/fish",),
    "flower": ("plants/flowers",),
    "fruit": ("food/fruit",),
    "insect": ("animals/insects",),
    # In the plural: the terms that come with the demo lack the singular.
    "mammals": tuple(f"animals/mammals{folder}" for folder in _MAMMALS),
    "planet": ("space/planets",),
    "tool": ("household/tools",),
    "vegetable": ("food/vegetables",),
}
# What is kept among these but is none of them.
_STRANGERS = frozenset(
    {"lobster.png", "shrimp.png", "Brown_slug.png", "Woodlouse.png", "0_sun.png", "9_pluto.png", "mushroom.png"}
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    return run_program(lambda: _lay_out(_parser().parse(sys.argv[1:] if argv is None else list(argv))))


def _lay_out(values: argparse.Namespace) -> None:
    if not values.stamps.is_dir():
        raise SemcoError(
            f"--stamps {values.stamps} is no folder: on Debian, apt-get install tuxpaint-stamps-default; elsewhere, "
            "name the folder stamps of Tux Paint"
        )
    for class_name, folders in CLASSES.items():
        photos = [path for folder in folders for path in sorted((values.stamps / folder).glob("*.png"))]
        photos = [path for path in photos if path.name not in _STRANGERS]
        if not photos:
            raise SemcoError(
                f"--stamps {values.stamps} lacks {folders[0]}/*.png: is it the folder of Tux Paint's stamps?"
            )
        (values.output / class_name).mkdir(parents=True, exist_ok=True)
        for path in photos:
            # Two folders may hold files of one name, such as the coins.
            name = "-".join(path.relative_to(values.stamps).parts[-3:])
            shutil.copyfile(path, values.output / class_name / name)
        print(f"{values.output / class_name}: {len(photos)} photographs")


def _parser() -> OneLineParser:
    parser = OneLineParser(description="Lay the photographs among Tux Paint's stamps out in class folders.")
    parser.add_argument("--stamps", type=path_argument, required=True, metavar="DIR", help="Tux Paint's stamps")
    parser.add_argument(
        "--output", type=path_argument, required=True, metavar="DIR", help="folder of the class folders"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
