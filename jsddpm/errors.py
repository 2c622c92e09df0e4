"""The one error type users meet: a code, the file, what is wrong, the cure, and the exit status.

Every check in the packages raises :class:`JsddpmError`; the command line prints it as
``error[CODE] FILE: what; fix: cure`` and leaves with its status. Anything else that escapes is a bug of ours.
"""

from __future__ import annotations

from enum import IntEnum
from os import PathLike, fspath


class ExitStatus(IntEnum):
    """Exit statuses of every ``jsddpm`` command."""

    OK = 0
    USAGE = 2
    BAD_INPUT = 3
    INTEGRITY = 4
    ENVIRONMENT = 5
    NON_FINITE = 6
    UNDEFINED = 7
    INTERNAL = 70
    SIGINT = 130
    SIGTERM = 143


def printable(text: str) -> str:
    r"""Escape control, bidirectional and undecodable characters, so a file name cannot alter a terminal.

    >>> printable("sub-01\x1b[31m.nii")
    'sub-01\\x1b[31m.nii'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


class JsddpmError(ValueError):
    """An error with its cure.

    Args:
        code: Short upper-case identifier, stable across versions (``NIFTI_TRUNCATED``).
        what: What is wrong, with the offending value.
        fix: What the user can do about it.
        file: The file or folder at fault, if there is one.
        status: Exit status of the command that hits it.

    >>> print(JsddpmError("Z_RANGE", "z_range [93, 24] is reversed", fix="give LO <= HI"))
    error[Z_RANGE]: z_range [93, 24] is reversed; fix: give LO <= HI
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        fix: str,
        file: str | PathLike[str] | None = None,
        status: ExitStatus = ExitStatus.BAD_INPUT,
    ) -> None:
        super().__init__(code, what, fix, file, status)
        self.code = code
        self.what = what
        self.fix = fix
        self.file = None if file is None else fspath(file)
        self.status = status

    def __str__(self) -> str:
        where = "" if self.file is None else f" {printable(self.file)}"
        return f"error[{self.code}]{where}: {printable(self.what)}; fix: {printable(self.fix)}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, self.args


def _rebuild(code: str, what: str, fix: str, file: str | None, status: ExitStatus) -> JsddpmError:
    """Rebuild from positional arguments, so the error crosses process boundaries (worker pools pickle it)."""
    return JsddpmError(code, what, fix=fix, file=file, status=status)


def usage_error(code: str, what: str, *, fix: str, file: str | PathLike[str] | None = None) -> JsddpmError:
    """An error in what was asked for (exit status 2)."""
    return JsddpmError(code, what, fix=fix, file=file, status=ExitStatus.USAGE)


def integrity_error(code: str, what: str, *, fix: str, file: str | PathLike[str] | None = None) -> JsddpmError:
    """Something we wrote is incomplete, altered or of another version (exit status 4)."""
    return JsddpmError(code, what, fix=fix, file=file, status=ExitStatus.INTEGRITY)


def environment_error(code: str, what: str, *, fix: str, file: str | PathLike[str] | None = None) -> JsddpmError:
    """The machine refuses: disk, permission, lock, memory (exit status 5)."""
    return JsddpmError(code, what, fix=fix, file=file, status=ExitStatus.ENVIRONMENT)
