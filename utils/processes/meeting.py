"""How the processes of a run find each other: their places in the environment, as torchrun writes them, and one store."""

import os
import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from dataclasses import dataclass
from datetime import timedelta

import torch.distributed as dist

from utils.errors import SemcoError

# Starting and importing take a minute at most; a process that is not there by then will not come.
_MINUTES = 10.0
_PAUSE = 0.1
_ARRIVED = "semco/arrived"
# A store answers at once; another program at its address may answer something else, or never.
_ANSWER_SECONDS = 30.0
# The others wait for as long as the main process decodes a large dataset.
LONGEST_CALL = timedelta(hours=12)


@dataclass(frozen=True)
class Place:
    """One process's place: its rank among `size`, its rank on its machine, and the address of the main process's store."""

    rank: int
    size: int
    local_rank: int
    address: str
    port: int
    agent_prefix: str | None = None
    """Set under torchrun, whose agent has the store: what this start's keys begin with."""


def read_place(environment: Mapping[str, str]) -> Place | None:
    """Read this process's place among several; None when it is alone.

    Raises:
        SemcoError: a variable is missing, no number, or out of range.
    """
    size = _number(environment, "WORLD_SIZE", least=1, default="1")
    if size == 1:
        return None
    needed = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in needed if name not in environment]:
        raise SemcoError(
            f"WORLD_SIZE is {size} in the environment, but not {', '.join(missing)}: start the program with torchrun, or unset "
            "WORLD_SIZE"
        )
    rank = _number(environment, "RANK", least=0)
    if rank >= size:
        raise SemcoError(f"RANK is {rank} in the environment, but WORLD_SIZE is {size}: expected 0 to {size - 1}")
    has_agent = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return Place(
        rank=rank,
        size=size,
        local_rank=_number(environment, "LOCAL_RANK", least=0),
        address=environment["MASTER_ADDR"],
        port=_number(environment, "MASTER_PORT", least=1, most=65535),
        agent_prefix=f"semco/{environment.get('TORCHELASTIC_RESTART_COUNT', '0')}" if has_agent else None,
    )


def meet(place: Place) -> dist.Store:
    """Wait until all processes have arrived; return the store through which they then find each other.

    torch's own rendezvous waits in one long call in which no signal is heard. This one looks again and again.

    Raises:
        SemcoError: the address is wrong or taken, or somebody does not come.
    """
    until = time.monotonic() + 60 * _MINUTES
    if place.rank == 0 and place.agent_prefix is None:
        store = _own_store(place)
    else:
        _await_listener(place, until)
        store = _others_store(place)
    if place.agent_prefix is not None:
        store = dist.PrefixStore(place.agent_prefix, store)
    there = store.add(_ARRIVED, 1)
    while there < place.size:
        if time.monotonic() > until:
            raise _absent(place, f"only {there} of {place.size} processes came")
        time.sleep(_PAUSE)
        there = store.add(_ARRIVED, 0)
    return store


def _own_store(place: Place) -> dist.Store:
    try:
        # torch answers a port that is taken with lines of its own; asking first is one line.
        with socket.create_server(("", place.port)):
            pass
        return _store(place, is_master=True)
    except (OSError, RuntimeError) as error:
        # Python adds the address to the system's words; torch's are many lines.
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else str(error).splitlines()[0]
        raise SemcoError(f"MASTER_PORT {place.port} cannot be used ({reason}): choose another one") from error


def _await_listener(place: Place, until: float) -> None:
    """Wait until the main process listens."""
    while True:
        try:
            with socket.create_connection((place.address, place.port), timeout=5):
                return
        except socket.gaierror as error:
            raise SemcoError(
                f"MASTER_ADDR is {place.address!r} in the environment, which is no known machine ({error.strerror})"
            ) from error
        except OSError as error:
            if time.monotonic() > until:
                raise _absent(place, f"the main process does not answer ({error.strerror or error})") from error
        time.sleep(_PAUSE)


def _others_store(place: Place) -> dist.Store:
    """Connect to the main process's store, in a thread: torch waits for an answer for ever, and hears of no signal meanwhile."""
    connected: Future[dist.Store] = Future()

    def connect() -> None:
        try:
            connected.set_result(_store(place, is_master=False))
        except Exception as error:
            connected.set_exception(error)

    threading.Thread(target=connect, daemon=True, name="connect").start()
    try:
        return connected.result(timeout=_ANSWER_SECONDS)
    except (NoAnswerError, RuntimeError) as error:
        raise SemcoError(
            f"what listens at {place.address}:{place.port} is no process of this run: choose another MASTER_PORT"
        ) from error


def _store(place: Place, *, is_master: bool) -> dist.Store:
    store = dist.TCPStore(
        place.address,
        place.port,
        is_master=is_master,
        wait_for_workers=False,
        timeout=timedelta(seconds=_ANSWER_SECONDS / 3),
    )
    # Once they have met, the first to need a figure waits for the others as long as any call of theirs may take.
    store.set_timeout(LONGEST_CALL)
    return store


def _absent(place: Place, what: str) -> SemcoError:
    return SemcoError(
        f"{what} to {place.address}:{place.port} within {_MINUTES:g} minutes: start all {place.size}, and check that the "
        "machines reach each other"
    )


def _number(
    environment: Mapping[str, str], name: str, *, least: int, most: int = 2**31 - 1, default: str | None = None
) -> int:
    text = environment.get(name, default)
    assert text is not None
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and least <= int(text) <= most):
        up_to = f" to {most}" if most < 2**31 - 1 else ""
        raise SemcoError(
            f"{name} is {text[:50]!r} in the environment: expected a number from {least}{up_to}; start the program with "
            "torchrun, or unset WORLD_SIZE"
        )
    return int(text)
