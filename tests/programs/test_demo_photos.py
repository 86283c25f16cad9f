"""The demo on photographs: its layout of Tux Paint's stamps, made here of photographs of our own, and its flags."""

import importlib.util

import pytest

from loaders.prepare.__main__ import main as prepare
from tests.support.project import ROOT
from tests.support.short_runs import save_photo
from utils.flags.parse import parse_config
from utils.labels.matching import LabelMatch, match_labels
from utils.words.word_vectors import open_word_vectors

DEMO = ROOT / "demo"


@pytest.fixture(scope="module")
def layout():
    spec = importlib.util.spec_from_file_location("lay_out_photos", DEMO / "lay_out_photos.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stamps(tmp_path, layout):
    """Two photographs in each folder, of equal names, and what is left out: a drawing and a stranger."""
    for seed, folder in enumerate(folder for folders in layout.CLASSES.values() for folder in folders):
        for number in range(2):
            save_photo(tmp_path / "stamps" / folder / f"{number}.png", seed=2 * seed + number)
        (tmp_path / "stamps" / folder / "drawing.svg").write_text("<svg/>")
    save_photo(tmp_path / "stamps" / "animals" / "fish" / "lobster.png")
    return tmp_path / "stamps"


def test_class_folders_that_can_be_prepared(stamps, tmp_path, layout, capsys):
    assert layout.main(["--stamps", str(stamps), "--output", str(tmp_path / "photos")]) == 0
    found = {folder.name: len(list(folder.iterdir())) for folder in (tmp_path / "photos").iterdir()}
    assert found == {name: 2 * len(folders) for name, folders in layout.CLASSES.items()}
    output = ["--dataset-name", "photos_demo", "--output", str(tmp_path / "data"), "--test-fraction", "0.3"]
    assert prepare(["imagefolder", "--source", str(tmp_path / "photos"), *output]) == 0
    assert "10 classes" in capsys.readouterr().out


def test_stamps_that_are_not_there(tmp_path, layout, capsys):
    assert layout.main(["--stamps", str(tmp_path / "gone"), "--output", str(tmp_path / "photos")]) == 2
    assert "apt-get install tuxpaint-stamps-default" in capsys.readouterr().err
    assert layout.main(["--stamps", str(tmp_path), "--output", str(tmp_path / "photos")]) == 2
    assert "lacks animals/birds/*.png: is it the folder of Tux Paint's stamps?" in capsys.readouterr().err


def test_every_class_is_found_by_its_own_name(layout):
    opened = open_word_vectors(DEMO / "glove.6B.50d.subset.txt.gz")
    entries = match_labels(list(layout.CLASSES), opened.terms).entries
    assert all(isinstance(entry, LabelMatch) for entry in entries)
    assert [entry.term for entry in entries] == list(layout.CLASSES)


def test_the_flags_are_valid():
    config = parse_config([f"@{DEMO / 'photos.flags'}"])
    assert config.total_steps == 1000
