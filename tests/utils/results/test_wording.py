"""Numbers in sentences are not rounded to something else than they are."""

from utils.results.wording import count, duration, higher, percent, shortened


def test_percent_keeps_almost_nothing_apart_from_nothing():
    assert [percent(share) for share in (0.0, 0.0001, 0.12345, 0.9999, 1.0)] == [
        "0.0%", "under 0.1%", "12.3%", "over 99.9%", "100.0%",
    ]  # fmt: skip
    assert percent(0.5, 0) == "50%"


def test_words():
    assert count(1, "epoch") == "1 epoch"
    assert count(2000, "class", "classes") == "2,000 classes"
    assert higher(3.21) == "is 3.2 percentage points higher"
    assert higher(-0.5) == "is 0.5 percentage points lower"
    assert higher(0.01) == "is level with it"
    assert [duration(seconds) for seconds in (30, 600, 7200)] == ["30 s", "10 min", "2.0 h"]
    assert shortened("abcdef", 4) == "abc\u2026"
    assert shortened("abcd", 4) == "abcd"
