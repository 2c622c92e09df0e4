"""The application: its commands; each error becomes one line on stderr and an exit status."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Annotated, Any

import typer
from typer.main import get_command

from jsddpm.errors import ExitStatus, JsddpmError, environment_error, printable
from jsddpm_cli.commands import apps
from jsddpm_cli.console import say
from jsddpm_cli.help import Group
from jsddpm_cli.messages import as_typed, usage_problem
from jsddpm_cli.signals import Stopped, advised, interrupted, stoppable, stopped
from jsddpm_cli.streams import guarded

app = typer.Typer(
    name="jsddpm",
    help="Evaluate generated brain MRI slices and lesion masks bin by bin, and train a generator of them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    cls=Group,
)
for part in apps():
    app.add_typer(part)


def _show_version(value: bool) -> None:
    if value:
        from jsddpm import __version__

        say(f"jsddpm {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of every command."""
    if debug:
        os.environ["JSDDPM_DEBUG"] = "1"


@cache
def command() -> Any:
    """The command that parses words and runs what they ask for, built once: that takes 0.1 s, and calls leave no trace.

    >>> list(command().commands)[0]
    'demo'
    """
    return get_command(app)


def main() -> None:
    """Entry point: run a command; a failure is one line on stderr and an exit status."""
    with guarded():
        _run()


def _run() -> None:
    try:
        with stoppable():
            status = command()(prog_name="jsddpm", standalone_mode=False)
        if status == ExitStatus.SIGINT:  # typer returns it for Ctrl-C
            raise KeyboardInterrupt
        sys.stdout.flush()
        sys.exit(status or 0)
    except _UsageError as error:
        sys.stdout.flush()
        problem = usage_problem(error, _requested())
        _leave(str(problem), problem.status, error)
    except JsddpmError as error:
        _leave(as_typed(advised(error, _requested()), sys.argv[1:]), error.status, error)
    except KeyboardInterrupt as error:
        _leave(str(interrupted(_requested())), ExitStatus.SIGINT, error)
    except Stopped as error:
        _leave(str(stopped(_requested())), ExitStatus.SIGTERM, error)
    except Exception as error:
        if refusal := _of_the_machine(error):
            _leave(str(refusal), refusal.status, error)
        _leave(_internal(error), ExitStatus.INTERNAL, error)


_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer's own, or click's, by its version


def _requested() -> str:
    """The command of this process, such as ``jsddpm cache build``; errors of the parser do not always know it."""
    known, names = command().commands, ["jsddpm"]
    for word in (w for w in sys.argv[1:] if not w.startswith("-")):
        if word not in known:
            break
        names.append(word)
        known = getattr(known[word], "commands", {})
    return " ".join(names)


def _leave(message: str, status: ExitStatus, error: BaseException) -> None:
    if os.environ.get("JSDDPM_DEBUG"):
        import traceback

        traceback.print_exception(error)
    print(message, file=sys.stderr)
    sys.exit(status)


def _of_the_machine(error: Exception) -> JsddpmError | None:
    """The error for a refusal of the machine that no other code caught; None for a bug."""
    from jsddpm.refusals import refused
    from jsddpm.runtime import out_of_memory

    if out_of_memory(error):
        return environment_error("MEMORY", "out of memory", fix="use a smaller batch or fewer jobs")
    return refused(error) if isinstance(error, OSError) else None


def _internal(error: Exception) -> str:
    """A bug of jsddpm; the traceback goes to a file because it may contain names, and a screen may be shared."""
    import tempfile
    import traceback

    handle, path = tempfile.mkstemp(prefix="jsddpm-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        traceback.print_exception(error, file=stream)
    kind = type(error).__name__
    cure = f"report it with the file {printable(path)} (remove names of patients from it first)"
    return f"error[INTERNAL]: {kind}: this is a bug in jsddpm; fix: {cure}"
