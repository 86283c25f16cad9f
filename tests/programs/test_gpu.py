"""What only a GPU can show: the CPU's pixels and losses, no synchronisation inside a step, graphs equal to eager steps."""

import json
import warnings

import pytest
import torch

import run_semco
from benchmarks.parts.workload import build_workload, losses_of

pytestmark = pytest.mark.gpu
SMALL = {"steps": 12, "batch": 8, "depth": 10, "width": 1, "classes": 5, "dim": 8, "images": 60}
SHORT_RUN = {"separate_strong": True, "ramp_up": True}


@pytest.mark.parametrize("pixels_on", ["cuda", "cpu"])
def test_views_equal_those_of_the_cpu(pixels_on):
    on_gpu, on_cpu = build_workload("cuda", pixels_on=pixels_on, **SMALL), build_workload("cpu", **SMALL)
    for one, two in zip(on_gpu.batches(), on_cpu.batches(), strict=True):
        assert one.images.is_cuda
        assert torch.equal(one.labels.cpu(), two.labels)
        torch.testing.assert_close(one.images.cpu(), two.images, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, SHORT_RUN])
def test_losses_follow_those_of_the_cpu(monkeypatch, options):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    gpu, cpu = (losses_of(build_workload(device, **SMALL, **options)) for device in ("cuda", "cpu"))
    assert gpu[:4] == pytest.approx(cpu[:4], rel=1e-3)
    assert gpu == pytest.approx(cpu, rel=0.05)


@pytest.mark.parametrize("options", [{}, SHORT_RUN])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_graph_equals_eager_steps(dtype, options):
    eager, captured = (
        losses_of(build_workload("cuda", dtype=dtype, graph=graph, **SMALL, **options)) for graph in (False, True)
    )
    assert captured == pytest.approx(eager, rel=1e-3)


@pytest.mark.filterwarnings("default")
def test_compiled_and_captured_steps_equal_eager_ones():
    eager, both = (
        losses_of(build_workload("cuda", graph=together, compiled=together, **SMALL)) for together in (False, True)
    )
    assert both == pytest.approx(eager, rel=1e-2)


def _set_sync_debug_mode(mode):
    """PyTorch warns that the mode is a prototype, and the tests take warnings for errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode(mode)


@pytest.mark.parametrize("most_skipped", [0, 5])
@pytest.mark.parametrize("pixels_on", ["cuda", "cpu"])
@pytest.mark.parametrize("graph", [False, True])
def test_no_step_waits_for_the_gpu(graph, pixels_on, most_skipped):
    work = build_workload("cuda", graph=graph, pixels_on=pixels_on, most_skipped=most_skipped, **SMALL)
    try:
        for step, batch in enumerate(work.batches()):
            if step == 6:  # kernels are chosen, the graph is captured, the warps' taps are on the GPU
                torch.cuda.synchronize()
                _set_sync_debug_mode("error")
            work.trainer.train_step(batch.images, batch.labels, step=step)
    finally:
        _set_sync_debug_mode("default")


def test_float16_scales_its_losses():
    short, full = (losses_of(build_workload("cuda", dtype=dtype, **SMALL)) for dtype in (torch.float16, torch.float32))
    assert short == pytest.approx(full, rel=0.1)


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--cuda-graph"],
        ["--amp-dtype", "float16"],
        ["--data-device", "cuda"],
        ["--data-device", "cpu"],
        ["--on-nan", "skip"],
        ["--cuda-graph", "--on-nan", "skip"],
    ],
    ids=" ".join,
)
def test_a_whole_run(tiny_dataset, tmp_path, flags):
    arguments = [
        *("--dataset-path", str(tiny_dataset), "--dataset-name", "tiny", "--output-dir", str(tmp_path)),
        *(
            "--train-split-pickle",
            str(tiny_dataset / "split.pkl"),
            "--word-vec-path",
            str(tiny_dataset / "vectors.txt"),
        ),
        *("--wres-n", "10", "--wres-k", "1", "--bn-momentum", "0.1", "--batch-size", "8", "--n-imgs-per-epoch", "80"),
        *("--n-epoches", "2", "--thr", "0.3", "--thr-emb", "0.1", "--device", "cuda", "--no-parallel"),
    ]
    assert run_semco.main([*arguments, *flags]) == 0
    lines = next(tmp_path.rglob("metrics.jsonl")).read_text().splitlines()
    assert json.loads(lines[-1])["loss"] < json.loads(lines[0])["loss"]


def test_an_undone_step_leaves_every_bit():
    work = build_workload("cuda", most_skipped=5, **SMALL)
    batches, trainer = iter(work.batches()), work.trainer
    batch = next(batches)
    trainer.train_step(batch.images, batch.labels, step=0)
    state = {
        **trainer.model.state_dict(),
        **{f"ema {name}": one for name, one in trainer.ema.module.state_dict().items()},
    }
    before = {name: one.clone() for name, one in state.items()}
    trainer.train_step(batch.images * float("nan"), batch.labels, step=1)
    assert all(torch.equal(one, before[name]) for name, one in state.items())
    trainer.train_step(batch.images, batch.labels, step=2)
    assert not torch.equal(state["fc_classes.weight"], before["fc_classes.weight"])
