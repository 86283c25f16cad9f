"""Mean and standard deviation of a dataset."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from loaders.pixels.statistics import KNOWN, pixel_statistics
from loaders.pixels.store import FileStore, pack
from tests.support.datasets import make_dataset
from tests.support.sample_images import photo_crops
from tests.support.short_runs import split_and_train
from utils.errors import SemcoError
from utils.progress import Progress

SILENT = Progress(enabled=False)


def test_equals_numpy_and_is_read_back(tmp_path):
    images = photo_crops(20, 32, 40)
    file = tmp_path / "deep" / "statistics.json"
    computed = pixel_statistics(pack(images), im_size=32, cache_file=file, progress=SILENT)
    levels = images.reshape(-1, 3) / 255.0
    assert computed.mean == pytest.approx(levels.mean(0), abs=1e-12)
    assert computed.std == pytest.approx(levels.std(0), abs=1e-12)
    again = pixel_statistics(pack(images[:1]), im_size=32, cache_file=file, progress=SILENT)
    assert (again.mean, again.std) == (computed.mean, computed.std)


def test_images_in_files(tmp_path):
    images = photo_crops(5, 32, 32)
    paths = []
    for row, image in enumerate(images):
        paths.append(tmp_path / f"{row}.png")
        Image.fromarray(image).save(paths[-1])
    store = FileStore(paths, im_size=32, workers=1)
    computed = pixel_statistics(store, im_size=32, cache_file=None, progress=SILENT)
    assert computed.mean == pytest.approx((images / 255.0).mean((0, 1, 2)), abs=1e-12)


@pytest.mark.usefixtures("no_pictures")
def test_a_run_measures_once_however_pixels_are_kept(tmp_path):
    make_dataset(tmp_path / "data", "toy", ("ant", "bee"), train=6, test=2)
    first = split_and_train(tmp_path, "toy", "--cache-imgs", "none")
    (file,) = (tmp_path / "data" / "toy" / ".cache").glob("*.statistics.json")
    shutil.rmtree(tmp_path / "runs")
    second = split_and_train(tmp_path, "toy", "--cache-imgs", "none")
    assert (first["statistics"], second["statistics"]) == (
        "computed from the training images",
        f"computed, from {file.name}",
    )
    assert (first["mean"], first["std"]) == (second["mean"], second["std"])


@pytest.mark.usefixtures("no_pictures")
def test_where_nothing_may_be_written_statistics_are_measured_each_time(tmp_path, monkeypatch):
    make_dataset(tmp_path / "data", "toy", ("ant", "bee"), train=6, test=2)
    for module in ("pixels.cache", "training_data"):
        monkeypatch.setattr(f"loaders.{module}.can_hold", lambda *_: False)
    assert split_and_train(tmp_path, "toy")["statistics"] == "computed from the training images"
    assert not (tmp_path / "data" / "toy" / ".cache").exists()


def test_a_flat_channel_does_not_divide_by_zero():
    images = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    computed = pixel_statistics(pack(images), im_size=32, cache_file=None, progress=SILENT)
    assert computed.std == pytest.approx((1 / 255,) * 3)


def test_known_datasets_have_three_channels():
    assert all(len(entry.mean) == len(entry.std) == 3 for entry in KNOWN.values())


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"mean": 1, "std": 2}',
        '{"mean": [0, 0, 0]}',
        '{"mean": [0, 0, 0], "std": [0, 1, 1]}',
        '{"mean": "abc", "std": [NaN, 1, 1]}',
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    store = pack([np.zeros((4, 4, 3), np.uint8)])
    with pytest.raises(SemcoError, match=r"x\.json .*delete it"):
        pixel_statistics(store, im_size=4, cache_file=tmp_path / "x.json", progress=SILENT)


def test_a_pipe_in_the_place_of_the_file_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "x.json")
    store = pack([np.zeros((4, 4, 3), np.uint8)])
    with pytest.raises(SemcoError, match=r"x\.json is no file of statistics: delete it"):
        pixel_statistics(store, im_size=4, cache_file=tmp_path / "x.json", progress=SILENT)
