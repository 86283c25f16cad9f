import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import export_semco
import predict_semco
from tests.support.classifiers import facts, write_checkpoint
from tests.support.project import ROOT
from tests.support.tiny_runs import train

onnxruntime = pytest.importorskip("onnxruntime")
NAMES = {"model.safetensors", "model.onnx", "model.pt2", "config.json", "check.json", "README.md"}


@pytest.fixture(scope="module")
def run(tiny_dataset, tmp_path_factory):
    """A run folder of the tiny dataset."""
    patch = pytest.MonkeyPatch()
    patch.setattr("utils.run.folder.RunFolder.draw_pictures", lambda *_: None)
    yield train(tiny_dataset, tmp_path_factory.mktemp("runs"))
    patch.undo()


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """What the program made of the run."""
    folder = tmp_path_factory.mktemp("export") / "out"
    assert export_semco.main([str(run), str(folder)]) == 0
    return folder


def test_everything_is_there_and_agrees_with_the_network(exported):
    assert {path.name for path in exported.iterdir()} == NAMES
    assert [path.name for path in exported.parent.iterdir()] == ["out"]
    check = json.loads((exported / "check.json").read_text())
    for by_size in check["largest_difference_by_batch_size"].values():
        assert list(by_size) == ["1", "2", "7"]
        assert all(0 <= value <= 1e-4 for values in by_size.values() for value in values.values())
    assert check["images"] >= 100
    assert "28 validation images" in check["images_from"]
    assert all(share == 1.0 for heads in check["top1_agreement"].values() for share in heads.values())


def test_the_script_of_the_docs_says_what_the_program_says(exported, run, tiny_dataset, tmp_path):
    text = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = [line for line in script.splitlines() if line.strip()]
    assert len(code) <= 20
    assert not re.search(r"\b(utils|models|loaders|torch)\b", script)
    (tmp_path / "read.py").write_text(script)
    images = sorted(map(str, (tiny_dataset / "tiny" / "test").iterdir()))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = subprocess.run(
        [sys.executable, str(tmp_path / "read.py"), str(exported), *images],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert predict_semco.main([str(run), *images, "--format", "jsonl", "--output", str(tmp_path / "p")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "p").read_text().splitlines()]
    for line, row in zip(said.splitlines(), rows, strict=True):
        assert line.startswith(f"{row['file']} {row['label']} ")
        assert float(line.split()[-1]) == pytest.approx(row["confidence"], abs=2e-4)


def test_config_describes_what_the_files_need(exported, run):
    config = json.loads((exported / "config.json").read_text(encoding="utf-8"))
    labels = [line.split(",")[0] for line in (run / "label_groups.csv").read_text().splitlines()[1:]]
    assert config["label_names"] == labels == list(config["id2label"].values())
    assert config["input"]["shape"] == ["batch", 16, 16, 3]
    assert len(config["input"]["mean"]) == len(config["input"]["std"]) == 3
    assert config["training"]["dataset_name"] == "tiny"
    assert set(config["versions"]) >= {"torch", "onnx", "onnxruntime"}
    assert config["accuracy"]["top1"] == json.loads((run / "summary.json").read_text())["last"]["top1"]


def test_weights_are_the_averaged_ones(exported, run):
    from safetensors.numpy import load_file

    tensors = load_file(exported / "model.safetensors")
    weights = torch.load(run / "last.pth", weights_only=True)["ema"]
    assert set(tensors) == set(weights) | {"labels.class_vectors", "labels.groups"}
    assert all(np.array_equal(tensors[name], value.numpy()) for name, value in weights.items())


def test_no_file_names_a_folder_of_this_machine(exported, run):
    import zipfile

    with zipfile.ZipFile(exported / "model.pt2") as parts:
        contents = [parts.read(name) for name in parts.namelist()]
    contents += [(exported / name).read_bytes() for name in NAMES]
    for place in (str(ROOT), str(run), str(Path(sys.prefix))):
        assert not any(place.encode() in content for content in contents)


def test_without_the_dataset_generated_images_stand_in_and_hostile_names_stay_text(tmp_path, capsys):
    names = ["<script>x</script>", "a|b", "`c`", "[d](e)", "# f", "g: h", "*i*"]
    path = write_checkpoint(tmp_path / "last.pth", facts(class_names=names), config={"dataset_name": 'x"\n# y'})
    assert export_semco.main([str(path), str(tmp_path / "out")]) == 0
    assert "generated" in capsys.readouterr().err
    check = json.loads((tmp_path / "out" / "check.json").read_text())
    assert "generated" in check["images_from"]
    assert check["images"] >= 100
    card = (tmp_path / "out" / "README.md").read_text()
    assert "<script>" not in card
    assert card.count("---\n") == 2
    assert r"\`c\`" in card
    assert not re.search(r"(?m)^# (f|y)", card)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["label_names"] == names


def test_a_run_that_did_not_train_its_embedding_head_is_exported_with_its_class_head_alone(tmp_path):
    config, history = {"dataset_name": "tiny", "lambda_emb": 0.0}, [{"epoch": 1, "top1": 12.5, "top1_emb": 1.25}]
    path = write_checkpoint(tmp_path / "last.pth", config=config, history=history)
    assert export_semco.main([str(path), str(tmp_path / "out")]) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "`probabilities` (those of the class head: the run did not train the embedding head)" in card
    assert "12.50" in card
    assert "1.25 " not in card
    described = json.loads((tmp_path / "out" / "config.json").read_text())
    assert described["accuracy"] == {"top1": 12.5}
    assert described["heads"]["probabilities"] == "class head alone"
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession((tmp_path / "out" / "model.onnx").read_bytes())
    by_class, both = session.run(["class_probabilities", "probabilities"], {"images": images})
    assert (by_class == both).all()


def test_an_existing_folder_is_not_touched(tmp_path, capsys):
    path = write_checkpoint(tmp_path / "last.pth")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    assert export_semco.main([str(path), str(tmp_path / "out")]) == 2
    assert "exists" in capsys.readouterr().err
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["mine"]


def test_missing_packages_are_one_line(tmp_path, capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name.startswith("onnx") else find(name))
    assert export_semco.main([str(write_checkpoint(tmp_path / "last.pth")), str(tmp_path / "out")]) == 2
    assert "pip install -r requirements-export.txt" in capsys.readouterr().err


def test_a_dataset_path_that_is_wrong_is_an_error(run, tmp_path, capsys):
    assert export_semco.main([str(run), str(tmp_path / "out"), "--dataset-path", str(tmp_path)]) == 2
    assert "cannot be found again" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["full", "stopped"])
def test_an_export_that_fails_leaves_nothing(tmp_path, capsys, monkeypatch, small_disk, fault):
    path = write_checkpoint(tmp_path / "last.pth")
    monkeypatch.setattr("models.export.files.onnx_bytes", lambda *_: b"x" * 5000)
    monkeypatch.setattr("models.export.files.pt2_bytes", lambda *_: b"x")
    monkeypatch.setattr("models.export.files.exported_program", lambda *_: None)
    check = {"largest_difference_by_batch_size": {}, "images": 100, "images_from": "nowhere", "top1_agreement": {}}
    monkeypatch.setattr("models.export.check.check_files", lambda *_: check)
    if fault == "full":
        small_disk(100)
    else:
        monkeypatch.setattr("models.export.card.model_card", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    code = export_semco.main([str(path), str(tmp_path / "out")])
    assert code == (2 if fault == "full" else 128 + signal.SIGTERM)
    assert ("no space left" if fault == "full" else "stopped by SIGTERM") in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pth"]


def test_a_file_that_differs_from_the_network_is_refused(tmp_path):
    from models.export.check import check_files, generated_images
    from models.export.files import exported_program, onnx_bytes, pt2_bytes
    from models.export.network import ExportedNet
    from models.inference import load_classifier
    from utils.errors import SemcoError

    network = ExportedNet(load_classifier(write_checkpoint(tmp_path / "last.pth")))
    onnx, pt2 = onnx_bytes(network, 16), pt2_bytes(exported_program(network, 16))
    with torch.no_grad():
        network.shift += 0.1
    with pytest.raises(SemcoError, match=r"model\.onnx differs"):
        check_files(network, onnx, pt2, generated_images(16))


def test_the_exported_network_answers_as_the_evaluation_does(tmp_path):
    from loaders.batches import Normalise
    from loaders.pixels.statistics import PixelStatistics
    from models.export.network import ExportedNet
    from models.inference import load_classifier

    classifier = load_classifier(
        write_checkpoint(tmp_path / "last.pth", facts(groups=torch.tensor([0, 0, 1, 2, 3, 3, 4])))
    )
    images = torch.randint(0, 256, (5, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    statistics = PixelStatistics((0.5, 0.4, 0.3), (0.2, 0.25, 0.3), "")
    output = classifier.model(Normalise(statistics, torch.device("cpu"))(images.permute(0, 3, 1, 2)))
    by_class, by_embedding, both, embedding = ExportedNet(classifier)(images)
    assert torch.allclose(by_class, output.logits.softmax(1), atol=1e-6)
    assert torch.allclose(by_embedding, classifier.guessor.probabilities(output.embedding), atol=1e-6)
    assert torch.allclose(both, (by_class + by_embedding) / 2)
    assert torch.allclose(embedding, output.embedding, atol=1e-5)


def test_help_answers_without_torch():
    loaded = "import sys, export_semco; print(sorted({'torch', 'numpy', 'PIL', 'onnx'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True).stdout.strip() == "[]"
    )
    said = subprocess.run(
        [sys.executable, "export_semco.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "requirements-export.txt" in said.stdout
