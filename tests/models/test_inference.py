import numpy as np
import pytest
import torch

from models.inference import load_classifier
from tests.support.classifiers import facts, write_checkpoint
from tests.support.datasets import CLASSES
from utils.errors import SemcoError


def test_a_run_folder_gives_its_last_checkpoint_or_its_best(tmp_path):
    last, best = (write_checkpoint(tmp_path / f"{name}.pth", epoch=epoch) for name, epoch in (("last", 2), ("best", 1)))
    assert load_classifier(tmp_path).path == last
    assert load_classifier(tmp_path, which="best").epoch == 1
    assert load_classifier(best).epoch == 1


def test_the_averaged_weights_answer_in_evaluation_mode(tmp_path):
    classifier = load_classifier(write_checkpoint(tmp_path / "last.pth"))
    assert not classifier.model.training
    assert classifier.facts.class_names == CLASSES
    assert classifier.guessor.class_vectors.equal(facts()["class_vectors"])
    images = torch.randn(3, 3, 16, 16)
    assert torch.equal(classifier.model(images).logits[:1], classifier.model(images).logits[:1])
    assert not any(parameter.requires_grad for parameter in classifier.model.parameters())


def test_fingerprint_changes_with_weights_classes_and_input(tmp_path):
    names = [*CLASSES[1:], CLASSES[0]]
    prints = {
        load_classifier(write_checkpoint(tmp_path / f"{n}.pth", inference)).fingerprint
        for n, inference in enumerate(
            (facts(), facts(class_names=names), facts(mean=[0.5, 0.4, 0.2]), facts(im_size=20))
        )
    }
    again = load_classifier(write_checkpoint(tmp_path / "again.pth")).fingerprint
    assert len(prints) == 4
    assert again in prints


@pytest.mark.parametrize(
    ("inference", "changes", "words"),
    [
        pytest.param(None, {"inference": None}, "resume the run", id="older"),
        pytest.param(facts(version=99), {}, "version 99", id="newer"),
        pytest.param(facts(class_names=["a\nb", *CLASSES[1:]]), {}, "class_names", id="hostile-name"),
        pytest.param(facts(terms=["term"] * 6), {}, "number of classes", id="fewer-terms"),
        pytest.param(facts(class_names=[CLASSES[0]] * 7), {}, "class_names", id="twice"),
        pytest.param(facts(groups=torch.tensor([0, 0, 0, 0, 0, 0, 9])), {}, "groups", id="gap-in-groups"),
        pytest.param(facts(groups=torch.zeros(0, dtype=torch.int64)), {}, "groups", id="no-groups"),
        pytest.param(facts(class_vectors=torch.full((7, 8), float("nan"))), {}, "class_vectors", id="nan-vectors"),
        pytest.param(facts(std=[0.1, 0.0, 0.1]), {}, "std", id="zero-std"),
        pytest.param(facts(cropsize=32), {}, "cropsize", id="crop-above-size"),
        pytest.param(facts(im_size=10**9), {}, "im_size", id="huge"),
        pytest.param(facts(wres_n=11), {}, "wres_n", id="no-depth"),
        pytest.param(facts(backbone="../x"), {}, "backbone", id="backbone"),
        pytest.param(facts(wres_k=2), {}, "do not fit", id="other-width"),
        pytest.param(facts(), {"ema": None}, "do not fit", id="no-weights"),
        pytest.param(facts(), {"ema": {"a": 3}}, "do not fit", id="no-tensors"),
    ],
)
def test_what_does_not_make_sense_is_one_line(tmp_path, inference, changes, words):
    path = write_checkpoint(tmp_path / "last.pth", inference, **changes)
    with pytest.raises(SemcoError, match=words) as caught:
        load_classifier(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    classifier = load_classifier(write_checkpoint(tmp_path / "good.pth"))
    weights = dict(classifier.model.state_dict())
    weights["fc_classes.bias"] = torch.full((7,), float("inf"))
    with pytest.raises(SemcoError, match="not finite"):
        load_classifier(write_checkpoint(tmp_path / "bad.pth", ema=weights))


def test_missing_checkpoints_name_the_way_out(tmp_path):
    with pytest.raises(SemcoError, match="name a run folder"):
        load_classifier(tmp_path)
    write_checkpoint(tmp_path / "best.pth")
    with pytest.raises(SemcoError, match="--checkpoint best"):
        load_classifier(tmp_path)
    with pytest.raises(SemcoError, match="does not exist"):
        load_classifier(tmp_path / "none.pth")


def test_float16_of_a_gpu_run_is_float32_on_the_cpu(tmp_path):
    assert load_classifier(write_checkpoint(tmp_path / "a.pth", number_format="float16")).number_format == "float32"
    classifier = load_classifier(write_checkpoint(tmp_path / "b.pth", number_format="bfloat16"))
    with classifier.forward():
        assert classifier.model(torch.zeros(1, 3, 16, 16)).logits.dtype == torch.bfloat16


def test_other_classes_take_the_embedding_heads_vectors(tmp_path):
    classifier = load_classifier(write_checkpoint(tmp_path / "last.pth"))
    vectors = torch.eye(8)[:2]
    other = classifier.with_classes(("a", "b"), vectors, torch.arange(2))
    answers = other.guessor.probabilities(torch.eye(8)[:2]).numpy()
    assert np.array_equal(answers.argmax(1), [0, 1])
    assert other.facts.class_names == ("a", "b")
    assert classifier.facts.class_names == CLASSES
