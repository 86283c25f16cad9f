"""The verdict names its statistic, its interval, its baseline, and what it does not show."""

import json

import pytest

from tests.utils.results.made_runs import make_run, write_history
from utils.errors import SemcoError
from utils.records.published import read_published
from utils.records.run_files import read_run
from utils.results.verdict import find_supervised, judge, measured_on
from utils.short_runs import SEEN_WITHOUT_GAIN


def _judge(folder):
    verdict = judge(read_run(folder), read_published())
    return verdict, " ".join(verdict.sentences)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "runs" / "made" / "x40"


def test_the_headline_and_its_statistic(output):
    verdict, text = _judge(make_run(output / "run", accuracy=0.7, images=1000, with_tables=False))
    assert verdict.headline == "70.0% of 1,000 test images classified correctly"
    assert "class head after the last epoch, number 4" in text
    # Wilson's interval of 700 of 1,000.
    assert "95% interval is 67.1% to 72.8%" in text
    assert "Guessing gives 10.0%" in text
    assert "The last epoch was also the best one. It was not chosen by looking at any image." in text
    assert "No published figure is on record for made with 40 labels" in text
    assert [bar.kind for bar in verdict.bars] == ["class", "emb", "both"]


def test_a_best_epoch_that_was_chosen_on_the_test_images(output):
    folder = make_run(output / "run", with_tables=False)
    records = [{"epoch": 1, "top1": 80.0}, {"epoch": 2, "top1": 75.0}]
    write_history(folder, records)
    text = _judge(folder)[1]
    assert "The best epoch, number 1, reached 80.0%; it was chosen on the very test images" in text
    held_out = make_run(output / "other", with_tables=False, valid_fraction=0.2)
    write_history(held_out, records)
    assert "chosen on the very held-out labelled images" in _judge(held_out)[1]
    from_split = make_run(output / "third", with_tables=False, resolved={"validation_source": "9 images of x.pkl"})
    assert measured_on(read_run(from_split)) == "validation images"
    with_table = make_run(output / "fourth", resolved={"validation_source": "9 images of x.pkl"})
    assert measured_on(read_run(with_table)) == "test images"


def test_the_supervised_run_beside_it(output):
    semco = make_run(output / "semco", accuracy=0.7, images=1000, seed=1, with_tables=False)
    other_split = {"lam_u": 0.0, "lambda_emb": 0.0, "with_tables": False}
    make_run(output / "elsewhere", split="f" * 64, **other_split)
    assert find_supervised(read_run(semco)) == (None, [])
    assert "No finished supervised run" in _judge(semco)[1]
    make_run(output / "unfinished", complete=False, seed=1, **other_split)
    assert find_supervised(read_run(semco))[0] is None
    make_run(output / "other_seed", accuracy=0.4, seed=2, **other_split)
    found, _ = find_supervised(read_run(semco))
    assert found.folder.name == "other_seed"
    make_run(output / "supervised", accuracy=0.5, seed=1, wres_k=1, weight_decay=0.1, **other_split)
    verdict, text = _judge(semco)
    assert "same 40 labelled images (supervised) reached 50.0%: SemCo is 20.0 percentage points higher." in text
    assert "The supervised run's network is WRN-28-1, this one's WRN-28-2" in text
    assert "It also differs by --weight-decay 0.1." in text
    assert verdict.bars[-1].kind == "supervised"
    assert "baseline for others" in _judge(output / "supervised")[1]


def test_a_difference_is_judged_image_by_image(output):
    semco = make_run(output / "semco", accuracy=0.7, images=4000)
    supervised = make_run(output / "supervised", accuracy=0.5, images=4000, seed=0, lam_u=0.0, lambda_emb=0.0)
    for folder in (semco, supervised):  # the made-up history says what the made-up table says
        accuracy = json.loads((folder / "evaluation.json").read_text())["heads"]["class"]["top1"]["accuracy"]
        write_history(folder, [{"epoch": 1, "top1": 100 * accuracy}])
    assert "Image by image, the 95% interval of that difference is +" in _judge(semco)[1]
    assert "it excludes zero" in _judge(semco)[1]
    write_history(semco, [{"epoch": 1, "top1": 90.0}])  # tables of another epoch
    assert "Image by image" not in _judge(semco)[1]


def test_a_damaged_neighbour_is_counted_and_does_no_harm(output):
    semco = make_run(output / "semco", with_tables=False)
    (make_run(output / "damaged", with_tables=False) / "config.json").write_text("{")
    assert "1 neighbouring run folder could not be read" in _judge(semco)[1]


def test_published_figures_come_with_their_networks(tmp_path):
    made = {"dataset_name": "cifar100", "with_tables": False}
    folder = make_run(tmp_path / "cifar100" / "x10000" / "run", resolved={"labelled_images": 10000}, **made)
    verdict, text = _judge(folder)
    assert "SemCo 75.55% ± 0.12 (network not stated, mu 7, statistic not stated)" in text
    assert "FixMatch 71.72% (WRN-28-2, best epoch)" in text
    assert "This run's network is WRN-28-2 and its figure the last epoch's." in text
    assert [bar.name for bar in verdict.bars if bar.kind == "published"] == ["published, mu 7"]


def test_a_run_without_an_epoch(output):
    folder = make_run(output / "run", with_tables=False)
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(SemcoError, match="no epoch is finished"):
        _judge(folder)


def test_an_unfinished_run_and_one_without_embedding_head(output):
    verdict, text = _judge(make_run(output / "run", with_tables=False, complete=False, lambda_emb=0.0))
    assert "The run is not finished." in text
    assert "The embedding head was not trained (--lambda-emb 0)." in text
    assert [bar.kind for bar in verdict.bars] == ["class"]


@pytest.mark.parametrize(("loss", "said"), [(1.0, True), (0.5, False)])
def test_unlabelled_images_that_never_took_part(output, loss, said):
    folder = make_run(output / "run", with_tables=False, supervised_start=0.5)
    write_history(folder, [{"epoch": 1, "step": 100_000, "top1": 50.0, "class_labelled": loss}])
    assert ("Unlabelled images had no part" in _judge(folder)[1]) == said


@pytest.mark.parametrize(
    ("beyond", "labels", "flags", "said"),
    [
        (0, 250, {}, True),
        (1, 250, {}, False),
        (0, 250, {"lam_u": 0.0, "lambda_emb": 0.0}, False),
        (0, 250, {"model_backbone": "resnet18"}, False),
        (0, 250, {"model_backbone": "resnet18", "imgnet_pretrained": False}, True),
        (0, 250, {"use_pretrained": True}, False),
    ],
)
def test_a_run_that_was_too_short_to_pay(output, beyond, labels, flags, said):
    folder = make_run(output / "run", with_tables=False, resolved={"labelled_images": labels}, **flags)
    steps = SEEN_WITHOUT_GAIN * labels // read_run(folder).flags["batch_size"]
    write_history(folder, [{"epoch": 1, "step": steps + beyond, "top1": 50.0}])
    assert (f"The run is short: it saw each labelled image {SEEN_WITHOUT_GAIN} times" in _judge(folder)[1]) == said
