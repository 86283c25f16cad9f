"""Pictures are the right ones, and images that are missing, broken or out of bounds are captions."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.utils.results.made_runs import make_images, make_run
from utils.records.run_files import read_run
from utils.results.gallery import label_map, make_galleries, read_thumbnail
from utils.results.prediction_file import find_predictions


@pytest.fixture
def run(tmp_path):
    make_images(tmp_path / "data" / "made", 30)
    return make_run(tmp_path / "run", images=60, dataset_path=str(tmp_path / "data"))


def test_mistakes_and_doubts(run):
    read = read_run(run)
    table, galleries = find_predictions(read.folder), make_galleries(read)
    assert [gallery.title for gallery in galleries] == ["Most confident mistakes", "Least certain", "Label these next"]
    first = galleries[0].pictures[0]
    wrong = table.predicted != table.labels
    worst = np.flatnonzero(wrong)[table.confidence[wrong].argmax()]
    assert (first.file, first.predicted) == (table.files[worst], table.class_names[table.predicted[worst]])
    assert all(picture.label != picture.predicted for picture in galleries[0].pictures)
    assert galleries[1].pictures[0].file == table.files[int(table.margins.argmin())]
    pool = find_predictions(read.folder, "pool.parquet")
    assert galleries[2].pictures[0].file == pool.files[int(pool.margins.argmin())]
    assert galleries[2].pictures[0].label is None
    shown = {picture.file: picture.source for gallery in galleries for picture in gallery.pictures}
    assert all((source is not None) == (int(file[5:10]) < 30) for file, source in shown.items())


def test_without_embedding_head_the_class_head_alone_is_asked(tmp_path):
    read = read_run(make_run(tmp_path / "run", images=60, lambda_emb=0.0))
    table, gallery = find_predictions(read.folder), make_galleries(read)[0]
    said = {picture.file: picture.predicted for picture in gallery.pictures}
    asked = dict(zip(table.files, table.class_labels, strict=True))
    assert all(predicted == table.class_names[asked[file]] for file, predicted in said.items())


def test_thumbnails_are_small(tmp_path):
    Image.new("RGB", (3000, 1000), (10, 200, 30)).save(tmp_path / "large.png")
    Image.new("L", (28, 20)).save(tmp_path / "small.png")
    source, is_small = read_thumbnail(tmp_path, "large.png")
    assert source.startswith("data:image/jpeg;base64,")
    assert not is_small
    assert Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).size == (224, 75)
    source, is_small = read_thumbnail(tmp_path, "train/../small.png")
    assert source.startswith("data:image/png;base64,")
    assert is_small


def test_nothing_outside_the_dataset_is_shown(tmp_path):
    (tmp_path / "data").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "secret.png")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "gone.png", "a\nb.png", ""):
        assert read_thumbnail(tmp_path / "data", name) == (None, False)
    (tmp_path / "data" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    assert read_thumbnail(tmp_path / "data", "broken.png") == (None, False)


def test_old_runs_have_no_galleries_and_no_map(tmp_path):
    folder = make_run(tmp_path / "run", with_tables=False)
    assert make_galleries(read_run(folder)) == []
    assert label_map(folder) is None
    Image.new("RGB", (2000, 1000), "white").save(folder / "label_groups.png")
    drawn = Image.open(io.BytesIO(base64.b64decode(label_map(folder).split(",")[1])))
    assert drawn.size == (1600, 800)
    assert json.loads((folder / "config.json").read_text())["flags"]["dataset_path"] is None
