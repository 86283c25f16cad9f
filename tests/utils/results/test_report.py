"""The report shows what the files say, whatever is in them, and the same bytes for the same files."""

import html.parser
import json
import re

import pytest

from tests.utils.results.browser import CHROMIUM, console_lines, measure
from tests.utils.results.made_runs import HOSTILE, make_images, make_run
from utils.errors import SemcoError
from utils.results.report import with_flags, write_report

SECTIONS = [
    "verdict", "pseudo", "run", "curves", "classes", "confusion", "heads", "calibration", "pictures", "labels", "predict",
]  # fmt: skip
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


class _Page(html.parser.HTMLParser):
    """Tags with their attributes, ids, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def _report(folder) -> _Page:
    return _Page(write_report(folder).read_text(encoding="utf-8"))


def test_sections_in_their_order(tmp_path):
    make_images(tmp_path / "data" / "made", 200)
    page = _report(make_run(tmp_path / "run", dataset_path=str(tmp_path / "data")))
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == SECTIONS
    for text in (
        "70.0% of 200 test images classified correctly",
        "Label these next",
        "Most frequent confusions",
        "--thr 0.95",
    ):
        assert text in page.text
    assert page.text.count("term 1") >= 1
    assert sum(tag == "img" for tag, _ in page.tags) == 14 + 14 + 21
    assert len(page.ids()) == len(set(page.ids()))


def test_one_file_that_needs_nothing_else(tmp_path):
    page = _report(make_run(tmp_path / "run"))
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "base")
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("data:", "#"))
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\((?!#)", text)


def test_the_same_files_make_the_same_bytes(tmp_path):
    folder = make_run(tmp_path / "run")
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()
    assert not list(folder.glob(".*"))


def test_hostile_names_stay_text(tmp_path):
    page = _report(make_run(tmp_path / "run", names=HOSTILE))
    assert not any(tag == "script" for tag, _ in page.tags)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not any(attributes.get("src", "") == "x" for _, attributes in page.tags)
    for name in HOSTILE:
        assert name[:30] in page.text


def test_old_and_unfinished_runs_have_a_report(tmp_path):
    folder = make_run(tmp_path / "run", with_tables=False, complete=False, pseudo=False, epochs=1)
    (folder / "label_groups.csv").unlink()
    page = _report(folder)
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == SECTIONS
    for text in (
        "The run is not finished", "This run wrote no evaluation.json, so there are no numbers per class.",
        "This run recorded no diagnostics of its pseudo-labels", "This run wrote no predictions", "holds no label_groups.csv",
    ):  # fmt: skip
        assert text in page.text


def test_guesses_per_class_are_listed_the_least_reliable_first(tmp_path):
    folder = make_run(tmp_path / "run")
    page = _report(folder)
    table = page.text.split("Confident guesses per class")[1]
    assert re.findall(r"class \d", table)[:2] == ["class 9", "class 8"]
    assert "52.6" in table  # 10 of 19
    rows = json.loads((folder / "pool_per_class.json").read_text())
    unknown = [{**row, "images": None, "class_right": None, "emb_right": None} for row in rows]
    (folder / "pool_per_class.json").write_text(json.dumps(unknown))
    assert re.findall(r"class \d", _report(folder).text.split("Confident guesses per class")[1])[0] == "class 9"


def test_a_run_of_the_class_head_alone(tmp_path):
    page = _report(make_run(tmp_path / "run", lambda_emb=0.0))
    assert "The embedding head was not trained, so there is nothing to agree with." in page.text
    assert "Reliability, embedding head" not in page.text


def test_a_thousand_classes_stay_readable(tmp_path):
    page = _report(make_run(tmp_path / "run", classes=1000, images=3000))
    assert "The other 970 classes" in page.text
    assert "The other 970 matches" in page.text
    assert sum(attributes.get("class") == "matrix" and tag == "img" for tag, attributes in page.tags) == 2
    assert (tmp_path / "run" / "report.html").stat().st_size < 3_000_000


def test_the_command_and_flags(tmp_path):
    folder = make_run(tmp_path / "run", word_vec_path="my vectors.txt", mu=7, amp=False)
    assert "--word-vec-path 'my vectors.txt'" in _report(folder).text
    assert "The command was not recorded" in _report(folder).text
    config = json.loads((folder / "config.json").read_text())
    for command in ("python run_semco.py --mu 7", ["python", "run_semco.py", "--mu", "7"]):
        (folder / "config.json").write_text(json.dumps({**config, "command": command}))
        page = _report(folder)
        assert "python run_semco.py \\\n    --mu 7" in page.text
        assert "The command was not recorded" not in page.text


def test_a_command_is_broken_between_its_words_only(tmp_path):
    folder = make_run(tmp_path / "run", with_tables=False)
    config = json.loads((folder / "config.json").read_text())
    for command, shown in {
        "python run_semco.py --output-dir 'my --runs'": "python run_semco.py \\\n    --output-dir 'my --runs'\n",
        "python run_semco.py --output-dir 'my --runs": "python run_semco.py --output-dir 'my --runs\n",
    }.items():
        (folder / "config.json").write_text(json.dumps({**config, "command": command}))
        assert shown in _report(folder).text


def test_an_evaluation_of_another_epoch_is_named(tmp_path):
    folder = make_run(tmp_path / "run", images=2000)
    accuracy = json.loads((folder / "evaluation.json").read_text())["heads"]["class"]["top1"]["accuracy"]
    lines = [{"epoch": 1, "top1": 100 * accuracy, "top1_emb": 1, "top1_combined": 1}, {"epoch": 2, "top1": 10.0}]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert "the best epoch's network, number 1" in _report(folder).text
    (folder / "metrics.jsonl").write_text(json.dumps(lines[1]))
    assert "neither the last nor the best epoch" in _report(folder).text


def test_damaged_files_are_one_line_and_leave_the_report_as_it_was(tmp_path):
    folder = make_run(tmp_path / "run")
    before = write_report(folder).read_bytes()
    evaluation = json.loads((folder / "evaluation.json").read_text())
    del evaluation["heads"]["class"]["confusion"]
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    with pytest.raises(SemcoError, match=r"evaluation\.json is damaged \(KeyError\('confusion'\)\)"):
        write_report(folder)
    (folder / "evaluation.json").unlink()
    (folder / "predictions.parquet").write_bytes(b"nothing")
    with pytest.raises(SemcoError, match=r"predictions\.parquet is no intact Parquet file"):
        write_report(folder)
    assert (folder / "report.html").read_bytes() == before


def test_a_full_disk_leaves_no_half_report(tmp_path, small_disk):
    folder = make_run(tmp_path / "run", with_tables=False)
    small_disk(1000)
    with pytest.raises(SemcoError, match="no space left to write"):
        write_report(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json", "label_groups.csv", "metrics.jsonl", "summary.json",
    ]  # fmt: skip


def test_flags_in_sentences_are_code():
    marked = with_flags("Train with --lam-u 0 --thr-emb 0.7. <b>")
    assert marked == "Train with <code>--lam-u 0</code> <code>--thr-emb 0.7</code>. &lt;b&gt;"
    assert with_flags("--thr 3x") == "<code>--thr</code> 3x"


@needs_browser
@pytest.mark.parametrize("kind", ["plain", "hostile", pytest.param("thousand", marks=pytest.mark.slow), "old"])
def test_a_browser_finds_nothing_to_complain_about(tmp_path, kind):
    make_images(tmp_path / "data" / "made", 200)
    made = {
        "plain": {},
        "hostile": {"names": HOSTILE},
        "thousand": {"classes": 1000, "images": 2000, "epochs": 300},
        "old": {"with_tables": False, "epochs": 1},
    }[kind]
    report = write_report(make_run(tmp_path / "run", dataset_path=str(tmp_path / "data"), **made))
    assert console_lines(report, tmp_path / "profile") == []
    for width in (390, 1280):
        found = measure(report, tmp_path / f"at{width}", width=width)
        assert found["innerWidth"] == width
        assert found["scrollWidth"] <= width, found["wide"]
        assert (found["missing"], found["scripts"], found["handlers"]) == (0, 0, 0)
        assert found["sections"] == SECTIONS
        assert found["charts"] >= 5
        assert found["images"] == (0 if kind == "old" else found["images"])


@needs_browser
def test_light_and_dark(tmp_path):
    report = write_report(make_run(tmp_path / "run", with_tables=False))
    light, dark = (measure(report, tmp_path / name, width=390, dark=name == "dark") for name in ("light", "dark"))
    assert light["background"] == "rgb(247, 247, 245)"
    assert dark["background"] == "rgb(20, 23, 26)"


@needs_browser
def test_the_browser_would_notice(tmp_path):
    """The test above can fail: a page with each of the faults is found out."""
    page = tmp_path / "bad.html"
    page.write_text(
        '<!doctype html><html><head><meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
        '</head><body><p style="width: 2000px">wide</p><img src="gone.png"><script>1</script></body></html>'
    )
    assert console_lines(page, tmp_path / "profile")
    found = measure(page, tmp_path / "copy", width=390)
    assert found["scrollWidth"] >= 2000
    assert (found["missing"], found["scripts"]) == (1, 1)
