"""Mean and standard deviation of a dataset."""

import numpy as np
import pytest
from PIL import Image

from loaders.image_store import FileStore, pack
from loaders.statistics import KNOWN, pixel_statistics
from sample_images import photo_crops
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
