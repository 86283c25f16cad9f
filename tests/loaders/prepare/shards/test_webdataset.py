"""Tar shards of WebDataset, good ones and hostile ones."""

import io
import json
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from loaders.dataset.index import UNLABELLED, load_index
from loaders.prepare import __main__ as program
from loaders.prepare import command
from tests.support.sample_images import photo_crops
from tests.support.short_runs import split_and_train

pytestmark = pytest.mark.usefixtures("no_pictures")


def _encoded(count, *, seed=0, kind="PNG"):
    images = []
    for crop in photo_crops(count, 20, 24, seed=seed):
        file = io.BytesIO()
        Image.fromarray(crop).save(file, kind)
        images.append(file.getvalue())
    return images


def _write(path, members, *, kind="w", layout=tarfile.PAX_FORMAT):
    """Write a tar file of (name or TarInfo, content)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, kind, format=layout) as shard:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data) if info.isreg() else 0
            shard.addfile(info, io.BytesIO(data))


def _samples(labels, *, ending="cls", first=0):
    for number, (label, image) in enumerate(zip(labels, _encoded(len(labels), seed=first), strict=True), start=first):
        yield f"./{number:06d}.PNG", image
        if label is not None:
            yield f"./{number:06d}.{ending}", label.encode()


def _prepare(source, *flags):
    output = ["--dataset-name", "mine", "--output", str(source.parent / "data")]
    return program.main(["webdataset", "--source", str(source), *output, *flags])


def _refused(source, capsys, *flags):
    assert _prepare(source, *flags) == 2
    shown = capsys.readouterr().err.strip().splitlines()[-1]
    assert shown.startswith("error: ")
    assert not (source.parent / "data" / "mine").exists()
    return shown


@pytest.fixture
def source(tmp_path):
    return tmp_path / "source"


def test_shards_with_names(source, tmp_path, capsys):
    """Names, unlabelled samples, folders, files that systems leave, and a sample without an image."""
    _write(source / "train-000000.tar", _samples(["red apple", "bee\n"] * 3))
    folder = tarfile.TarInfo("deep")
    folder.type = tarfile.DIRTYPE
    more = [
        (folder, b""),
        ("deep/._000006.png", b"left by a system"),
        ("x.txt", b"a text"),
        *_samples(["bee", None, ""], first=6),
    ]
    _write(source / "train-000001.tar", more)
    _write(source / "test-000000.tar", _samples(["bee", "red apple"], first=20))
    assert _prepare(source) == 0
    shown = capsys.readouterr()
    assert "7 train images, 2 test images, 2 unlabelled images, 2 classes; written" in shown.out
    assert "train-000001.tar holds 1 samples without an image, which are left out: 'x'" in shown.err
    index = load_index(tmp_path / "data" / "mine", "train")
    assert index.classes["train-00000001.png"] == "bee"
    assert index.classes[UNLABELLED + "train-00000007.png"] is None
    assert (index.folder / "train-00000006.png").read_bytes() == _encoded(3, seed=6)[0]
    assert _prepare(source) == 0
    assert "is up to date" in capsys.readouterr().out
    facts = split_and_train(tmp_path, "mine")
    assert (facts["labelled_images"], facts["unlabelled_images"], facts["validation_images"]) == (4, 5, 2)


def test_numbers_need_names(source, tmp_path, capsys):
    _write(source / "train" / "0.tar", _samples(["0", "1", "-1", "1"]))
    shown = _refused(source, capsys)
    assert (
        "sample '000000', has the label 0, a number without a name: list the names in order with --classes FILE"
        in shown
    )
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    assert _prepare(source, "--classes", str(tmp_path / "classes.txt"), "--test-fraction", "0.5") == 0
    assert "2 train images, 1 test images, 1 unlabelled images" in capsys.readouterr().out


def test_labels_that_the_classes_lack(source, tmp_path, capsys):
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    _write(source / "0.tar", _samples(["0", "2"]))
    assert "has the label 2, expected 0 to 1" in _refused(source, capsys, "--classes", str(tmp_path / "classes.txt"))
    _write(source / "0.tar", _samples(["ant", "cow"]))
    shown = _refused(source, capsys, "--classes", str(tmp_path / "classes.txt"))
    assert "has the label 'cow', which the list of 2 classes lacks" in shown


def _json(**fields):
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("labels", "flags"),
    [
        ([_json(label="ant"), _json(label="bee")], []),
        ([_json(class_name="ant", width=3), _json(class_name="bee")], []),
        ([_json(label=0, class_name="ant"), _json(label=1, class_name="bee")], ["--label-key", "class_name"]),
        ([_json(species="ant"), _json(species="bee"), _json()], ["--label-key", "species"]),
    ],
)
def test_labels_in_json(source, tmp_path, labels, flags):
    _write(source / "train.tar", _samples(labels, ending="json"))
    assert _prepare(source, *flags) == 0
    assert load_index(tmp_path / "data" / "mine", "train").class_names == ("ant", "bee")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            _json(label=0, class_name="ant"),
            "several fields that may be the label ('label', 'class_name'): name one with",
        ),
        (_json(label=True), "has the label True: expected a number or a name"),
        (_json(label=["a"]), "has the label ['a']: expected a number or a name"),
        (_json(label=1.5), "has the label 1.5: expected a number or a name"),
        ("{", "has damaged JSON"),
        ("[" * 10**5, "has damaged JSON"),
        ("[1]", "has JSON that is no object"),
        (_json(label="a\nerror: b"), r"the class name 'a\nerror: b' holds control characters"),
    ],
)
def test_json_that_makes_no_sense(source, capsys, text, words):
    _write(source / "train.tar", _samples([text, _json(label="ant"), _json(label="bee")], ending="json"))
    assert words in _refused(source, capsys)


def test_keys_that_are_named(source, tmp_path, capsys):
    members = []
    for number, (left, right) in enumerate(zip(_encoded(4), _encoded(4, seed=1, kind="JPEG"), strict=True)):
        members += [(f"{number}.png", left), (f"{number}.jpg", right), (f"{number}.mask.png", b"none")]
        members += [(f"{number}.cls", b"x"), (f"{number}.Kind.txt", [b"ant", b"bee"][number % 2])]
    _write(source / "train.tar", members)
    assert "has several images ('jpg', 'png'): name one with --image-key" in _refused(source, capsys)
    assert _prepare(source, "--image-key", ".jpg", "--label-key", "Kind.txt") == 0
    index = load_index(tmp_path / "data" / "mine", "train")
    assert index.class_names == ("ant", "bee")
    assert index.paths[3].read_bytes() == _encoded(4, seed=1, kind="JPEG")[3]


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_layouts_of_tar(source, tmp_path, layout):
    """Long names and others than ASCII, which the layouts store in different ways."""
    images = _encoded(4)
    start = "folder/" + "x" * 80 if layout == tarfile.USTAR_FORMAT else "ünï/" + "x" * 150
    members = [(f"{start}{number}.png", image) for number, image in enumerate(images)]
    members += [(f"{start}{number}.cls", [b"ant", b"bee"][number % 2]) for number in range(4)]
    _write(source / "train.tar", members, layout=layout)
    assert _prepare(source) == 0
    index = load_index(tmp_path / "data" / "mine", "train")
    assert [path.read_bytes() for path in index.paths] == images
    assert index.labels.tolist() == [0, 1, 0, 1]


def _special(kind, name="0.png", target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE = {
    "symbolic link": ([(_special(tarfile.SYMTYPE, target="/etc/passwd"), b"")], "is a link, a device or the like"),
    "hard link": ([(_special(tarfile.LNKTYPE, target="0.cls"), b"")], "is a link, a device or the like"),
    "device": ([(_special(tarfile.CHRTYPE), b"")], "is a link, a device or the like"),
    "pipe": ([(_special(tarfile.FIFOTYPE), b"")], "is a link, a device or the like"),
    "sparse file": ([(_special(tarfile.GNUTYPE_SPARSE), b"")], "is a link, a device or the like"),
    "absolute path": ([("/etc/0.png", b"x")], "the name '/etc/0.png' is not inside"),
    "path that climbs": ([("a/../../0.png", b"x")], "the name 'a/../../0.png' is not inside"),
    "name with an escape": ([("\x1b[2J.png", b"x")], "holds control characters"),
    "one name twice": ([("0.png", b"x"), ("0.png", b"y")], "holds '0.png' twice"),
    "label of a mebibyte": ([("0.cls", bytes(2**20 + 1))], "'0.cls' holds 1,048,577 bytes, expected a label"),
    "label not in UTF-8": ([("0.png", _encoded(1)[0]), ("0.cls", b"\xff\xfe")], "a .cls that is not text in UTF-8"),
    "no images": ([("0.png", b"#!/bin/sh"), ("0.cls", b"ant")], "holds no image in any format that is known"),
    "nothing": ([], "the source has 0 classes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_members(source, capsys, name):
    members, words = HOSTILE[name]
    _write(source / "train.tar", members)
    assert words in _refused(source, capsys)


def _header(size=0, kind=b"0"):
    info = tarfile.TarInfo("0.png")
    info.type = kind
    block = bytearray(info.tobuf())
    if size < 0:
        block[124:136] = size.to_bytes(12, "big", signed=True)
    else:
        block[124:136] = f"{size:011o}\0".encode()
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


HOSTILE_FILES = {
    "text": (b"no tar" * 200, "cannot be read"),
    "empty": (b"", "cannot be read"),
    "size below zero": (_header(-512) + bytes(1024), "announces -512 bytes"),
    "name of a gibibyte": (
        _header(2**30, tarfile.GNUTYPE_LONGNAME) + bytes(1024),
        "announces 1,073,741,824 bytes of name",
    ),
    "comment of a gibibyte": (_header(2**30, tarfile.XHDTYPE) + bytes(1024), "announces 1,073,741,824 bytes of name"),
    "member that is not there": (_header(2**30) + bytes(1024), "cannot be read"),
    "no end": (_header(0), "is cut short"),
    "damaged header": (_header(0) + b"\xff" * 512 + bytes(1024), "is damaged, or holds more after its end"),
    "second archive": (_header(0) + bytes(1024) + _header(0) + bytes(1024), "is damaged, or holds more after its end"),
}


@pytest.mark.parametrize("name", HOSTILE_FILES)
def test_hostile_files(source, capsys, name):
    source.mkdir()
    data, words = HOSTILE_FILES[name]
    (source / "train.tar").write_bytes(data)
    assert words in _refused(source, capsys)


def test_other_files(source, capsys):
    _write(source / "train.tar.gz", _samples(["a", "b"]), kind="w:gz")
    assert "holds no .tar files" in _refused(source, capsys)
    (source / "train.tar.gz").rename(source / "train.tar")
    assert "expected a tar file that is not compressed" in _refused(source, capsys)
    (source / "train.tar").unlink()
    os.mkfifo(source / "train.tar")
    assert "is a pipe: expected a regular file" in _refused(source, capsys)


def test_shards_cut_short_and_with_flipped_bytes(source, capsys):
    """Every damage is one line, or one that decoding will look at."""
    _write(source / "train.tar", _samples(["ant", "bee"] * 2))
    good = (source / "train.tar").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for turn in range(60):
        data = bytearray(good)
        if turn < 20:
            del data[rng.integers(len(good) - 10240) :]
        else:
            data[rng.integers(512)] = rng.integers(256)
        (source / "train.tar").write_bytes(data)
        code = _prepare(source)
        shown = capsys.readouterr().err.splitlines()
        assert code in (0, 2)
        assert len([line for line in shown if line.startswith("error: ")]) == code // 2
        assert "Traceback" not in "".join(shown)
        refused += code == 2
        for left in sorted((source.parent / "data").rglob("*"), reverse=True):
            left.rmdir() if left.is_dir() else left.unlink()
    assert refused >= 50


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: os.truncate(path, 2000)])
def test_a_shard_that_changes_meanwhile(source, capsys, monkeypatch, change):
    def check_and_change(*arguments, **settings):
        checks(*arguments, **settings)
        change(source / "train.tar")

    checks = command.check_contents
    _write(source / "train.tar", _samples(["ant", "bee"] * 2))
    monkeypatch.setattr(command, "check_contents", check_and_change)
    shown = _refused(source, capsys)
    assert "leave it" in shown
