"""Labels of shards, and what is left when a process is killed while it reads from them."""

import io
import os
import signal
import subprocess
import sys
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from loaders.prepare.shards.packed import ClassNames
from tests.support.project import ROOT
from tests.support.sample_images import photo_crops
from utils.errors import SemcoError

# Ends without a word at the fourth image that it writes.
_PREPARE_AND_DIE = """
import os, signal, sys
from loaders.prepare.__main__ import main
from loaders.prepare.shards.hub_shards import RowImage
from loaders.prepare.shards.tar_shards import TarImage
left = [4]
def dying(read):
    def read_or_die(image):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(image)
    return read_or_die
for kind in (RowImage, TarImage):
    kind.read = dying(kind.read)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def images():
    found = []
    for crop in photo_crops(8, 20, 24):
        file = io.BytesIO()
        Image.fromarray(crop).save(file, "PNG")
        found.append(file.getvalue())
    return found


def _write_parquet(folder, images):
    pq.write_table(pa.table({"image": images, "label": ["ant", "bee"] * 4}), folder / "train.parquet")


def _write_tar(folder, images):
    with tarfile.open(folder / "train.tar", "w") as shard:
        for number, image in enumerate(images):
            for name, data in ((f"{number}.png", image), (f"{number}.cls", [b"ant", b"bee"][number % 2])):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                shard.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize(("source", "write"), [("huggingface", _write_parquet), ("webdataset", _write_tar)])
def test_a_killed_process_leaves_nothing_that_lasts(tmp_path, images, source, write):
    (tmp_path / "shards").mkdir()
    write(tmp_path / "shards", images)
    flags = ["--source", str(tmp_path / "shards"), "--dataset-name", "mine", "--output", str(tmp_path / "data")]
    process = subprocess.run(
        [sys.executable, "-c", _PREPARE_AND_DIE, source, *flags], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "data").iterdir()
    assert left.name.startswith(".mine.")
    assert len(list(left.glob("train/*"))) == 3
    assert main([source, *flags]) == 0
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["mine"]
    index = load_index(tmp_path / "data" / "mine", "train")
    assert [path.read_bytes() for path in index.paths] == images


def test_labels_that_stand_for_none():
    names = ClassNames(["ant", "bee"], of_numbers=True)
    assert [names.name(label, "row") for label in (None, "", " ", -1, "-1")] == [None] * 5


def test_numbers_in_text():
    assert ClassNames(["ant", "bee"], of_numbers=True).name("1", "row") == "bee"
    assert ClassNames(None, of_numbers=False).name("1", "row") == "1"
    with pytest.raises(SemcoError, match="has the label '--1', which the list"):
        ClassNames(["ant", "bee"], of_numbers=True).name("--1", "row")
    with pytest.raises(SemcoError, match="'999999999999999999999', which the list of 2 classes lacks"):
        ClassNames(["ant", "bee"], of_numbers=True).name("9" * 21, "row")
