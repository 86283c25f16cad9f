"""One JSON file of results per benchmark and machine, with everything that the figures depend on."""

import datetime
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from utils.files.atomic import write_text
from utils.run.environment import environment

RESULTS = Path(__file__).resolve().parent.parent / "results"


def machine() -> dict[str, Any]:
    """Describe the machine: processor, cores, GPU, versions."""
    facts = {"processor": _processor(), "cores": os.cpu_count(), "torch_threads": torch.get_num_threads()}
    facts["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name(0)
        facts["gpu_memory_gib"] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
        facts["cuda"] = torch.version.cuda
        facts["cudnn"] = torch.backends.cudnn.version()
    return {**facts, **environment()}


def write_results(name: str, figures: Any, *, command: str | None = None) -> Path:
    """Write `results/<name>.json`: the figures, the command that made them (default: this process's own), date and machine."""
    path = RESULTS / f"{name}.json"
    content = {
        "command": command or _own_command(),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "figures": figures,
    }
    write_text(path, json.dumps(content, indent=2) + "\n")
    return path


def _own_command() -> str:
    module = sys.modules["__main__"].__spec__.name
    return " ".join(["python -m", module, *sys.argv[1:]])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
