"""SIGTERM, with which batch systems stop a command, and Ctrl-C: finished work is kept; the statuses are 143 and 130."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.runtime import processes

_LATER = 0.05
"""Seconds after which a signal that Python ignored is sent again."""


class Stopped(BaseException):
    """SIGTERM arrived; a ``BaseException``, so that no handler of failures catches it."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM into :class:`Stopped` within the block; a second one ends the process at once.

    Python ignores what is raised in a destructor or in the callback of a weak reference. A signal that arrives there
    is sent again, so that it is not lost; the same holds for Ctrl-C. Training installs its own handlers while it runs.
    With several processes the system ends each of them as before, because a process that waits for another one runs no
    handler.
    """
    if threading.current_thread() is not threading.main_thread() or processes().world > 1:
        yield
        return
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != owner:  # a child that was forked from this process
            os.kill(os.getpid(), signal.SIGTERM)
        raise Stopped

    def send_again(ignored: Any) -> None:
        number = {Stopped: signal.SIGTERM, KeyboardInterrupt: signal.SIGINT}.get(ignored.exc_type)
        if number is None or os.getpid() != owner:
            hook(ignored)
            return
        if number == signal.SIGTERM:
            signal.signal(signal.SIGTERM, stop)
        threading.Timer(_LATER, os.kill, (owner, number)).start()

    before, hook = signal.signal(signal.SIGTERM, stop), sys.unraisablehook
    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, before)


_REPEATED = "repeat the command to continue"
_CONTINUED = {
    "jsddpm demo": _REPEATED,
    "jsddpm sample": _REPEATED,
    "jsddpm selftest": _REPEATED,
    "jsddpm utility": _REPEATED,
    "jsddpm train": "repeat the command with --resume in place of --preset, --config and --warm-start to continue",
    "jsddpm cache build": "repeat the command with --resume to continue",
}
"""How to continue with what an interrupted command has finished; other commands start again."""


def advised(error: JsddpmError, command: str) -> JsddpmError:
    """An error with the advice of a command, such as ``jsddpm cache build``, if a signal ended it; else unchanged.

    The functions that a command calls do not know it: ``jsddpm demo`` trains, and has no option ``--resume``.
    """
    if error.code != "TERMINATED":
        return error
    cure = _CONTINUED.get(command, "repeat the command")
    return JsddpmError(error.code, error.what, fix=cure, file=error.file, status=error.status)


def stopped(command: str = "") -> JsddpmError:
    """The error message of a command for :class:`Stopped`."""
    return advised(JsddpmError("TERMINATED", "stopped by SIGTERM", fix="", status=ExitStatus.SIGTERM), command)


def interrupted(command: str = "") -> JsddpmError:
    """The error message of a command for Ctrl-C."""
    return advised(JsddpmError("TERMINATED", "interrupted", fix="", status=ExitStatus.SIGINT), command)
