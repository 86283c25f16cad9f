"""Sources become dataset folders, whole or not at all."""

import functools
import gzip
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from loaders.prepare.command import SOURCES
from loaders.prepare.published.mnist import CLOTHES
from tests.support.sample_images import photo_crops


@pytest.fixture
def source(tmp_path):
    """Class folders with equal file names, a nested folder and files that are no images."""
    images = iter(photo_crops(20, 20, 24))
    for part, count in (("train", 3), ("test", 2)):
        for name in ("red apple", "bee"):
            folder = tmp_path / "source" / part / name
            (folder / "deep").mkdir(parents=True)
            for number in range(count):
                Image.fromarray(next(images)).save(folder / f"{number}.png")
            Image.fromarray(next(images)).save(folder / "deep" / "0.JPG", format="JPEG")
            (folder / "notes.txt").write_text("no image")
    return tmp_path / "source"


def _imagefolder(source, *flags, name="fruit"):
    return main(
        ["imagefolder", "--source", str(source), "--dataset_name", name, "--output", str(source.parent / "out"), *flags]
    )


@pytest.mark.parametrize("flags", [[], ["--link"]])
def test_imagefolder(source, flags, capsys):
    assert _imagefolder(source, *flags) == 0
    shown = capsys.readouterr().out
    assert "8 train images, 6 test images, 2 classes; written" in shown
    folder = source.parent / "out" / "fruit"
    index = load_index(folder, "train")
    assert index.class_names == ("bee", "red apple")
    assert "bee__deep__0.JPG" in index.ids
    assert np.bincount(index.labels).tolist() == [4, 4]
    name = "red apple__1.png"
    assert (folder / "train" / name).read_bytes() == (source / "train" / "red apple" / "1.png").read_bytes()
    assert sorted(entry.name for entry in (source.parent / "out").iterdir()) == ["fruit"]
    assert _imagefolder(source, *flags) == 0
    assert "is up to date" in capsys.readouterr().out


def test_another_content_is_not_overwritten(source, capsys):
    assert _imagefolder(source) == 0
    (source / "train" / "bee" / "0.png").unlink()
    assert _imagefolder(source) == 2
    assert "exists and holds something else" in capsys.readouterr().err
    assert len(load_index(source.parent / "out" / "fruit", "train")) == 8


def test_imagefolder_mistakes(source, capsys):
    (source / "test" / "wasp").mkdir()
    Image.new("RGB", (9, 9)).save(source / "test" / "wasp" / "0.png")
    assert _imagefolder(source) == 2
    assert "a class that train lacks" in capsys.readouterr().err
    (source / "train" / "wasp").mkdir()
    assert _imagefolder(source) == 2
    assert "holds no image" in capsys.readouterr().err
    assert _imagefolder(source / "gone") == 2
    assert "is no folder" in capsys.readouterr().err
    assert _imagefolder(source, name="../x") == 2
    assert not (source.parent / "out").exists()


def test_a_failure_leaves_nothing(source, monkeypatch, capsys):
    monkeypatch.setattr("shutil.copyfile", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert _imagefolder(source) == 2
    assert "no space left" in capsys.readouterr().err
    assert list((source.parent / "out").iterdir()) == []


def test_a_source_that_may_not_be_read(source, monkeypatch, capsys):
    monkeypatch.setattr("pathlib.Path.iterdir", lambda path: (_ for _ in ()).throw(PermissionError(13, "denied", path)))
    assert _imagefolder(source) == 2
    shown = capsys.readouterr().err
    assert "cannot be read" in shown
    assert "check who may read it" in shown


def test_stopping_leaves_nothing(source, monkeypatch, capsys):
    monkeypatch.setattr("shutil.copyfile", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert _imagefolder(source) == 130
    assert capsys.readouterr().err.endswith("stopped by SIGINT\n")
    assert list((source.parent / "out").iterdir()) == []


def _write_idx(path, array, *, zipped):
    data = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes() + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(path.name + (".gz" if zipped else "")).write_bytes(gzip.compress(data) if zipped else data)


@pytest.fixture(params=[("", True), ("FashionMNIST/raw", False)])
def idx_folder(tmp_path, request):
    place, zipped = request.param
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 30), ("t10k", 20)):
        _write_idx(
            tmp_path / "src" / place / f"{prefix}-images-idx3-ubyte",
            rng.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            zipped=zipped,
        )
        _write_idx(
            tmp_path / "src" / place / f"{prefix}-labels-idx1-ubyte",
            np.arange(count, dtype=np.uint8) % 10,
            zipped=zipped,
        )
    return tmp_path / "src"


def _fashion(folder):
    return main(
        ["fashion_mnist", "--source", str(folder), "--dataset-name", "f", "--output", str(folder.parent / "out")]
    )


def test_fashion_mnist(idx_folder, capsys):
    assert _fashion(idx_folder) == 0
    index = load_index(idx_folder.parent / "out" / "f", "train")
    assert len(index) == 30
    assert set(index.class_names) == set(CLOTHES)
    assert index.class_names[index.labels[9]] == "Ankle boot"
    expected = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)[9]
    np.testing.assert_array_equal(np.asarray(Image.open(index.paths[9])), expected)
    assert _fashion(idx_folder) == 0
    assert "is up to date" in capsys.readouterr().out


def test_damaged_idx_files(idx_folder, capsys):
    (path,) = idx_folder.rglob("t10k-images*")
    path.write_bytes(path.read_bytes()[:-30])
    assert _fashion(idx_folder) == 2
    assert "fetch it again" in capsys.readouterr().err
    path.unlink()
    assert _fashion(idx_folder) == 2
    assert "lacks t10k-images-idx3-ubyte" in capsys.readouterr().err


class _SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


def test_mnist_is_downloaded(tmp_path, monkeypatch, capsys):
    """From a server on this machine that stands for the web."""
    web = tmp_path / "web"
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 30), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        _write_idx(web / f"{prefix}-images-idx3-ubyte", images, zipped=True)
        _write_idx(web / f"{prefix}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10, zipped=True)
    checksums = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in web.iterdir()]
    monkeypatch.setattr(datasets.MNIST, "resources", checksums)
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["file:///no/such/folder/"])
    arguments = ["mnist", "--source", str(tmp_path / "src"), "--output", str(tmp_path / "out"), "--download"]
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert "error: MNIST cannot be fetched into" in shown
    assert len([line for line in shown.splitlines() if line.startswith("error")]) == 1
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_SilentHandler, directory=web)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        assert main(arguments) == 0
        server.shutdown()
    assert "30 train images, 20 test images, 10 classes; written" in capsys.readouterr().out
    assert load_index(tmp_path / "out" / "mnist", "train").class_names[4] == "one"


def test_output_is_required(source, monkeypatch, capsys):
    monkeypatch.delenv("SEMCO_DATA_PATH", raising=False)
    assert main(["imagefolder", "--source", str(source), "--dataset-name", "x"]) == 2
    assert "SEMCO_DATA_PATH" in capsys.readouterr().err


def test_help_names_the_sources(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown or f"  {name}\n" in shown for name in SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_help_of_each_source(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for flag in ("--source", "--dataset-name", "--output", "--no-progress-bar"):
        assert flag in shown
    assert ("--link" in shown) == SOURCES[name].LINKS
    assert ("--download" in shown) == getattr(SOURCES[name], "DOWNLOADS", False)


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a/b", ""])
def test_names_that_are_no_folder(source, name, capsys):
    assert _imagefolder(source, name=name) == 2
    assert "--dataset-name" in capsys.readouterr().err
