"""The application: its commands, and how an error becomes one line and an exit status."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from jsddpm.errors import ExitStatus, JsddpmError, environment_error, printable
from jsddpm_cli.commands import apps

app = typer.Typer(
    name="jsddpm",
    help="Joint FLAIR-and-lesion diffusion on brain MRI slices, and its bin-aware evaluation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in apps():
    app.add_typer(command)


def _show_version(value: bool) -> None:
    if value:
        from jsddpm import __version__

        typer.echo(f"jsddpm {__version__}")
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


def main() -> None:
    """Entry point: run a command; every failure is one line on stderr and its exit status."""
    try:
        app()
    except JsddpmError as error:
        _leave(str(error), error.status, error)
    except MemoryError as error:
        problem = environment_error("MEMORY", "out of memory", fix="use a smaller batch or fewer jobs")
        _leave(str(problem), problem.status, error)
    except KeyboardInterrupt:
        sys.exit(ExitStatus.SIGINT)
    except Exception as error:
        _leave(_internal(error), ExitStatus.INTERNAL, error)


def _leave(message: str, status: ExitStatus, error: BaseException) -> None:
    if os.environ.get("JSDDPM_DEBUG"):
        import traceback

        traceback.print_exception(error)
    print(message, file=sys.stderr)
    sys.exit(status)


def _internal(error: Exception) -> str:
    """A bug of ours: the traceback goes to a file, not to the screen, which may be shared."""
    import tempfile
    import traceback

    handle, path = tempfile.mkstemp(prefix="jsddpm-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        traceback.print_exception(error, file=stream)
    kind = type(error).__name__
    cure = f"report it with {printable(path)} (check it for names first)"
    return f"error[INTERNAL]: {kind}: this is a bug in jsddpm; fix: {cure}"
