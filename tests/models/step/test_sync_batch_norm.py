"""With --sync-bn, several processes train as one does."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from models.step.sync_batch_norm import synchronise_batch_norm
from tests.support.several_processes import together, watched
from tests.support.tiny_runs import flags_for
from utils.errors import SemcoError
from utils.processes.world import World

STEPS = 50
_COMPARE = """
import json, torch
from torch import nn
from models.step.sync_batch_norm import synchronise_batch_norm
from utils.processes.start import met_siblings
from utils.processes.world import join_world

def train(layer, images):
    images = images.clone().requires_grad_()
    layer(images).square().mul(torch.arange(1.0, 6.0)).mean().backward()
    return images.grad

torch.manual_seed(0)
images = torch.randn(8, 3, 4, 5) * 3 + 100  # far from zero: squares would lose what the variance is made of
alone = nn.BatchNorm2d(3, momentum=0.3)
nn.init.uniform_(alone.weight), nn.init.uniform_(alone.bias)
with met_siblings() as siblings, join_world("cpu", parallel=True, siblings=siblings) as world:
    shared = nn.Sequential(nn.BatchNorm2d(3, momentum=0.3))
    shared[0].load_state_dict(alone.state_dict())
    shared = synchronise_batch_norm(shared, world)
    mine = slice(4 * world.rank, 4 * world.rank + 4)
    for _ in range(3):
        expected, found = train(alone, images), train(shared, images[mine])
    # Each process's loss is the mean over its own share, and DDP takes the mean of the processes' gradients.
    differences = {"images": found / world.size - expected[mine]}
    for name, weights in alone.named_parameters():
        differences[name] = world.sum(shared[0].get_parameter(name).grad) / world.size - weights.grad
    for name, buffer in alone.named_buffers():
        differences[name] = shared[0].get_buffer(name) - buffer
    shared.eval(), alone.eval()
    differences["evaluation"] = shared(images) - alone(images)
print(json.dumps({name: float(difference.abs().max()) for name, difference in differences.items()}))
"""


def test_two_processes_normalise_as_one():
    for process in together("-c", _COMPARE):
        assert process.returncode == 0, process.stderr
        differences = json.loads(process.stdout)
        assert set(differences) >= {"images", "weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
        assert differences == pytest.approx(dict.fromkeys(differences, 0.0), abs=2e-5)


def test_a_layer_that_is_unknown_is_refused():
    world = World(rank=0, size=2, device=torch.device("cpu"))
    with pytest.raises(
        SemcoError, match="--sync-bn cannot synchronise this network's BatchNorm1d on a CPU: drop the flag"
    ):
        synchronise_batch_norm(nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm1d(3)), world)


def _losses(root: Path, output: Path, size: int) -> tuple[torch.Tensor, dict]:
    """The loss of the global batch in each step, and the only epoch's record."""
    flags = flags_for(root, output, "--batch-size", "16", "--n-imgs-per-epoch", str(16 * STEPS), "--n-epoches", "1")
    # Cosines of embeddings that are still short make rounding grow from step to step, the faster the larger the rate is:
    # with 0.03 a batch in another order differs by more than this test allows.
    more = ("--sync-bn", "--lr", "1e-4", "--thr", "0.95", "--thr-emb", "0.95", "--ema-alpha", "0.9")
    for process in together(*watched(*flags, *more), size=size):
        assert process.returncode == 0, process.stderr
    shares = [torch.load(output / f"rank{rank}.pth", weights_only=True)["losses"] for rank in range(size)]
    (metrics,) = output.rglob("metrics.jsonl")
    return torch.stack(shares).mean(dim=0), json.loads(metrics.read_text())


@pytest.fixture(scope="module")
def one_process(tiny_dataset, tmp_path_factory):
    return _losses(tiny_dataset, tmp_path_factory.mktemp("one"), 1)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_the_first_losses_are_those_of_one_process(tiny_dataset, tmp_path, one_process, size):
    expected, record = one_process
    losses, other = _losses(tiny_dataset, tmp_path, size)
    assert len(losses) == STEPS
    assert expected[-5:].mean() < expected[:5].mean() - 0.2  # it learns
    assert losses.tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    for name in ("top1", "top5", "top1_emb", "top5_emb", "top1_combined"):
        assert other[name] == record[name]
    assert other["valid_loss"] == pytest.approx(record["valid_loss"], rel=1e-4)
