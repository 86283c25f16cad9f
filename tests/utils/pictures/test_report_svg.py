"""The report's charts: the page's colours, ids of their own, the same bytes each time, and every value in its place."""

import math
import re
import xml.etree.ElementTree as ElementTree

from utils.flags.config import Config
from utils.pictures.report_charts import learning_charts, pseudo_charts
from utils.pictures.report_lines import Line, draw_lines, draw_reliability
from utils.pictures.report_svg import CLASS, EMB, VARIABLES

FLAGS = Config().as_json()


def _draw(key="chart", **more):
    lines = [Line("one", CLASS, [1, 2, math.nan, 4]), Line("two", EMB, [4, 3, 2, 1], dashed=True)]
    return draw_lines([1, 2, 3, 4], lines, key=key, description='a "chart" <b>', x_label="epoch", **more)


def test_a_chart_is_valid_and_takes_the_pages_colours():
    svg = _draw()
    root = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'a "chart" <b>'
    assert root.get("width") is None
    for stand_in, variable in VARIABLES.items():
        assert stand_in not in svg
        assert variable.startswith("--")
    assert f"var({VARIABLES[CLASS]})" in svg
    assert f"var({VARIABLES[EMB]})" in svg
    assert ">epoch</text>" in svg


def test_the_same_bytes_each_time_and_no_date():
    assert _draw() == _draw()
    assert "dc:date" not in _draw()


def test_charts_of_a_page_share_no_ids():
    one, two = (set(re.findall(r'\bid="([^"]+)"', _draw(key))) for key in ("one", "two"))
    assert one
    assert not one & two
    for key in ("one", "two"):
        svg = _draw(key)
        wanted = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)
        assert wanted
        assert {first or second for first, second in wanted} <= set(re.findall(r'\bid="([^"]+)"', svg))


def test_one_epoch_a_flat_line_and_a_scale_of_powers():
    assert "<svg" in draw_lines([1], [Line("one", CLASS, [5])], key="k", description="d", x_label="epoch")
    assert "<svg" in draw_lines([1, 2], [Line("one", CLASS, [0, 0])], key="k", description="d", x_label="epoch")
    assert _draw(logarithmic=True) != _draw()


def test_reliability_draws_a_dot_for_each_bin():
    svg = draw_reliability([0.2, 0.9], [0.1, 0.8], [10, 90], colour=CLASS, key="r", description="d")
    assert len(re.findall(r"<path id=\"r-C\d+", svg)) + svg.count("<use") >= 2


def test_charts_show_what_is_recorded_and_no_more():
    history = [{"epoch": epoch, "top1": 10.0 * epoch, "top1_emb": math.nan, "mask_rate": 0.5} for epoch in (1, 2, 3)]
    (accuracy,) = learning_charts(history, FLAGS)
    assert [(item.name, item.value) for item in accuracy.legend] == [("class head", "30.0")]
    (mask,) = pseudo_charts(history, FLAGS)
    assert [(item.name, item.value) for item in mask.legend] == [("class head", "50.0")]
    assert pseudo_charts(history, {**FLAGS, "lam_u": 0}) == []


def test_an_embedding_head_that_was_not_trained_is_not_drawn():
    history = [{"epoch": 1, "top1": 10.0, "top1_emb": 5.0, "top1_combined": 6.0, "lr": 0.1}]
    accuracy, rate = learning_charts(history, {**FLAGS, "lambda_emb": 0.0})
    assert [item.name for item in accuracy.legend] == ["class head"]
    assert rate.title == "Learning rate"
