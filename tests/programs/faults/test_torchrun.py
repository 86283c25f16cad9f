"""Under torchrun: signals to it, its own end, and restarts of its workers."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.run_equality import assert_equal_runs, records_without_times
from tests.support.several_processes import launched, together, watched
from tests.support.tiny_runs import flags_for

STEPS = 20  # an epoch; the processes agree every 20 steps
KILL, TERM, USR1 = signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1
_KNOWS_SIGNALS = "--signals-to-handle" in (
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--help"], capture_output=True, text=True).stdout
)


def flags(root: Path, output: Path, *more: str) -> list[str]:
    shape = ("--batch-size", "4", "--n-imgs-per-epoch", str(4 * STEPS), "--ema-alpha", "0.9", "--thr-emb", "0.9")
    return flags_for(root, output, *shape, "--num-workers-per-gpu", "0", *more)


def only_run(output: Path) -> Path:
    (folder,) = output.glob("tiny/x14/*")
    return folder


@pytest.fixture(scope="module")
def whole(tiny_dataset, tmp_path_factory):
    """The run folder of two processes that nothing interrupted."""
    output = tmp_path_factory.mktemp("whole")
    ended = together(*watched(*flags(tiny_dataset, output)))
    assert [process.returncode for process in ended] == [0, 0], ended
    return only_run(output)


@pytest.mark.parametrize(
    ("number", "options", "says"),
    [
        # torchrun ends and leaves its workers, which notice that.
        (USR1, (), "stopped by SIGTERM"),
        pytest.param(KILL, (), "stopped by SIGTERM", marks=pytest.mark.slow),
        # It passes the signal on.
        pytest.param(TERM, (), "stopped by SIGTERM", marks=pytest.mark.slow),
        pytest.param(
            USR1,
            ("--signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1",),
            "stopped by SIGUSR1",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not _KNOWS_SIGNALS, reason="this torchrun knows no --signals-to-handle"),
            ],
        ),
    ],
)
def test_a_signal_to_torchrun_saves(tiny_dataset, whole, tmp_path, number, options, says):
    plan = {"rank": 0, "step": 5, "action": "signal launcher", "number": number}
    stopped = launched(*watched(*flags(tiny_dataset, tmp_path), **plan), options=options)
    forwarded = number == TERM or bool(options)
    assert stopped.returncode == (1 if forwarded else -number)
    assert "saved after 0 epochs and 20 steps" in stopped.stdout or "saved after 1 epochs and 0 steps" in stopped.stdout
    assert stopped.stderr.count(says) == 1
    assert not (only_run(tmp_path) / "summary.json").exists()
    ended = together(*watched(*flags(tiny_dataset, tmp_path, "--resume", "auto")))
    assert [process.returncode for process in ended] == [0, 0], ended
    assert_equal_runs(whole, only_run(tmp_path))


@pytest.mark.parametrize("rank", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_process_is_restarted(tiny_dataset, whole, tmp_path, rank):
    plan = {"rank": rank, "step": STEPS + 5, "action": "signal", "number": KILL}
    ended = launched(
        *watched(*flags(tiny_dataset, tmp_path, "--resume", "auto"), **plan), options=("--max-restarts=3",)
    )
    assert ended.returncode == 0, ended.stderr
    assert "1 epochs and 0 steps are done" in ended.stdout
    assert ended.stdout.count("run folder:") == 2
    assert_equal_runs(whole, only_run(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(4, 1), (1, 4), (4, 2)])
def test_a_checkpoint_of_some_processes_resumes_on_others(tiny_dataset, tmp_path, before, after):
    frozen = flags(tiny_dataset, tmp_path, "--freeze-backbone", "--resume", "auto")
    assert launched(*watched(*frozen, "--break-epoch", "1"), size=before).returncode == 0
    assert launched(*watched(*frozen), size=after).returncode == 0
    whole = flags(tiny_dataset, tmp_path / "whole", "--freeze-backbone")
    assert launched(*watched(*whole), size=1).returncode == 0
    for one, other in zip(*map(records_without_times, (only_run(tmp_path), only_run(tmp_path / "whole"))), strict=True):
        assert one == pytest.approx(other, rel=1e-4)
