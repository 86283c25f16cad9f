"""Signals stop at once, or wait for the program to ask, as it wishes."""

import os
import signal
import threading

import pytest

from utils.processes.signals import StopRequest
from utils.stopping import Stopped


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP])
def test_at_once(number):
    former = signal.getsignal(number)
    with pytest.raises(Stopped, match=signal.Signals(number).name) as caught, StopRequest():
        send(number)
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is former


def test_deferred():
    reached = []
    with pytest.raises(Stopped) as caught, StopRequest() as request, request.deferred():
        send(signal.SIGUSR1)
        send(signal.SIGTERM)
        reached.append(request.number)
    assert reached == [signal.SIGUSR1]
    assert caught.value.exit_code == 128 + signal.SIGUSR1


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_interrupt_does_not_wait(first):
    reached = []
    with pytest.raises(Stopped) as caught, StopRequest() as request, request.deferred():
        send(first)
        reached.append("once")
        send(signal.SIGINT)
        reached.append("twice")
    assert reached == ["once"]
    assert caught.value.exit_code == 128 + first


def test_cleaning_up_is_not_disturbed():
    """After the signal that stopped it, a program that puts its things in order hears of no other but SIGINT."""
    tidied = []
    with pytest.raises(Stopped), StopRequest():
        try:
            send(signal.SIGTERM)
        finally:
            send(signal.SIGTERM)
            tidied.append(True)
    assert tidied == [True]


def test_an_error_in_a_deferred_block_stays_what_it_is():
    with pytest.raises(ValueError), StopRequest() as request, request.deferred():
        send(signal.SIGTERM)
        raise ValueError


def test_ignored_signals_stay_ignored():
    former = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with StopRequest() as request:
            send(signal.SIGUSR1)
            assert request.number is None
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, former)


def test_no_error_handler_catches_it():
    with pytest.raises(Stopped), StopRequest():
        try:
            send(signal.SIGTERM)
        except Exception:
            pytest.fail("taken for an error")


def test_other_threads_leave_signals_alone():
    former, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with StopRequest():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [former]
