"""How the processes of a run find each other: through one store, at an address that all of them know."""

import os
import socket
import threading
import time
import uuid
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from datetime import timedelta

import torch.distributed as dist

from utils.errors import SemcoError
from utils.processes.place import Place

# Starting and importing take a minute at most; a process that is not there by then will not come.
_MINUTES = 10.0
_PAUSE = 0.1
# A store answers at once; another program at its address may answer something else, or never.
_ANSWER_SECONDS = 30.0
# Any other call of a store ends after this long.
_LONGEST_ANSWER = timedelta(minutes=5)
_ARRIVED, _HELLO, _WELCOME = "arrived", "semco/hello", "semco/welcome"
BEAT, HOST = "beat", "host"


def meet(place: Place) -> tuple[dist.Store, str]:
    """Wait until all processes have arrived; return the store through which they then talk, and a prefix for another client.

    torch's own rendezvous waits in one long call in which no signal is heard. This one looks again and again. A torchrun
    that restarts its workers keeps their store, with what earlier ones have left in it, and each torchrun counts restarts
    for itself. So the main process names the round, and says so to each of the others, who show that they are new.

    Raises:
        SemcoError: the address is wrong or taken, or somebody does not come.
    """
    until = time.monotonic() + 60 * _MINUTES
    store = _own_store(place) if place.hosts_store else _find_store(place, until)
    try:
        return _gather(place, store, until)
    except RuntimeError as error:  # a store that ends raises torch's own
        raise SemcoError(
            f"the process that keeps the store at {place.address}:{place.port} ended before all had come: its own output says why"
        ) from error


def _gather(place: Place, store: dist.Store, until: float) -> tuple[dist.Store, str]:
    own = uuid.uuid4().hex
    round_name = own if place.rank == 0 else _ask_for_round(place, store, own, until)
    store = dist.PrefixStore(round_name, store)
    store.set(f"{HOST}/{place.rank}", socket.gethostname())
    store.set(f"{BEAT}/{place.rank}", "0")
    there, welcomed = store.add(_ARRIVED, 1), {}
    while there < place.size:
        if place.rank == 0:
            _welcome(place, store.underlying_store, round_name, welcomed)
        if time.monotonic() > until:
            raise _absent(place, f"only {there} of {place.size} processes came")
        time.sleep(_PAUSE)
        there = store.add(_ARRIVED, 0)
    return store, round_name


def _welcome(place: Place, store: dist.Store, round_name: str, welcomed: dict[int, bytes]) -> None:
    """Answer every process that has asked for the round's name, and again if another one asks in its place."""
    for rank in range(1, place.size):
        if store.check([f"{_HELLO}/{rank}"]) and (asked := store.get(f"{_HELLO}/{rank}")) != welcomed.get(rank):
            store.set(f"{_WELCOME}/{rank}", asked.decode() + round_name)
            welcomed[rank] = asked


def _ask_for_round(place: Place, store: dist.Store, own: str, until: float) -> str:
    store.set(f"{_HELLO}/{place.rank}", own)
    answer = f"{_WELCOME}/{place.rank}"
    while not (store.check([answer]) and store.get(answer).decode().startswith(own)):
        if time.monotonic() > until:
            raise _absent(place, "the main process did not come")
        time.sleep(_PAUSE)
    return store.get(answer).decode().removeprefix(own)


def _find_store(place: Place, until: float) -> dist.Store:
    _await_listener(place, until)
    return others_store(place)


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


def others_store(place: Place) -> dist.Store:
    """Connect to a store that listens already, in a thread: torch waits for an answer for ever, deaf to signals.

    Raises:
        SemcoError: what listens there is something else.
    """
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
    store.set_timeout(_LONGEST_ANSWER)
    return store


def _absent(place: Place, what: str) -> SemcoError:
    return SemcoError(
        f"{what} to {place.address}:{place.port} within {_MINUTES:g} minutes: start all {place.size}, and check that the "
        "machines reach each other"
    )
