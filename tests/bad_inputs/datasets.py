"""Dataset folders: missing parts, names that leave the folder, links, pipes, caches that lie; and class names."""

import os
from pathlib import Path

import pandas as pd

from tests.bad_inputs.case import CLASSES, BadInput, an_image, with_file, with_flags


def _remove(path: str) -> None:
    Path(path).rename("elsewhere")


def _replace(folder: str) -> None:
    """Put a file in a folder's place."""
    _remove(folder)
    Path(folder).touch()


def _replace_image(make) -> None:
    path = an_image()
    path.rename("kept.png")
    make(path)


def _link_loop() -> None:
    for name in ("left", "right"):
        (Path("data/toy/train") / name).symlink_to(".", target_is_directory=True)
    _rename_id(an_image().name, f"left/right/left/{an_image().name}")


def _rename_id(old: str, new: str) -> None:
    path = Path("data/toy/labels/labels_train.feather")
    table = pd.read_feather(path)
    table["id"] = table["id"].replace(old, new)
    table.to_feather(path)


def _rename_part(old: str, new: str) -> None:
    Path("data/toy", old).rename(Path("data/toy", new))


def _unlabelled_inside() -> None:
    Path("data/toy/train/Unlabelled").mkdir()
    Path("data/toy/train/Unlabelled/x.png").write_bytes(an_image().read_bytes())


def _linked_folder() -> None:
    Path("outside").mkdir()
    an_image().rename("outside/x.png")
    Path("data/toy/train/inside").symlink_to(Path("outside").absolute(), target_is_directory=True)
    _rename_id(an_image().name, "inside/x.png")


def _rename_class(name: str) -> list[str]:
    for part in ("train", "test"):
        path = Path(f"data/toy/labels/labels_{part}.feather")
        table = pd.read_feather(path)
        table["class"] = table["class"].replace(CLASSES[0], name)
        table.to_feather(path)
    return []


_HOSTILE_CLASSES = {
    "line break": "apple\nerror: all is well",
    "carriage return": "apple\rwarning",
    "terminal escape": "\x1b]0;owned\x07apple",
    "zero byte": "app\0le",
    "tab": "app\tle",
    "line separator": "apple\u2028x",
    "reversed direction": "apple \u202egnp.exe",
    "only blanks": "   ",
    "only control characters": "\x07",
    "a thousand letters": "apple" * 200,
}

CASES = [
    with_flags("no dataset path", ["--dataset-path", "gone"], "--dataset-path", "gone"),
    with_flags("dataset path is a file", ["--dataset-path", "vectors.txt"], "vectors.txt", "no folder"),
    with_flags("unknown dataset", ["--dataset-name", "tyo"], "'tyo'", "toy"),
    with_flags("dataset name that climbs", ["--dataset-name", "../data/toy"], "--dataset-name", "../data/toy"),
    with_flags("dataset name that is a path", ["--dataset-name", "toy/train"], "--dataset-name", "toy/train"),
    with_flags("dataset name of dots", ["--dataset-name", ".."], "--dataset-name", "'..'"),
    with_flags("empty dataset name", ["--dataset-name="], "--dataset-name", "empty"),
    with_flags("dataset name with a line break", ["--dataset-name", "toy\n"], "--dataset-name", r"toy\n"),
    with_flags("dataset name too long", ["--dataset-name", "t" * 300], "--dataset-name", "ttt"),
    BadInput("dataset without labels", ("toy",), lambda: _remove("data/toy/labels")),
    BadInput("labels are a file", ("'toy'",), lambda: _replace("data/toy/labels")),
    BadInput("dataset without train", ("train", "No such file"), lambda: _remove("data/toy/train")),
    BadInput("dataset without test", ("test", "No such file"), lambda: _remove("data/toy/test")),
    BadInput(
        "train is a file",
        ("train", "Not a directory"),
        lambda: _replace("data/toy/train"),
    ),
    BadInput("Train for train", ("Train", "rename it to train"), lambda: _rename_part("train", "Train")),
    BadInput("Testing for test", ("Testing", "rename it to test"), lambda: _rename_part("test", "Testing")),
    BadInput("val for test", ("val", "rename it to test"), lambda: _rename_part("test", "val")),
    BadInput(
        "unlabeled beside train", ("unlabeled", "rename it to unlabelled"), lambda: Path("data/toy/unlabeled").mkdir()
    ),
    BadInput("unlabelled inside train", ("train/Unlabelled", "data/toy/unlabelled"), _unlabelled_inside),
    BadInput("missing image", (".png", "does not exist"), lambda: an_image().unlink()),
    BadInput("image is a folder", (".png", "no image file"), lambda: _replace_image(lambda path: path.mkdir())),
    BadInput(
        "image is a dangling link",
        (".png", "leads nowhere"),
        lambda: _replace_image(lambda path: path.symlink_to("gone.png")),
    ),
    BadInput(
        "image is a link to itself", (".png", "leads nowhere"), lambda: _replace_image(lambda p: p.symlink_to(p.name))
    ),
    BadInput(
        "image is a link to a device",
        (".png", "no image file"),
        lambda: _replace_image(lambda path: path.symlink_to("/dev/zero")),
    ),
    BadInput("image is a pipe", (".png", "no image file"), lambda: _replace_image(os.mkfifo)),
    BadInput("images behind a linked folder", ("inside/x.png", "linked folder"), _linked_folder),
    BadInput("links that lead in circles", ("left/right/left", "linked folder"), _link_loop),
    with_file(
        "cache folder is a file",
        "data/toy/.cache",
        b"",
        "cannot be written",
        "XDG_CACHE_HOME",
        flags=["--cache-imgs", "disk"],
    ),
    *(
        BadInput(f"class name: {name}", ("labels_train.feather", "class"), lambda text=text: _rename_class(text))
        for name, text in _HOSTILE_CLASSES.items()
    ),
]
