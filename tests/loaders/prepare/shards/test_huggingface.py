"""Datasets in the files that the real `datasets` library writes, and in hostile ones."""

import io
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from loaders.dataset.index import UNLABELLED, load_index
from loaders.prepare import __main__ as program
from loaders.prepare import command
from loaders.prepare.shards import hub_shards
from tests.support.sample_images import photo_crops
from tests.support.short_runs import split_and_train

pytestmark = pytest.mark.usefixtures("no_pictures")
NAMES = ["red apple", "bee", "cow"]
FORMATS = ("PNG", "JPEG", "WEBP")


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The library, away from the network and from the user's folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        import datasets

        datasets.disable_progress_bars()
        yield datasets


def _encoded(count, *, seed=0):
    """Images as the library stores them, with names that lead elsewhere."""
    images = []
    for number, crop in enumerate(photo_crops(count, 20, 24, seed=seed)):
        file = io.BytesIO()
        Image.fromarray(crop).save(file, FORMATS[number % 3])
        images.append({"bytes": file.getvalue(), "path": f"../../{number}.exe"})
    return images


def _dataset(hub, labels, *, seed=0, names=NAMES):
    features = hub.Features({"image": hub.Image(), "label": hub.ClassLabel(names=names)})
    return hub.Dataset.from_dict({"image": _encoded(len(labels), seed=seed), "label": labels}, features=features)


def _write_shards(dataset, folder, split, count):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        piece = dataset.shard(count, number, contiguous=True)
        piece.to_parquet(folder / f"{split}-{number:05d}-of-{count:05d}.parquet", batch_size=4)


def _table(path, columns, *, metadata=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)


def _prepare(source, *flags):
    output = ["--dataset-name", "mine", "--output", str(source.parent / "data")]
    return program.main(["huggingface", "--source", str(source), *output, *flags])


def _refused(source, capsys, *flags):
    """Prepare in vain; returns the line that says why."""
    assert _prepare(source, *flags) == 2
    shown = capsys.readouterr().err.strip().splitlines()[-1]
    assert shown.startswith("error: ")
    assert not (source.parent / "data" / "mine").exists()
    return shown


@pytest.fixture
def source(tmp_path):
    return tmp_path / "source"


def test_what_the_hub_serves(hub, source, tmp_path, capsys):
    train = _dataset(hub, [number % 3 for number in range(18)] + [-1, None])
    _write_shards(train, source / "data", "train", 3)
    _write_shards(_dataset(hub, [0, 1, 2, 0, -1], seed=1), source / "data", "test", 1)
    _write_shards(_dataset(hub, [0, 0, 0], seed=2), source / "data", "validation", 1)
    _write_shards(_dataset(hub, [-1, 2], seed=3), source / "data", "unsupervised", 1)
    assert _prepare(source) == 0
    shown = capsys.readouterr()
    assert "18 train images, 4 test images, 4 unlabelled images, 3 classes; written" in shown.out
    assert "warning: validation beside test: not read" in shown.err
    assert "warning: 1 images of test have no label, and are left out" in shown.err
    train_index, test = (load_index(tmp_path / "data" / "mine", part) for part in ("train", "test"))
    assert train_index.class_names == tuple(sorted(NAMES))
    assert train_index.classes["train-00000005.webp"] == "cow"
    assert train_index.classes[UNLABELLED + "unlabelled-00000001.jpg"] is None
    assert test.ids == ("test-00000000.png", "test-00000001.jpg", "test-00000002.webp", "test-00000003.png")
    originals = [image["bytes"] for image in _encoded(20)]
    for number in range(18):
        (path,) = (tmp_path / "data" / "mine" / "train").glob(f"train-{number:08d}.*")
        assert path.read_bytes() == originals[number]
    assert (tmp_path / "data" / "mine" / "unlabelled" / "train-00000018.png").read_bytes() == originals[18]
    facts = split_and_train(tmp_path, "mine")
    assert (facts["labelled_images"], facts["unlabelled_images"], facts["validation_images"]) == (6, 16, 4)


def test_it_does_nothing_twice_and_overwrites_nothing(hub, source, capsys):
    _write_shards(_dataset(hub, [0, 1, 2] * 3), source, "train", 2)
    assert _prepare(source, "--test-fraction", "0.34") == 0
    assert "6 train images, 3 test images, 3 classes; written" in capsys.readouterr().out
    assert _prepare(source, "--test-fraction", "0.34") == 0
    assert "is up to date" in capsys.readouterr().out
    _write_shards(_dataset(hub, [0, 1, 2] * 3, seed=5), source, "train", 2)
    assert _prepare(source, "--test-fraction", "0.34") == 2
    assert "holds something else" in capsys.readouterr().err


@pytest.mark.parametrize("whole", [True, False])
def test_what_save_to_disk_writes(hub, source, tmp_path, capsys, whole):
    dataset = _dataset(hub, [number % 3 for number in range(12)])
    if whole:
        splits = {"train": dataset, "validation": _dataset(hub, [0, 1, 2], seed=1)}
        hub.DatasetDict(splits).save_to_disk(source, num_shards={"train": 2, "validation": 1})
    else:
        dataset.save_to_disk(source)
        dataset.save_to_disk(tmp_path / "other")
        (tmp_path / "other" / "data-00000-of-00001.arrow").rename(source / "cache-0123.arrow")
    assert _prepare(source) == 0
    shown = capsys.readouterr()
    assert ("12 train images, 3 test images" if whole else "12 train images, 3 classes") in shown.out
    assert ("validation becomes the test part" in shown.err) == whole
    index = load_index(tmp_path / "data" / "mine", "train")
    assert index.paths[4].read_bytes() == _encoded(12)[4]["bytes"]
    assert index.class_names[index.labels[4]] == "bee"


def test_a_test_split_whose_labels_are_secret(hub, source, capsys):
    for split, labels in (("train", [0, 1] * 3), ("test", [-1] * 3), ("validation", [0, 1])):
        _write_shards(_dataset(hub, labels), source / split, "part", 1)
    assert _prepare(source) == 0
    shown = capsys.readouterr()
    assert "6 train images, 2 test images, 2 classes" in shown.out
    assert "3 images of test have no label, and are left out" in shown.err


def test_labels_of_text_and_a_column_of_bytes(source, tmp_path, capsys):
    data = [image["bytes"] for image in _encoded(6)]
    _table(source / "a.parquet", {"photo": data, "kind": ["ant ", "bee", "bee", "ant", None, ""], "size": [1] * 6})
    assert _prepare(source) == 0
    assert "4 train images, 2 unlabelled images, 2 classes" in capsys.readouterr().out
    assert load_index(tmp_path / "data" / "mine", "train").class_names == ("ant", "bee")


def test_classes_from_a_file(source, tmp_path, capsys):
    _table(source / "train.parquet", {"image": _encoded(4), "label": pa.array([0, 1, 1, 0], pa.uint8())})
    assert "has the label 0, a number without a name: list the names in order with --classes" in _refused(
        source, capsys
    )
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    assert _prepare(source, "--classes", str(tmp_path / "classes.txt")) == 0
    assert load_index(tmp_path / "data" / "mine", "train").classes["train-00000001.jpg"] == "bee"


def test_several_columns_that_may_be_meant(hub, source, tmp_path, capsys):
    kinds = {"fine": hub.ClassLabel(names=NAMES), "coarse": hub.ClassLabel(names=["food", "animal"])}
    features = hub.Features({"image": hub.Image(), "thumb": hub.Image(), **kinds})
    columns = {"image": _encoded(6), "thumb": _encoded(6, seed=1), "fine": [0, 1, 2] * 2, "coarse": [0, 1, 1] * 2}
    _write_shards(hub.Dataset.from_dict(columns, features=features), source, "train", 1)
    shown = _refused(source, capsys)
    assert "several columns that may hold the images: 'image', 'thumb'; name one with --image-column" in shown
    shown = _refused(source, capsys, "--image-column", "thumb")
    assert "several columns that may hold the labels: 'fine', 'coarse'; name one with --label-column" in shown
    assert _prepare(source, "--image-column", "thumb", "--label-column", "coarse") == 0
    index = load_index(tmp_path / "data" / "mine", "train")
    assert index.class_names == ("animal", "food")
    assert index.paths[0].read_bytes() == _encoded(6, seed=1)[0]["bytes"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--image-column", "x"], "lacks the column 'x' (it has 'image', 'label'): check --image-column"),
        (["--image-column", "label"], "the column 'label' is of type int64, expected bytes"),
        (["--label-column", "x"], "lacks the column 'x' (it has 'label'): check --label-column"),
        (["--classes", "gone.txt"], "gone.txt"),
        (["--test-fraction", "0.5"], "has a test part already: drop --test-fraction"),
    ],
)
def test_flags_that_do_not_fit(hub, source, capsys, flags, words):
    for split in ("train", "test"):
        _write_shards(_dataset(hub, [0, 1, 2]), source, split, 1)
    assert words in _refused(source, capsys, *flags)


def _broken_metadata(text):
    return lambda folder: _table(
        folder / "train.parquet", {"image": _encoded(2), "label": [0, 1]}, metadata={"huggingface": text}
    )


def _features(label):
    return json.dumps({"info": {"features": {"image": {"_type": "Image"}, "label": label}}})


_STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
HOSTILE = {
    "text": (lambda folder: (folder / "train.parquet").write_text("no parquet"), "train.parquet cannot be read"),
    "empty": (lambda folder: (folder / "train.parquet").touch(), "train.parquet cannot be read"),
    "text as arrow": (lambda folder: (folder / "train.arrow").write_text("no arrow"), "train.arrow cannot be read"),
    "a pipe": (lambda folder: os.mkfifo(folder / "train.parquet"), "is a pipe: expected a regular file"),
    "no shards": (lambda folder: (folder / "train.csv").touch(), "holds no .parquet or .arrow files"),
    "metadata that is no JSON": (_broken_metadata("{"), "has damaged metadata"),
    "metadata of another kind": (_broken_metadata("[1]"), "has damaged metadata"),
    "metadata nested deep": (_broken_metadata("[" * 10**5), "has damaged metadata"),
    "names that are no list": (
        _broken_metadata(_features({"_type": "ClassLabel", "names": "ab"})), "no list of names for the column 'label'"
    ),
    "names that are no text": (
        _broken_metadata(_features({"_type": "ClassLabel", "names": [1, 2]})), "no list of names for the column 'label'"
    ),
    "equal names": (_broken_metadata(_features({"_type": "ClassLabel", "names": ["a", "a "]})), "are one class"),
    "a name that forges a line": (
        _broken_metadata(_features({"_type": "ClassLabel", "names": ["a\nerror", "b"]})), r"a\nerror"
    ),
    "too few names": (
        _broken_metadata(_features({"_type": "ClassLabel", "names": ["a"]})),
        "row 1, has the label 1, expected 0 to 0, or -1 for none",
    ),
    "negative label": (
        lambda folder: _table(
            folder / "train.parquet", {"image": _encoded(2), "label": [-2, 1]},
            metadata={"huggingface": _features({"_type": "ClassLabel", "names": ["a", "b"]})},
        ),
        "row 0, has the label -2, expected 0 to 1",
    ),
    "no image column": (lambda folder: _table(folder / "train.parquet", {"label": [0, 1]}), "has no image column"),
    "audio": (
        lambda folder: _table(
            folder / "train.parquet", {"sound": _encoded(2), "label": ["a", "b"]},
            metadata={"huggingface": json.dumps({"info": {"features": {"sound": {"_type": "Audio"}}}})},
        ),
        "has no image column",
    ),
    "no bytes": (
        lambda folder: _table(
            folder / "train.parquet",
            {"image": pa.array([{"bytes": None, "path": "/etc/passwd"}], _STRUCT), "label": ["a"]},
        ),
        "row 0, has no bytes of an image",
    ),
    "no row of an image": (
        lambda folder: _table(
            folder / "train.parquet", {"image": pa.array([_encoded(1)[0], None]), "label": ["a", "b"]}
        ),
        "row 1, has no bytes of an image",
    ),
    "no images": (
        lambda folder: _table(folder / "train.parquet", {"image": [b"#!/bin/sh", b"text"], "label": ["a", "b"]}),
        "row 0, holds no image in any format that is known",
    ),
    "labels not in UTF-8": (
        lambda folder: _table(
            folder / "train.parquet",
            {"image": _encoded(1), "label": pa.Array.from_buffers(
                pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xff")]
            )},
        ),
        "cannot be read",
    ),
    "numbers that are no labels": (
        lambda folder: _table(folder / "train.parquet", {"image": _encoded(1), "label": [0.5]}),
        "the source has 0 classes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(source, capsys, name):
    make, words = HOSTILE[name]
    source.mkdir()
    make(source)
    assert words in _refused(source, capsys)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_files_cut_short_and_with_flipped_bytes(hub, source, tmp_path, capsys, kind):
    """Every damage is one line, or leaves the images as they are, or damages bytes that decoding will look at."""
    dataset = _dataset(hub, [0, 1, 2] * 2)
    source.mkdir()
    if kind == "parquet":
        dataset.to_parquet(source / "train.parquet")
    else:
        dataset.save_to_disk(tmp_path / "disk")
        (tmp_path / "disk" / "data-00000-of-00001.arrow").rename(source / "train.arrow")
    (path,) = source.iterdir()
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for turn in range(60):
        data = bytearray(good)
        if turn < 20:
            del data[rng.integers(len(good) - 100) :]
        else:
            # Most of a parquet file's metadata is at its end, most of an arrow file's at its start.
            place = rng.integers(1500) if kind == "arrow" else len(good) - 1 - rng.integers(1500)
            data[place] = rng.integers(256)
        path.write_bytes(data)
        code = _prepare(source)
        shown = capsys.readouterr().err.splitlines()
        assert code in (0, 2)
        assert len([line for line in shown if line.startswith("error: ")]) == code // 2
        assert "Traceback" not in "".join(shown)
        refused += code == 2
        for left in sorted((tmp_path / "data").rglob("*"), reverse=True) if (tmp_path / "data").exists() else ():
            left.rmdir() if left.is_dir() else left.unlink()
    assert refused >= 20


def test_a_column_that_is_made_to_fill_the_memory(source, capsys):
    source.mkdir()
    table = pa.table({"image": [b"\x89PNG\r\n\x1a\n" + bytes(2**27)], "label": ["a"]})
    pq.write_table(table, source / "train.parquet", compression="zstd", use_dictionary=False)
    assert (source / "train.parquet").stat().st_size < 2**16
    assert "announces 134,217," in (shown := _refused(source, capsys))
    assert "which no images are" in shown


def test_an_image_that_no_camera_makes(source, capsys, monkeypatch):
    monkeypatch.setattr("loaders.prepare.shards.packed.LARGEST_IMAGE", 1000)
    _table(source / "train.parquet", {"image": [bytes(1001)], "label": ["a"]})
    assert "row 0, holds an image of 1,001 bytes, expected at most 1,000" in _refused(source, capsys)


def test_more_rows_than_any_dataset_has(source, capsys, monkeypatch):
    monkeypatch.setattr("loaders.prepare.shards.hub_shards.MOST_IMAGES", 5)
    _table(source / "train.parquet", {"image": _encoded(6), "label": ["a", "b"] * 3})
    assert "announces 6 rows, expected at most 5 images" in _refused(source, capsys)
    monkeypatch.undo()
    monkeypatch.setattr("loaders.prepare.shards.packed.MOST_IMAGES", 5)
    assert "row 5, is beyond 5 images" in _refused(source, capsys)


def test_damaged_images_are_kept_for_decoding_to_name(source, tmp_path, capsys):
    images = [image["bytes"] for image in _encoded(4)] + [b"torn"]
    _table(source / "train.parquet", {"image": images, "label": ["a", "b", "a", "b", "a"]})
    assert _prepare(source) == 0
    assert "1 images of train are in no format that is known" in capsys.readouterr().err
    assert (tmp_path / "data" / "mine" / "train" / "train-00000004.bin").read_bytes() == b"torn"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["train-00000-of-00003", "train-00002-of-00003"], "lacks shard 1 of train, which is in 3 (0 to 2): 2 of them"),
        (["train-00000-of-999999999"], "lacks shard 1 of train, which is in 999999999"),
        (["train-00003-of-00001"], "lacks shard 0 of train"),
        (["train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"], "more than one series of train"),
        (["a/train", "b/train"], "shards of train in several folders ('a', 'b'): name one as --source"),
        (["test", "validation"], "holds no shards of train, only of test, validation"),
        (["train-test"], "names both test and train: rename it"),
    ],
)
def test_shards_that_do_not_fit_together(source, capsys, names, words):
    for name in names:
        _table(source / f"{name}.parquet", {"image": _encoded(2), "label": ["a", "b"]})
    assert words in _refused(source, capsys)


def test_shards_of_different_datasets(hub, source, capsys):
    _write_shards(_dataset(hub, [0, 1]), source, "train", 1)
    _write_shards(_dataset(hub, [0, 1], names=["bee", "red apple", "cow"]), source, "test", 1)
    assert "has other columns or class names than" in _refused(source, capsys)


def test_files_of_no_split(source, capsys):
    for name in ("train", "extra", ".hidden/train"):
        _table(source / f"{name}.parquet", {"image": _encoded(2), "label": ["a", "b"]})
    assert _prepare(source) == 0
    shown = capsys.readouterr()
    assert "2 train images, 2 classes" in shown.out
    assert "1 files belong to no split that is known, and are not read" in shown.err


def test_a_shard_that_changes_meanwhile(hub, source, capsys, monkeypatch):
    def check_and_change(*arguments, **settings):
        checks(*arguments, **settings)
        _write_shards(_dataset(hub, [0, 1, 2], seed=9), source, "train", 1)

    checks = command.check_contents
    _write_shards(_dataset(hub, [0, 1, 2] * 2), source, "train", 1)
    monkeypatch.setattr(command, "check_contents", check_and_change)
    shown = _refused(source, capsys)
    assert "has changed while it was read" in shown or "has lost rows" in shown


def test_rows_are_read_a_few_at_a_time(source, monkeypatch):
    """However many rows a row group has."""
    monkeypatch.setattr(hub_shards, "_BATCH_ROWS", 3)
    batches, seen = hub_shards._batches, []

    def counted(*arguments):
        for batch in batches(*arguments):
            seen.append(len(batch))
            yield batch

    monkeypatch.setattr(hub_shards, "_batches", counted)
    _table(source / "train.parquet", {"image": _encoded(10), "label": ["a", "b"] * 5})
    assert _prepare(source) == 0
    assert seen == [3, 3, 3, 1] * 2
