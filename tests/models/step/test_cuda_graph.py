"""When a step is captured, and what happens when it cannot be: with stand-ins for the driver, which only a GPU has."""

import contextlib
import logging

import pytest
import torch

from models.step.cuda_graph import CapturedStep

IMAGES, LABELS = torch.zeros(4, 3, 8, 8), torch.zeros(2, dtype=torch.int64)


class _Driver:
    """Notes the streams that are used, and replays by counting."""

    def __init__(self, monkeypatch, *, error: Exception | None = None) -> None:
        self.streams, self.current, self.captured_on, self.replays = [], None, None, 0
        driver = self

        class Stream:
            def __init__(self):
                driver.streams.append(self)

            def wait_stream(self, _): ...

        class Graph:
            def replay(self):
                driver.replays += 1

        @contextlib.contextmanager
        def capture(_, *, stream, capture_error_mode):
            assert capture_error_mode == "thread_local"
            driver.captured_on = stream
            yield
            if error:
                raise error

        @contextlib.contextmanager
        def use(stream):
            driver.current = stream
            yield
            driver.current = None

        main = Stream()
        driver.streams.clear()
        for name, stand_in in {
            "Stream": Stream,
            "CUDAGraph": Graph,
            "graph": capture,
            "stream": use,
            "current_stream": lambda: main,
        }.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)


def test_one_stream_warms_up_and_captures(monkeypatch):
    driver, used = _Driver(monkeypatch), []
    step = CapturedStep(lambda *_: used.append(driver.current))
    for _ in range(6):
        step(IMAGES, LABELS)
    assert len(driver.streams) == 1
    assert used == [*driver.streams * 3, None]  # three eager steps, one that is recorded
    assert driver.captured_on is driver.streams[0]
    assert driver.replays == 3


def test_another_shape_is_captured_anew(monkeypatch):
    driver, shapes = _Driver(monkeypatch), []
    step = CapturedStep(lambda images, _: shapes.append(len(images)))
    for _ in range(5):
        step(IMAGES[:3], LABELS)
    assert (shapes, driver.replays) == ([3] * 4, 2)
    for _ in range(6):
        step(IMAGES, LABELS)
    assert (shapes[4:], driver.replays) == ([4] * 4, 2 + 3)
    assert len(driver.streams) == 1


def test_a_failed_capture_goes_on_without(monkeypatch, caplog):
    driver, steps = _Driver(monkeypatch, error=RuntimeError("operation not permitted\nwhen capturing")), []
    step = CapturedStep(lambda *inputs: steps.append(inputs[0] is IMAGES))
    with caplog.at_level(logging.WARNING, logger="semco"):
        for _ in range(6):
            step(IMAGES, LABELS)
    assert steps == [True] * 3 + [False] + [True] * 3  # the false one was recorded only
    assert driver.replays == 0
    assert [record.getMessage() for record in caplog.records] == [
        "--cuda-graph: this step cannot be captured (operation not permitted); training without a graph"
    ]


def test_a_full_memory_is_no_reason_to_go_on(monkeypatch):
    _Driver(monkeypatch, error=torch.OutOfMemoryError("full"))
    step = CapturedStep(lambda *_: None)
    for _ in range(3):
        step(IMAGES, LABELS)
    with pytest.raises(torch.OutOfMemoryError):
        step(IMAGES, LABELS)
