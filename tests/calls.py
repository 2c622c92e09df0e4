"""The command line called from a test: in this process, or in a child with limits of its own."""

from __future__ import annotations

import io
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsddpm.errors import JsddpmError
from jsddpm_cli.app import command, main


@dataclass(frozen=True)
class Found:
    """What a call left behind.

    Attributes:
        status: Exit status; minus the signal that ended a child.
        out: Standard output.
        err: Standard error.
        seconds: Time of work, of this process or of the child: a busy machine makes nothing late.
        peak: Largest resident memory of a child, in bytes.
        error: What :func:`invoke` met, which ``jsddpm`` would have printed.
    """

    status: int
    out: str = ""
    err: str = ""
    seconds: float = 0.0
    peak: int = 0
    error: Exception | None = None

    @property
    def said(self) -> str:
        """Everything printed, with single blanks."""
        return " ".join((self.err + " " + self.out).split())


def status_of(work: Callable[[], object]) -> int:
    """Run what leaves by ``sys.exit``, as a console script does; its exit status."""
    try:
        work()
    except SystemExit as leaving:
        return 0 if leaving.code is None else int(leaving.code)
    return 0


def call(*words: object) -> Found:
    """Run a command in this process."""
    start = time.process_time()
    with _streams() as printed, _arguments(words):
        status = status_of(main)
    return Found(status, *printed(), time.process_time() - start)


def invoke(*words: object) -> Found:
    """Run a command in this process, and keep its error as it was raised; its status is then 1."""
    error, start = None, time.process_time()
    with _streams() as printed:
        try:
            status = status_of(lambda: command().main([*map(str, words)], prog_name="jsddpm"))
        except Exception as caught:
            status, error = 1, caught
    return Found(status, *printed(), time.process_time() - start, error=error)


def refusal(work: Callable[[], object]) -> Found:
    """Run a call of the Python interface; an error of ours as the command line would show it."""
    start = time.process_time()
    try:
        said = work()
    except JsddpmError as error:
        return Found(int(error.status), "", f"{error}\n", time.process_time() - start)
    return Found(0, "" if said is None else str(said), "", time.process_time() - start)


def child(*words: object, **options: Any) -> Found:
    """Run a command in a forked child, with real file descriptors; for the options see :func:`forked`."""
    return forked(lambda: _command(words), **options)


def forked(
    work: Callable[[], int],
    *,
    limits: Mapping[int, int] | None = None,
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
    user: int | None = None,
    encoding: str = "utf-8",
    while_running: Callable[[int], object] | None = None,
) -> Found:
    """Run ``work`` in a forked child that leaves with the status it returns.

    Args:
        work: Called in the child.
        limits: ``resource.RLIMIT_...`` and bytes; a file that grows too large is then an error, no signal.
        environment: Variables to set.
        stdout: File descriptor that takes the place of standard output.
        user: Number of the user that the child becomes; only root can.
        encoding: Encoding of its streams.
        while_running: Called with the child's process number, to send it signals.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            status = 70
            try:
                os.dup2(out.fileno() if stdout is None else stdout, 1)
                os.dup2(err.fileno(), 2)
                sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
                sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
                _restrict(limits or {}, environment or {}, user)
                status = work()
            finally:
                _leave(status)
        if while_running is not None:
            while_running(pid)
        _, waited, usage = os.wait4(pid, 0)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Found(os.waitstatus_to_exitcode(waited), *texts, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _restrict(limits: Mapping[int, int], environment: Mapping[str, str], user: int | None) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for which, value in limits.items():
        resource.setrlimit(which, (value, value))
    os.environ.update(environment)
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)


def _command(words: tuple[object, ...]) -> int:
    with _arguments(words):
        return status_of(main)


def _leave(status: int) -> None:
    """End the child without the parent's exit handlers, its output flushed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    os._exit(status)


@contextmanager
def _streams():
    """Standard output and error go into memory; what was printed is read by the call."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors, write_through=True)
        for errors in ("strict", "backslashreplace")
    )
    with redirect_stdout(out), redirect_stderr(err):
        yield lambda: [stream.buffer.getvalue().decode() for stream in (out, err)]


@contextmanager
def _arguments(words: tuple[object, ...]):
    before, debug = sys.argv, os.environ.pop("JSDDPM_DEBUG", None)
    sys.argv = ["jsddpm", *map(str, words)]
    try:
        yield
    finally:
        sys.argv = before
        if debug is not None:
            os.environ["JSDDPM_DEBUG"] = debug


def open_to_all() -> Path:
    """A new folder that every user of this machine may enter."""
    folder = Path(tempfile.mkdtemp(prefix="jsddpm-"))
    folder.chmod(0o777)
    return folder
