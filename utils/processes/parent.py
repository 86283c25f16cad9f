"""End with the process that started this one, however that one ended."""

import multiprocessing
import os
import signal
import threading
import time

_PAUSE = 0.2
# Seconds in which a process whose parent has ended may finish its step and save.
_GRACE_TO_SAVE = 60.0


def end_with_parent() -> None:
    """End this process, which Python's multiprocessing started, as soon as its parent has ended."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True, name="follow parent").start()


def follow_parent() -> None:
    """Ask this process to stop, as SIGTERM does, as soon as its parent has ended; end it if it does not.

    A torchrun that is killed, or ended by a signal that it does not handle, leaves its workers behind.
    """
    parent = os.getppid()

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(_PAUSE)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_TO_SAVE)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=follow, daemon=True, name="follow parent").start()
