"""Start programs in several processes, as torchrun does; and the program as one of them, watched.

`python -m tests.support.several_processes PLAN FLAG ...` runs `run_semco.py` without pictures and keeps the weights of
every process beside the run folders. PLAN, JSON: `{"rank": 1, "step": 3, "action": "signal", "number": 15}` sends that process
SIGTERM after that step of the run, unless torchrun has restarted it; `signal launcher` sends it to the process that started
it, `fail` raises a user's mistake, `bug` an error, `hang` waits for ever; `{}` does nothing. `"patience": 5` shortens how long a
silent process and an operation are waited for to so many seconds. Beside the weights is each process's loss of every step.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
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
            ended.enter_context(started(*command, RANK=str(rank), LOCAL_RANK=str(rank), **shared))
            for rank in range(size)
        ]
        return [finished(process) for process in processes]


def launched(*command: str, options: tuple[str, ...] = (), size: int = 2) -> subprocess.CompletedProcess:
    """Run a Python command in several processes that torchrun starts with these options; returns how torchrun ended."""
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={size}", "--local-addr=127.0.0.1")
    with started(*launcher, *options, *command) as process:
        return finished(process)


def watched(*flags: str, **plan: str | int) -> tuple[str, ...]:
    """The command that runs this file as a script."""
    return ("-m", __name__, json.dumps(plan), *flags)


@contextlib.contextmanager
def started(*command: str, **environment: str):
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


def finished(process: subprocess.Popen) -> subprocess.CompletedProcess:
    output, errors = process.communicate(timeout=_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _act(plan: dict[str, str | int]) -> None:
    from utils.errors import SemcoError

    match plan["action"]:
        case "fail":
            raise SemcoError("this process alone")
        case "bug":
            raise ZeroDivisionError("a bug")
        case "hang":
            time.sleep(600)
        case "signal":
            os.kill(os.getpid(), plan["number"])
        case "signal launcher":
            os.kill(os.getppid(), plan["number"])
            time.sleep(2)  # its workers notice within a fraction of a second, in which a fast machine trains an epoch


def _run(plan: dict[str, str | int], flags: list[str]) -> int:
    import torch

    import run_semco
    from models.losses import LossParts
    from models.step.tally import Tally
    from models.trainer import Trainer
    from utils.processes import watch, world
    from utils.run.folder import RunFolder

    is_first = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
    rank, output = int(os.environ["RANK"]), Path(flags[flags.index("--output-dir") + 1])
    train_step, finish_epoch, add, losses = Trainer.train_step, Trainer.finish_epoch, Tally.add, []
    if patience := plan.get("patience"):
        watch._SILENT_BEATS, world._LONGEST_OPERATION = patience, timedelta(seconds=patience)

    def step_and_act(self: Trainer, images: torch.Tensor, labels: torch.Tensor, *, step: int) -> None:
        train_step(self, images, labels, step=step)
        if is_first and (rank, step) == (plan.get("rank"), plan.get("step")):
            _act(plan)

    def add_and_keep(self: Tally, parts: LossParts, broken: torch.Tensor) -> None:
        losses.append(float(parts.total.detach()))
        add(self, parts, broken)

    def finish_and_keep(self: Trainer, *figures: dict) -> None:
        finish_epoch(self, *figures)
        weights = {"model": dict(self.model.named_parameters()), "ema": self.ema.module.state_dict()}
        torch.save({**weights, "losses": torch.tensor(losses)}, output / f"rank{rank}.pth")

    Trainer.train_step, Trainer.finish_epoch, Tally.add = step_and_act, finish_and_keep, add_and_keep
    RunFolder.draw_pictures = RunFolder.write_report = lambda *_: None
    return run_semco.main(flags)


if __name__ == "__main__":
    os.environ["TORCH_CPP_LOG_LEVEL"] = "FATAL"  # as the program does it, but here torch is imported before
    sys.exit(_run(json.loads(sys.argv[1]), sys.argv[2:]))
