"""CIFAR-10 and CIFAR-100 from replicas of their Python version."""

import hashlib
import pickle
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from tests.support.sample_images import photo_crops
from tests.support.short_runs import prepare_and_train

pytestmark = pytest.mark.usefixtures("no_pictures")
TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
HUNDRED = [f"thing {number}" for number in range(100)]


def _md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def _replica(folder, kind, monkeypatch, *, names, label_key, per_file):
    """Write the files of a torchvision class, and give it their checksums."""
    for key in ("train_list", "test_list"):
        entries = []
        for seed, (name, _) in enumerate(getattr(kind, key)):
            path = folder / kind.base_folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = photo_crops(per_file, 32, 32, seed=seed).transpose(0, 3, 1, 2).reshape(per_file, -1)
            labels = [number % len(names) for number in range(per_file)]
            path.write_bytes(pickle.dumps({"data": pixels, label_key: labels}))
            entries.append([name, _md5(path)])
        monkeypatch.setattr(kind, key, entries)
    meta = folder / kind.base_folder / kind.meta["filename"]
    meta.write_bytes(pickle.dumps({kind.meta["key"]: names}))
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": _md5(meta)})


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    folder = tmp_path / "source"
    _replica(folder, datasets.CIFAR10, monkeypatch, names=TEN, label_key="labels", per_file=20)
    return folder


def test_cifar10(cifar10, tmp_path, capsys):
    facts = prepare_and_train(tmp_path, ["cifar10", "--source", str(cifar10)], "cifar10")
    assert (facts["classes"], facts["labelled_images"], facts["unlabelled_images"]) == (10, 20, 80)
    assert (facts["validation_images"], facts["statistics"]) == (20, "cifar10")
    index = load_index(tmp_path / "data" / "cifar10", "train")
    assert index.ids[:2] == ("00000.png", "00001.png")
    assert index.class_names[index.labels[21]] == "automobile"
    np.testing.assert_array_equal(np.asarray(Image.open(index.paths[21])), photo_crops(20, 32, 32, seed=1)[1])
    capsys.readouterr()
    assert main(["cifar10", "--source", str(cifar10), "--output", str(tmp_path / "data")]) == 0
    assert "100 train images, 20 test images, 10 classes; is up to date" in capsys.readouterr().out


def test_cifar100(tmp_path, monkeypatch):
    _replica(tmp_path / "source", datasets.CIFAR100, monkeypatch, names=HUNDRED, label_key="fine_labels", per_file=200)
    facts = prepare_and_train(tmp_path, ["cifar100", "--source", str(tmp_path / "source")], "cifar100", per_label=1)
    assert (facts["classes"], facts["labelled_images"], facts["validation_images"]) == (100, 100, 200)


# Before Python 3.14, torchvision unpacks in a way that Python warns of.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_archive_is_unpacked(cifar10, tmp_path, monkeypatch, capsys):
    archive = cifar10 / datasets.CIFAR10.filename
    with tarfile.open(archive, "w:gz") as file:
        file.add(cifar10 / datasets.CIFAR10.base_folder, datasets.CIFAR10.base_folder)
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", _md5(archive))
    shutil.rmtree(cifar10 / datasets.CIFAR10.base_folder)
    arguments = ["cifar10", "--source", str(cifar10), "--output", str(tmp_path / "data")]
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-100])
    assert main(arguments) == 2
    assert "cifar-10-python.tar.gz is damaged" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
    archive.write_bytes(whole)
    assert main(arguments) == 0
    assert "100 train images" in capsys.readouterr().out


def test_mistakes(cifar10, tmp_path, monkeypatch, capsys):
    arguments = ["cifar10", "--source", str(cifar10), "--output", str(tmp_path / "data")]
    (cifar10 / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"damaged")
    assert main(arguments) == 2
    assert "missing or damaged" in capsys.readouterr().err
    assert main(["cifar10", "--source", str(tmp_path / "gone"), "--output", str(tmp_path / "data")]) == 2
    assert "is no folder" in capsys.readouterr().err
    monkeypatch.setattr(datasets.CIFAR10, "url", "file:///no/such/archive.tar.gz")
    assert main([*arguments, "--download"]) == 2
    shown = capsys.readouterr().err
    assert "CIFAR-10 cannot be fetched into" in shown
    assert "\n" not in shown.strip()
    assert not (tmp_path / "data").exists()
