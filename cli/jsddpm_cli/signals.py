"""SIGTERM, by which batch systems end a command: finished work is kept, a message says so, the exit status is 143."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.runtime import processes


class Stopped(BaseException):
    """SIGTERM arrived; not an ``Exception``, so that nothing takes it for a failure."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM into :class:`Stopped` within the block; a second one ends the process at once.

    Training installs handlers of its own while it lasts. A process of several is ended by the system as before: it may
    wait for another one, where no handler runs.
    """
    _, local, machines = processes()
    if threading.current_thread() is not threading.main_thread() or local * machines > 1:
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != owner:  # a child that was forked from this process
            os.kill(os.getpid(), signal.SIGTERM)
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stopped() -> JsddpmError:
    """What is said of :class:`Stopped`."""
    cure = "repeat the command; cache build and train go on with --resume"
    return JsddpmError("TERMINATED", "stopped by SIGTERM", fix=cure, status=ExitStatus.SIGTERM)
