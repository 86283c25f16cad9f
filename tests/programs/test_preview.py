"""`run_semco.py --preview`: everything is checked and shown, nothing is trained."""

import numpy as np
import pytest
from PIL import Image

import run_semco


def _preview(root, output, *flags):
    return run_semco.main(
        [
            "--preview", "--device", "cpu", "--no-amp", "--dataset-path", str(root), "--dataset-name", "tiny",
            "--train-split-pickle", str(root / "split.pkl"), "--word-vec-path", str(root / "vectors.txt"),
            "--wres-n", "10", "--wres-k", "1", "--batch-size", "4", "--mu", "1", "--n-imgs-per-epoch", "8", "--n-epoches", "2",
            "--im-size", "16", "--cropsize", "16", "--cache-imgs", "memory", "--output-dir", str(output), *flags,
        ]
    )  # fmt: skip


def test_tables_costs_and_pictures(tiny_dataset, tmp_path, capsys):
    assert _preview(tiny_dataset, tmp_path / "runs") == 0
    shown = capsys.readouterr().out
    for words in (
        "7 classes in",
        "maple_tree",
        "labelled",
        "14 images, 2 to 2 per class",
        "fingerprint",
        "cost: ",
        "2 epochs",
    ):
        assert words in shown
    folder = tmp_path / "runs" / "tiny" / "x14" / "preview"
    assert sorted(path.name for path in folder.iterdir()) == ["label_groups.png", "labelled.png", "unlabelled.png"]
    assert [path.name for path in folder.parent.iterdir()] == ["preview"]
    for path in folder.iterdir():
        assert str(path) in shown
        assert np.asarray(Image.open(path).convert("L")).std() > 5


def test_a_mistake_leaves_nothing(tiny_dataset, tmp_path, capsys):
    (tmp_path / "few.txt").write_text("apple 1 2\ntree 3 4\n")
    assert _preview(tiny_dataset, tmp_path / "runs", "--word-vec-path", str(tmp_path / "few.txt")) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: 4 of 7 class names match no word vector")
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("flag", ["--preview=False", "--no-preview"])
def test_it_can_be_turned_off_again(tiny_dataset, tmp_path, flag):
    assert _preview(tiny_dataset, tmp_path / "runs", flag, "--n-epoches", "1", "--bn-momentum", "0.1") == 0
    assert next((tmp_path / "runs").rglob("last.pth")).is_file()
