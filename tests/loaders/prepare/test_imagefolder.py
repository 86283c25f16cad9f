"""Own photographs in class folders, with and without a test part, with and without unlabelled ones."""

import os
from pathlib import Path

import pytest
from PIL import Image

from loaders.dataset.index import UNLABELLED, load_index
from loaders.prepare.__main__ import main
from tests.support.short_runs import prepare_and_train, save_photo

pytestmark = pytest.mark.usefixtures("no_pictures")
ODD_NAMES = ("a b.JPG", "ünï.webp", "-x'\"#%.gif", "two  blanks;.png", "10.bmp", "grey.tiff")


@pytest.fixture
def photos(tmp_path):
    """Two classes, photographs of mixed formats and sizes."""
    folder = tmp_path / "photos"
    for label, name in enumerate(("red apple", "train")):
        for number, file in enumerate(ODD_NAMES):
            save_photo(folder / name / file, seed=10 * label + number, size=(20 + number, 24 - label))
        Image.open(folder / name / "grey.tiff").convert("L").save(folder / name / "grey.tiff")
    return folder


def _prepare(source, *flags, name="mine"):
    output = ["--output", str(source.parent / "data")]
    return main(["imagefolder", "--source", str(source), "--dataset-name", name, *output, *flags])


def test_flat_folders_with_a_test_part(photos, tmp_path):
    arguments = ["imagefolder", "--source", str(photos), "--dataset-name", "mine", "--test-fraction", "0.3"]
    facts = prepare_and_train(tmp_path, arguments, "mine")
    assert (facts["classes"], facts["labelled_images"], facts["unlabelled_images"]) == (2, 4, 4)
    assert facts["validation_images"] == 4
    assert facts["validation_source"] == f"all 4 images of {tmp_path / 'data' / 'mine' / 'test'}"
    train, test = (load_index(tmp_path / "data" / "mine", part) for part in ("train", "test"))
    assert train.class_names == ("red apple", "train")
    expected = {f"{name}__{file}" for name in train.class_names for file in ODD_NAMES}
    assert {*train.ids, *test.ids} == expected
    assert not {*train.ids} & {*test.ids}


def test_the_draw_hangs_on_the_seed_alone(photos, tmp_path, monkeypatch):
    def test_images(name, *flags):
        assert _prepare(photos, "--test-fraction", "0.5", *flags, name=name) == 0
        return load_index(tmp_path / "data" / name, "test").ids

    first = test_images("a")
    for method in ("iterdir", "rglob"):
        found = getattr(Path, method)
        monkeypatch.setattr(Path, method, lambda *arguments, _found=found: sorted(_found(*arguments), reverse=True))
    assert test_images("b") == first
    monkeypatch.undo()
    assert test_images("c", "--random-seed", "1") != first


def test_no_test_part_and_unlabelled_images(photos, tmp_path, capsys):
    for number in range(3):
        save_photo(photos / "unlabelled" / "deep" / f"{number}.png", seed=100 + number)
    arguments = ["imagefolder", "--source", str(photos), "--dataset-name", "mine", "--link"]
    facts = prepare_and_train(tmp_path, arguments, "mine", "--valid-fraction", "0.5", per_label=4)
    assert (facts["classes"], facts["labelled_images"], facts["validation_images"]) == (2, 4, 4)
    assert facts["unlabelled_images"] == 2 * (6 - 4) + 3
    assert facts["validation_source"] == "4 of the 8 labelled images, held out by --valid-fraction 0.5"
    assert f"validation: {facts['validation_source']}\n" in capsys.readouterr().out
    index = load_index(tmp_path / "data" / "mine", "train")
    assert index.ids[0] == UNLABELLED + "deep__0.png"
    assert _prepare(photos) == 0
    assert "12 train images, 3 unlabelled images, 2 classes; is up to date" in capsys.readouterr().out
    (photos / "unlabelled" / "deep" / "1.png").unlink()
    assert _prepare(photos) == 2
    assert "holds something else" in capsys.readouterr().err


def test_train_without_test(photos, tmp_path, capsys):
    whole = tmp_path / "whole"
    whole.mkdir()
    photos.rename(whole / "train")
    save_photo(whole / "valid" / "bee" / "x.jpg")
    assert _prepare(whole) == 0
    shown = capsys.readouterr()
    assert "12 train images, 2 classes; written" in shown.out
    assert f"{whole} holds valid beside train and test: not read" in shown.err
    (whole / "valid").rename(whole / "test")
    assert _prepare(whole, "--test-fraction", "0.5", name="other") == 2
    assert "has a test part already" in capsys.readouterr().err
    (whole / "train").rename(whole / "valid")
    assert _prepare(whole, name="other") == 2
    assert "train does not exist, but test/ does" in capsys.readouterr().err


def test_files_that_are_no_images(photos, capsys):
    (photos / "train" / ".hidden.jpg").write_text("left by a system")
    (photos / "train" / "IMG_1.heic").write_text("no format of Pillow")
    (photos / "train" / "notes.pdf").write_text("Pillow writes these but reads none")
    assert _prepare(photos) == 0
    shown = capsys.readouterr()
    assert "12 train images" in shown.out
    assert shown.err.startswith("warning: 2 files are left out")
    assert "IMG_1.heic, ..." in shown.err


@pytest.mark.parametrize("name", ["back\\slash.png", "x" * 250 + ".png", os.fsdecode(b"\xff.png")])
def test_names_that_a_dataset_folder_cannot_take(photos, capsys, name):
    (photos / "10.png").write_bytes((photos / "train" / "10.bmp").read_bytes())
    (photos / "10.png").rename(photos / "train" / name)
    assert _prepare(photos) == 2
    shown = capsys.readouterr().err.strip()
    assert "rename the file" in shown
    assert "\n" not in shown
    assert not (photos.parent / "data").exists()


def test_mistakes(photos, capsys):
    (photos / "empty").mkdir()
    assert _prepare(photos) == 2
    assert "empty holds no image: add some, or remove the class" in capsys.readouterr().err
    assert _prepare(photos / "empty") == 2
    assert "holds no class folders" in capsys.readouterr().err
    assert _prepare(photos, "--test-fraction", "1") == 2
    assert "invalid share above 0 and below 1 value: '1'" in capsys.readouterr().err
    assert _prepare(photos, "--random-seed", "-1") == 2
    assert "--random-seed" in capsys.readouterr().err
    (photos / "empty").rmdir()
    for path in (photos / "train").iterdir():
        path.unlink()
    (photos / "train").rmdir()
    assert _prepare(photos) == 2
    assert "the source has 1 classes" in capsys.readouterr().err
    assert not (photos.parent / "data").exists()
