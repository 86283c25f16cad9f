"""Images that changed behind a run's back are noticed when it is resumed."""

import shutil

import numpy as np
import pytest
from PIL import Image

import run_semco
from tests.support.tiny_runs import flags_for, train


@pytest.fixture
def root(tiny_dataset, tmp_path):
    """A dataset of this test's own, with a run of two epochs stopped after the first."""
    shutil.copytree(tiny_dataset, tmp_path / "data")
    train(tmp_path / "data", tmp_path / "runs", "--break-epoch", "1")
    return tmp_path / "data"


def _resume(root, tmp_path, *flags):
    (folder,) = (path.parent for path in (tmp_path / "runs").rglob("last.pth"))
    return run_semco.main(flags_for(root, tmp_path / "runs", "--resume", str(folder), *flags))


@pytest.mark.parametrize("mode", ["auto", "memory", "none"])
def test_unchanged_images_resume(root, tmp_path, mode):
    assert _resume(root, tmp_path, "--cache-imgs", mode) == 0


@pytest.mark.parametrize("mode", ["auto", "none"])
def test_swapped_names(root, tmp_path, capsys, mode):
    one, two = sorted((root / "tiny" / "train").iterdir())[:2]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert _resume(root, tmp_path, "--cache-imgs", mode) == 2
    error = capsys.readouterr().err
    assert "in which differ: " in error
    assert "training pixels" in error


def test_replaced_validation_images(root, tmp_path, capsys):
    for path in (root / "tiny" / "test").iterdir():
        with Image.open(path) as image:
            noise = np.random.default_rng(0).integers(0, 256, (image.height, image.width, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    assert _resume(root, tmp_path) == 2
    assert "in which differ: validation pixels" in capsys.readouterr().err
