"""Signals that end a program, on systems that know them."""

import os
import signal

import pytest

from utils.stopping import StopAtOnce, Stopped, existing_signals, receiving


def test_only_signals_that_exist():
    assert existing_signals("SIGTERM", "SIGNOTHING", "SIGINT") == (signal.SIGTERM, signal.SIGINT)


def test_the_first_signal_ends_and_further_ones_do_not_disturb():
    tidied = []
    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped, match="SIGTERM") as caught, receiving((signal.SIGTERM,), StopAtOnce()):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            tidied.append(True)
    assert (caught.value.exit_code, tidied) == (143, [True])
    assert signal.getsignal(signal.SIGTERM) is former


def test_ignored_signals_stay_ignored():
    """As nohup wants it."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with receiving((signal.SIGHUP,), StopAtOnce()):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)
