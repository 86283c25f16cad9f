"""Tables of classes against what was counted by hand."""

import base64
import io

import numpy as np
from PIL import Image

from tests.utils.results.test_evaluation import GROUPS, NAMES, _one_hot
from tests.utils.results.test_predictions import make_predictions
from utils.results.class_tables import class_rows, confusion_view, frequent_confusions
from utils.results.evaluation import evaluate_fully


def _evaluation():
    said, other = [0, 1, 1, 1, 2, 2, 3], [0, 0, 1, 1, 2, 2, 2]
    return evaluate_fully(make_predictions(_one_hot(said), _one_hot(other), [0, 0, 0, 1, 2, 2, 2]), NAMES, GROUPS)


def test_the_least_recognised_class_comes_first_and_one_without_images_last():
    rows = class_rows(_evaluation())
    assert [row.name for row in rows] == ["oak", "car", "maple", "truck"]
    assert (rows[0].taken_for, rows[0].taken_share, rows[0].recall, rows[0].recall_emb) == (
        "maple",
        2 / 3,
        1 / 3,
        2 / 3,
    )
    assert (rows[3].recall, rows[3].taken_for, rows[3].support) == (None, "", 0)


def test_frequent_confusions():
    first, second = frequent_confusions(_evaluation(), "class", 5)
    assert (first.label, first.predicted, first.images, first.share, first.same_group) == (
        "oak",
        "maple",
        2,
        2 / 3,
        True,
    )
    assert (second.label, second.predicted, second.images, second.same_group) == ("car", "truck", 1, False)


def test_a_matrix_is_ordered_by_group_and_coloured_by_kind():
    evaluation = _evaluation()
    evaluation["group_ids"] = [1, 0, 1, 0]
    view = confusion_view(evaluation, "class", "class head")
    assert view.names == ("maple", "truck", "oak", "car")
    assert [cell.images for cell in view.rows[2]] == [2, 0, 1, 0]
    assert [cell.kind for cell in view.rows[2]] == ["other", "none", "right", "none"]
    assert view.picture is None


def test_many_classes_are_a_picture():
    classes = 50
    labels = np.arange(classes).repeat(2)
    said = labels.copy()
    said[1] = 1  # of class 0, one image in two is called class 1, of its own group
    by_class = np.eye(classes)[said]
    evaluation = evaluate_fully(
        make_predictions(by_class, by_class, labels), [f"{n}" for n in range(classes)], np.arange(classes) // 2
    )
    view = confusion_view(evaluation, "class", "class head")
    assert (view.rows, view.is_fine) == ((), False)
    picture = Image.open(io.BytesIO(base64.b64decode(view.picture.split(",")[1])))
    pixels = np.asarray(picture)
    side = picture.width // classes
    assert picture.size == (side * classes, side * classes)
    centres = pixels[side // 2 :: side, side // 2 :: side]
    assert (centres[0, 0, 2], centres[0, 1, 0]) == (181, 224)  # right is blue, the same group is orange
    assert centres[1, 1, 3] == 255
    assert centres[0, 0, 3] == centres[0, 1, 3] == round(255 * 0.5**0.4)
    assert centres[0, 5, 3] == 0
