"""Example sheets show what training sees: originals, weak views, strong views of the right images."""

import numpy as np
import pytest

from loaders.examples import example_sheets
from loaders.pixels.decode import decode_image
from loaders.training_data import open_training_data, select_images
from tests.support.datasets import CLASSES, make_dataset, write_split
from utils.flags.parse import parse_config
from utils.progress import Progress

SILENT = Progress(enabled=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("views")
    make_dataset(root, "toy", CLASSES, train=6, test=1, size=40)
    write_split(root / "split.pkl", root / "toy", per_class=1)
    return root


def _sheets(root, *flags):
    paths = ["--dataset-path", str(root), "--dataset-name", "toy", "--train-split-pickle", str(root / "split.pkl")]
    config = parse_config([*paths, "--im-size", "24", "--cropsize", "20", "--cache-imgs", "memory", *flags])
    selection = select_images(config)
    data = open_training_data(config, selection, statistics=None, progress=SILENT)
    return selection, data, example_sheets(config, selection, data)


def test_rows_and_columns(root):
    _, _, (labelled, unlabelled) = _sheets(root)
    assert [title for title, _ in labelled.rows] == ["short side 24", "weak 1", "weak 2"]
    assert [title for title, _ in unlabelled.rows[:4]] == ["short side 24", "weak 1", "weak 2", "strong 1"]
    assert len(unlabelled.rows) == 7
    assert sorted(labelled.titles) == sorted(CLASSES)
    assert len(unlabelled.titles) == 12
    for sheet in (labelled, unlabelled):
        for _, images in sheet.rows:
            assert len(images) == len(sheet.titles)
        for _, images in sheet.rows[1:]:
            assert images.shape[1:] == (20, 20, 3)
            assert images.dtype == np.uint8


def test_originals_are_the_images_of_the_pool(root):
    selection, data, sheets = _sheets(root)
    for sheet, pool in zip(sheets, (data.pool.labelled, data.pool.unlabelled), strict=True):
        known = {decode_image(selection.train.paths[place], 24).tobytes(): place for place in pool.tolist()}
        places = [known[original.tobytes()] for original in sheet.rows[0][1]]
        assert len(set(places)) == len(places)
        names = [selection.class_names[selection.train.labels[place]] for place in places]
        assert names == sheet.titles


def test_views_show_their_own_image(root):
    """Classes differ in colour, so a view's mean colour is nearest to that of its own original."""
    _, _, (labelled, _) = _sheets(root)
    means = [np.array([image.mean((0, 1)) for image in images]) for _, images in labelled.rows]
    for views in means[1:]:
        distances = np.linalg.norm(views[:, None] - means[0][None], axis=2)
        assert distances.argmin(1).tolist() == list(range(len(CLASSES)))


def test_no_two_rows_are_alike_and_strong_views_are_cut_out(root):
    _, _, (_, unlabelled) = _sheets(root)
    rows = [np.stack(images) for _, images in unlabelled.rows[1:]]
    for one in range(len(rows)):
        for two in range(one):
            assert not np.array_equal(rows[one], rows[two])
    for strong in rows[2:]:
        assert ((strong == 128).all(3).mean((1, 2)) > 0.05).all()


def test_the_same_seed_gives_the_same_sheets_from_memory_and_from_files(root):
    _, _, memory = _sheets(root)
    _, _, files = _sheets(root, "--cache-imgs", "none")
    for one, two in zip(memory, files, strict=True):
        for (_, first), (_, second) in zip(one.rows, two.rows, strict=True):
            np.testing.assert_array_equal(
                np.concatenate([*map(np.ravel, first)]), np.concatenate([*map(np.ravel, second)])
            )


def test_no_unlabelled_sheet_when_none_are_used(root):
    _, _, sheets = _sheets(root, "--lam-u", "0")
    assert [sheet.name for sheet in sheets] == ["labelled"]
