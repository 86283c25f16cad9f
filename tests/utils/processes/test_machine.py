"""One process of a machine makes something, and the others find it."""

import torch.distributed as dist

from utils.processes.machine import ALONE, Machine


def test_a_process_alone_makes_it_itself():
    made = iter("ab")
    assert [ALONE.once("x", lambda: next(made)) for _ in range(2)] == ["a", "b"]


def test_once_on_each_machine():
    store, made = dist.HashStore(), iter("abc")
    first, other = (Machine(name=name, processes=2, notes=store) for name in ("0", "1"))
    machines = (first, first, other, other, first)
    assert [machine.once("x", lambda: next(made)) for machine in machines] == ["a", "a", "b", "b", "a"]
    assert first.once("y", lambda: next(made)) == "c"
