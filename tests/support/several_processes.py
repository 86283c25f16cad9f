"""Start programs in several processes, as torchrun does; and the program as one of them, watched.

`python -m tests.support.several_processes PLAN FLAG ...` runs `run_semco.py` without pictures and keeps the weights of
every process beside the run folders. PLAN, JSON: `{"rank": 1, "step": 3, "action": "stop"}` sends that process SIGTERM after
that step of the run, `stop launcher` sends it to the process that started it, `fail` raises a user's mistake; `{}` does
nothing.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.project import ROOT

PROGRAM = str(ROOT / "run_semco.py")
# Threads would compete for the cores; only the machine itself is talked to.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    "PYTHONPATH": str(ROOT),
}
_SECONDS = 1200  # a hang, not a busy machine


def together(*command: str, size: int = 2) -> list[subprocess.CompletedProcess]:
    """Run a Python command in `size` processes that find each other; returns how each of them ended, by rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with contextlib.ExitStack() as ended:
        processes = [
            ended.enter_context(_started(*command, RANK=str(rank), LOCAL_RANK=str(rank), **shared))
            for rank in range(size)
        ]
        return [_finished(process) for process in processes]


def launched(*command: str) -> subprocess.CompletedProcess:
    """Run a Python command in two processes that torchrun starts; returns how torchrun ended."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--local-addr=127.0.0.1")
    with _started(*launcher, *command) as process:
        return _finished(process)


def watched(*flags: str, **plan: str | int) -> tuple[str, ...]:
    """The command that runs this file as a script."""
    return ("-m", __name__, json.dumps(plan), *flags)


@contextlib.contextmanager
def _started(*command: str, **environment: str):
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **_ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()  # torchrun passes it on, and kills its children half a minute later
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
        process.communicate()


def _finished(process: subprocess.Popen) -> subprocess.CompletedProcess:
    output, errors = process.communicate(timeout=_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _run(plan: dict[str, str | int], flags: list[str]) -> int:
    import torch

    import run_semco
    from models.trainer import Trainer
    from utils.errors import SemcoError
    from utils.run.folder import RunFolder

    rank, output = int(os.environ["RANK"]), Path(flags[flags.index("--output-dir") + 1])
    train_step, finish_epoch = Trainer.train_step, Trainer.finish_epoch

    def step_and_act(self: Trainer, images: torch.Tensor, labels: torch.Tensor, *, step: int) -> None:
        train_step(self, images, labels, step=step)
        if (rank, step) == (plan.get("rank"), plan.get("step")):
            if plan["action"] == "fail":
                raise SemcoError("this process alone")
            os.kill(os.getpid() if plan["action"] == "stop" else os.getppid(), signal.SIGTERM)

    def finish_and_keep(self: Trainer, *figures: dict) -> None:
        finish_epoch(self, *figures)
        weights = {"model": dict(self.model.named_parameters()), "ema": self.ema.module.state_dict()}
        torch.save(weights, output / f"rank{rank}.pth")

    Trainer.train_step, Trainer.finish_epoch = step_and_act, finish_and_keep
    RunFolder.draw_pictures = RunFolder.write_report = lambda *_: None
    return run_semco.main(flags)


if __name__ == "__main__":
    sys.exit(_run(json.loads(sys.argv[1]), sys.argv[2:]))
