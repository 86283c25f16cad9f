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
    save_photo(whole / "spare" / "bee" / "x.jpg")
    assert _prepare(whole) == 0
    shown = capsys.readouterr()
    assert "12 train images, 2 classes; written" in shown.out
    assert f"{whole} holds spare beside train and test: not read" in shown.err
    (whole / "spare").rename(whole / "test")
    assert _prepare(whole, "--test-fraction", "0.5", name="other") == 2
    assert "has a test part already" in capsys.readouterr().err
    (whole / "train").rename(whole / "spare")
    assert _prepare(whole, name="other") == 2
    assert "train does not exist, but test/ does" in capsys.readouterr().err


def test_files_that_are_no_images(photos, capsys):
    (photos / "train" / ".hidden.jpg").write_text("left by a system")
    (photos / "train" / "IMG_1.heic").write_text("no format of Pillow")
    (photos / "train" / "notes.pdf").write_text("Pillow writes these but reads none")
    assert _prepare(photos) == 0
    shown = capsys.readouterr()
    assert "12 train images" in shown.out
    assert shown.err.startswith("warning: 2 files are left out, because they are no images")
    assert "IMG_1.heic, ..." in shown.err
    assert "warning: 1 files and folders that are hidden or left by systems are skipped" in shown.err


def test_what_systems_leave_is_counted_in_one_line(photos, capsys):
    for name in ("train/@eaDir/x.png", "train/.ipynb_checkpoints/x.png", "__MACOSX/train/x.png", "train/Thumbs.db",
                 "unlabelled/desktop.ini", "unlabelled/._a.png", ".DS_Store/x.png"):  # fmt: skip
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(b"")
    save_photo(photos / "unlabelled" / "a.png")
    assert _prepare(photos) == 0
    shown = capsys.readouterr()
    assert "12 train images, 1 unlabelled images, 2 classes" in shown.out
    (line,) = shown.err.splitlines()
    assert line.startswith("warning: 7 files and folders that are hidden or left by systems are skipped: ")


def test_images_are_told_by_content(photos, capsys):
    """Without a suffix, and under a wrong one; data files that Pillow knows by name are no images."""
    (photos / "train" / "10.bmp").rename(photos / "train" / "scan")
    (photos / "train" / "two  blanks;.png").rename(photos / "train" / "photo.old")
    for name, content in (
        ("a.h5", b"\x89HDF\r\n\x1a\n"),
        ("b.mpg", b"\0\0\1\xba"),
        ("c.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    ):
        (photos / "train" / name).write_bytes(content + bytes(100))
    assert _prepare(photos) == 0
    shown = capsys.readouterr()
    assert "12 train images" in shown.out
    assert shown.err.startswith("warning: 3 files are left out")
    for path in list((photos / "train").iterdir()):
        if path.suffix not in (".h5", ".mpg", ".eps"):
            path.unlink()
    assert _prepare(photos, name="other") == 2
    assert "train holds no image (its 3 files are none: " in capsys.readouterr().err


def test_heic_says_what_to_install(photos, capsys, monkeypatch):
    monkeypatch.setattr("loaders.pixels.formats.register_heic", lambda: False)
    (photos / "train" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    assert _prepare(photos) == 0
    assert "1 images are left out: HEIC needs pillow-heif: install it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("train", "test"), [("Train", "Test"), ("Training", "Testing"), ("train", "val"), ("TRAIN", "Validation")]
)
def test_parts_in_any_spelling(photos, tmp_path, train, test):
    photos.rename(tmp_path / "whole")
    (tmp_path / "whole" / "x").mkdir()
    for name in ("red apple", "train"):
        (tmp_path / "whole" / name).rename(tmp_path / "whole" / "x" / name)
        save_photo(tmp_path / "whole" / test / name / "x.png")
    (tmp_path / "whole" / "x").rename(tmp_path / "whole" / train)
    for folder in ("UNLABELED", f"{train}/Unlabelled"):
        save_photo(tmp_path / "whole" / folder / f"{folder[:3]}.png")
    assert _prepare(tmp_path / "whole") == 0
    index = load_index(tmp_path / "data" / "mine", "train")
    assert index.class_names == ("red apple", "train")
    assert (len(index), (index.labels == -1).sum()) == (14, 2)
    assert len(load_index(tmp_path / "data" / "mine", "test")) == 2


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (["train/a", "Training/a"], "Training and train, which both are the train part: merge them"),
        (["train", "test"], "without class folders in them: expected train/<class>/ and test/<class>/"),
        (["Train", "val"], "without class folders in them"),
        (["val/a"], "train does not exist, but val/ does"),
        (["train/a", "train/b", "test/unlabeled"], "unlabelled images are training images"),
    ],
)
def test_parts_that_make_no_sense(tmp_path, folders, words, capsys):
    for folder in folders:
        save_photo(tmp_path / "source" / folder / "x.png")
    assert _prepare(tmp_path / "source") == 2
    assert words in capsys.readouterr().err


def test_class_folders_that_look_the_same_are_one_class(tmp_path):
    for name in ("caf\u00e9", "cafe\u0301", "cat", "cat "):
        save_photo(tmp_path / "source" / name / "x.png")
    assert _prepare(tmp_path / "source") == 0
    index = load_index(tmp_path / "data" / "mine", "train")
    assert index.class_names == ("caf\u00e9", "cat")
    assert len(index) == 4


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
