"""Which images validate, and that they are then not trained on."""

import shutil

import numpy as np
import pandas as pd
import pytest

from loaders.dataset.index import load_index, table_path
from loaders.dataset.split import read_split
from loaders.dataset.validation import hold_out
from loaders.training_data import select_images
from tests.support.datasets import CLASSES, make_dataset
from tests.support.short_runs import save_photo, split_and_train, train
from utils.errors import SemcoError
from utils.flags.parse import parse_config

LABELS = np.array([0] * 10 + [2] * 3 + [1] * 2 + [3])


@pytest.fixture
def root(tmp_path):
    """The dataset `toy` without a test part."""
    make_dataset(tmp_path / "data", "toy", CLASSES, train=8, test=1)
    folder = tmp_path / "data" / "toy"
    table_path(folder, "test").unlink()
    shutil.rmtree(folder / "test")
    return tmp_path


def _config(root, *flags):
    split = root / "splits" / "toy_labelled_data_4_seed0.pkl"
    dataset = ["--dataset-path", str(root / "data"), "--dataset-name", "toy"]
    return parse_config([*dataset, "--train-split-pickle", str(split), *flags])


@pytest.mark.parametrize(
    ("fraction", "counts"), [(0.2, [2, 1, 1, 0]), (0.25, [3, 1, 1, 0]), (0.9, [9, 1, 2, 0]), (0.01, [1, 1, 1, 0])]
)
def test_held_out_per_class(fraction, counts):
    chosen = hold_out(LABELS, fraction, seed=5)
    assert np.bincount(LABELS[chosen], minlength=4).tolist() == counts


def test_the_draw_hangs_on_the_seed():
    assert np.flatnonzero(hold_out(LABELS, 0.3, seed=123)).tolist() == GOLDEN
    assert np.flatnonzero(hold_out(LABELS, 0.3, seed=124)).tolist() != GOLDEN


@pytest.mark.usefixtures("no_pictures")
def test_training_without_a_test_part(root, capsys):
    facts = split_and_train(root, "toy", "--valid-fraction", "0.25", per_label=4)
    assert (facts["labelled_images"], facts["validation_images"]) == (7 * 3, 7)
    assert facts["unlabelled_images"] == 7 * (8 - 4)
    assert facts["validation_source"] == "7 of the 28 labelled images, held out by --valid-fraction 0.25"
    assert f"validation: {facts['validation_source']}\n" in capsys.readouterr().out
    assert not (root / "splits" / "toy_valid_data.pkl").exists()
    assert train(root, "toy", "toy_labelled_data_4_seed0.pkl") == 2
    shown = capsys.readouterr().err.strip().splitlines()[-1]
    assert "has no test part to validate on: pass --valid-fraction" in shown
    assert "--valid-split-pickle" in shown


@pytest.mark.usefixtures("no_pictures")
def test_a_held_out_image_plays_no_other_part(root):
    split_and_train(root, "toy", "--valid-fraction", "0.25", per_label=4)
    chosen = select_images(_config(root, "--valid-fraction", "0.25"))
    assert chosen.validation.index is chosen.train
    parts = [set(part.tolist()) for part in (chosen.labelled, chosen.unlabelled, chosen.validation.rows)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(chosen.train) == 56
    assert np.bincount(chosen.labels).tolist() == [3] * 7
    named = read_split(root / "splits" / "toy_labelled_data_4_seed0.pkl").classes
    for rows, labels in ((chosen.labelled, chosen.labels), (chosen.validation.rows, chosen.validation.labels)):
        for row, label in zip(rows, labels, strict=True):
            assert named[chosen.train.ids[row]] == chosen.class_names[label]
    again = select_images(_config(root, "--valid-fraction", "0.25"))
    other = select_images(_config(root, "--valid-fraction", "0.25", "--seed", "7"))
    assert again.validation.rows.tolist() == chosen.validation.rows.tolist() != other.validation.rows.tolist()


@pytest.mark.usefixtures("no_pictures")
def test_a_single_labelled_image_a_class(root, capsys):
    assert split_and_train(root, "toy", "--valid-fraction", "0.5", per_label=2)["validation_images"] == 7
    table = pd.read_feather(table_path(root / "data" / "toy", "train"))
    names = table.groupby("class").head(1)["id"].tolist() + table[table["class"] == "sea"]["id"].tolist()[1:3]
    classes = dict(zip(table["id"], table["class"], strict=True))
    pd.DataFrame([(f"train/{name}", classes[name]) for name in names]).to_csv(
        root / "splits" / "few.csv", index=False, header=False
    )
    chosen = select_images(
        _config(root, "--valid-fraction", "0.5", "--train-split-pickle", str(root / "splits/few.csv"))
    )
    assert chosen.validation.source == (
        "2 of the 9 labelled images, held out by --valid-fraction 0.5; "
        "6 classes have a single labelled image and no validation"
    )
    assert [chosen.class_names[label] for label in chosen.validation.labels] == ["sea", "sea"]
    pd.DataFrame([(f"train/{name}", classes[name]) for name in names[:7]]).to_csv(
        root / "splits" / "few.csv", index=False, header=False
    )
    with pytest.raises(SemcoError, match="no class with two labelled images or more"):
        select_images(
            _config(root, "--valid-fraction", "0.5", "--train-split-pickle", str(root / "splits" / "few.csv"))
        )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--valid-fraction", "1"], "--valid-fraction is 1.0: expected a share from 0 to 0.9"),
        (["--valid-fraction", "-0.1"], "--valid-fraction is -0.1"),
        (["--valid-fraction", "0.2", "--valid-split-pickle", "x.pkl"], "give one of them"),
    ],
)
def test_flags_that_make_no_sense(tmp_path, flags, words):
    with pytest.raises(SemcoError, match=words):
        _config(tmp_path, *flags)


@pytest.mark.usefixtures("no_pictures")
def test_unlabelled_images_of_both_kinds_join_the_pool(root):
    """Rows without a class, and files in unlabelled/ that no table names."""
    folder = root / "data" / "toy"
    table = pd.read_feather(table_path(folder, "train"))
    table.loc[:5, "class"] = None
    table.to_feather(table_path(folder, "train"))
    before = split_and_train(root, "toy", "--valid-fraction", "0.5")
    for number, file in enumerate(("a.jpg", "deep/ünï code.png", "b c.webp")):
        save_photo(folder / "unlabelled" / file, seed=number)
    (folder / "unlabelled" / "no suffix").write_bytes((folder / "unlabelled" / "a.jpg").read_bytes())
    (folder / "unlabelled" / ".DS_Store").write_bytes(b"left by a system")
    index = load_index(folder, "train")
    assert (len(index), (index.labels == -1).sum()) == (56 + 4, 6 + 4)
    assert all(path.is_file() for path in index.paths)
    for run in (root / "runs" / "toy").glob("*/*"):
        run.rename(root / run.name)
    after = split_and_train(root, "toy", "--valid-fraction", "0.5")
    assert after["labelled_images"] == before["labelled_images"] == 7
    assert after["unlabelled_images"] == before["unlabelled_images"] + 4 == 56 - 14 + 4
    assert after["labelled_split"] == before["labelled_split"]
    # Fresh images are another training set: with another cache, and other statistics.
    assert after["training_set"] != before["training_set"]
    assert after["mean"] != before["mean"]


GOLDEN = [2, 4, 8, 10, 13]
