"""The story of the pseudo-labels says what the numbers say, and no more."""

import pytest

from utils.flags.config import Config
from utils.results.story import tell_story

FLAGS = Config().as_json()


def _story(history, classes=10, grouped=True, **flags):
    found = tell_story(history, {**FLAGS, **flags}, classes=classes, grouped=grouped)
    return [finding.text for finding in found], [finding.text for finding in found if finding.tone == "alarm"]


def _epochs(**series):
    count = len(next(iter(series.values())))
    return [{"epoch": 1 + place, **{name: values[place] for name, values in series.items()}} for place in range(count)]


def test_a_head_that_was_never_confident():
    texts, alarms = _story(_epochs(mask_rate=[0.0, 0.001, 0.0], emb_mask_rate=[0.2, 0.4, 0.5]))
    assert "The class head was never confident: at most 0.1% of the unlabelled images reached --thr 0.95" in texts[0]
    assert "next to nothing" in texts[0]
    assert alarms == [texts[0]]
    assert texts[1] == (
        "The embedding head was confident (--thr-emb 0.7) of 50.0% of the unlabelled images in epoch 3, and of over 10% "
        "from the first epoch on."
    )
    assert "taught nothing with its pseudo-labels" in _story(_epochs(mask_rate=[0.0, 0.0]))[0][0]


def test_a_head_that_was_seldom_confident_or_lost_confidence():
    assert "never was of 10%" in _story(_epochs(mask_rate=[0.01, 0.05, 0.06]))[1][0]
    assert "down from 60.0%" in _story(_epochs(mask_rate=[0.6, 0.3, 0.2]))[1][0]
    assert "it passed 10% in epoch 2" in _story(_epochs(mask_rate=[0.05, 0.3, 0.4]))[0][0]


def test_diagnosed_coverage_comes_before_what_was_counted_while_training():
    texts, _ = _story(_epochs(mask_rate=[0.5, 0.5], pseudo_class_coverage=[0.3, 0.31]))
    assert "31.0%" in texts[0]


def test_precision_that_falls_is_an_alarm_and_one_of_few_guesses_has_an_interval():
    history = _epochs(pseudo_class_coverage=[0.2, 0.8], pseudo_class_precision=[0.95, 0.7], pseudo_images=[2000, 2000])
    texts, alarms = _story(history)
    assert alarms == [texts[1]]
    assert "70.0% were right in epoch 2, down from 95.0% in epoch 1" in texts[1]
    few = _epochs(pseudo_class_coverage=[0.01, 0.02], pseudo_class_precision=[1.0, 0.5], pseudo_images=[1000, 1000])
    # Wilson's interval of 10 of 20.
    assert "only 20 guesses in the sample: 95% interval 29.9% to 70.1%" in _story(few)[0][1]


def test_marks_of_precision():
    def marks(precision):
        history = _epochs(pseudo_emb_coverage=[0.5], pseudo_emb_precision=[precision], pseudo_images=[2000])
        found = tell_story(history, FLAGS, classes=10)
        return [(one.tone, one.text) for one in found if "were right" in one.text]

    assert marks(0.95) == [("good", "Of the embedding head's confident guesses, 95.0% were right in epoch 1.")]
    assert marks(0.8)[0][0] == "plain"
    assert marks(0.6)[0][0] == "alarm"
    assert (
        "60.0% were right in epoch 1: many of them teach a wrong class. A higher --thr-emb lets fewer pass."
        in marks(0.6)[0][1]
    )


def test_a_peak_of_a_few_early_guesses_is_no_height_to_fall_from():
    history = _epochs(
        pseudo_class_coverage=[0.001, 0.8], pseudo_class_precision=[1.0, 0.92], pseudo_images=[2000, 2000]
    )
    assert "down from" not in _story(history)[0][1]


@pytest.mark.parametrize(("distance", "said"), [(0.85, "Collapse"), (0.5, "uneven: 50% of them"), (0.2, None)])
def test_collapse(distance, said):
    history = _epochs(
        pseudo_class_coverage=[0.5], pseudo_images=[2000], pseudo_class_uniform_distance=[distance], pseudo_class_precision=[0.9]
    )  # fmt: skip
    _, alarms = _story(history)
    assert any(said in text for text in alarms) if said else not alarms


def test_too_few_guesses_to_speak_of_collapse():
    history = _epochs(pseudo_class_coverage=[0.02], pseudo_images=[1000], pseudo_class_uniform_distance=[0.9])
    texts, _ = _story(history)
    assert any("cannot be told from 20 confident guesses for 10 classes" in text for text in texts)
    assert not any("Collapse" in text for text in texts)


def test_agreement_names_the_better_teacher():
    record = {"epoch": 5, "pseudo_agreement": 0.8, "pseudo_images": 5000}
    better = {**record, "pseudo_precision_disagree_class": 0.3, "pseudo_precision_disagree_emb": 0.5}
    assert any("embedding head has something to teach the class head" in text for text in _story([better])[0])
    level = {**record, "pseudo_precision_disagree_class": 0.4, "pseudo_precision_disagree_emb": 0.41}
    assert any("neither is the better teacher" in text for text in _story([level])[0])
    few = {**better, "pseudo_agreement": 0.99}
    assert any("these are only 50 images" in text for text in _story([few])[0])
    assert not any("heads name" in text for text in _story([better], lambda_emb=0)[0])


def test_what_the_numbers_cannot_show_is_said():
    counted = _epochs(mask_rate=[0.5] * 5)
    assert any("recorded no diagnostics" in text for text in _story(counted)[0])
    unknown = _epochs(pseudo_class_coverage=[0.5] * 5, pseudo_class_precision=[float("nan")] * 5)
    assert any("cannot be told: no confident guess has a known true class" in text for text in _story(unknown)[0])
    assert any("With 1 epoch there is no trend" in text for text in _story(_epochs(mask_rate=[0.5]))[0])
    assert "no pseudo-labels" in _story(counted, lam_u=0)[0][0]
    assert _story([{"epoch": 1}])[0][0] == "How often the class head was confident is not recorded."


def test_groups_of_one_class_have_no_errors_inside():
    history = [{"epoch": 1, "pseudo_class_within_group_errors": 0.4}]
    assert any("40.0% named another class of the right label group" in text for text in _story(history)[0])
    assert not any("label group" in text for text in _story(history, grouped=False)[0])
