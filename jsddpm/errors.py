"""The error type for users: a code, the file, what is wrong, the cure, and the exit status.

Every check in the packages raises :class:`JsddpmError`; the command line prints it as
``error[CODE] FILE: what; fix: cure`` and exits with its status. Any other exception that reaches the user is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from functools import partial
from importlib.util import find_spec
from os import PathLike, fspath

from jsddpm.wording import first_names


class ExitStatus(IntEnum):
    """Exit statuses of every ``jsddpm`` command."""

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
        fix: What the user can do, as an instruction.
        file: The file or folder at fault, if there is one.
        status: Exit status of the command that hits it.
        others: Problems of other kinds that were found with it; its text has a line for each.

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
        others: Sequence[JsddpmError] = (),
    ) -> None:
        super().__init__(code, what, fix, file, status)
        self.code = code
        self.what = what
        self.fix = fix
        self.file = None if file is None else fspath(file)
        self.status = status
        self.others = tuple(others)

    def __str__(self) -> str:
        where = "" if self.file is None else f" {printable(self.file)}"
        line = f"error[{self.code}]{where}: {printable(self.what)}; fix: {printable(self.fix)}"
        return "\n".join([line, *map(str, self.others)])

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the keyword arguments when the error is pickled, as worker pools do."""
        own = partial(JsddpmError, self.code, self.what, fix=self.fix, file=self.file, status=self.status)
        return partial(own, others=self.others), ()


usage_error = partial(JsddpmError, status=ExitStatus.USAGE)
"""An error in the request (exit status 2)."""

integrity_error = partial(JsddpmError, status=ExitStatus.INTEGRITY)
"""A file of jsddpm is incomplete, altered or of another version (exit status 4)."""

environment_error = partial(JsddpmError, status=ExitStatus.ENVIRONMENT)
"""The machine refuses the work: disk, permission, lock, memory (exit status 5)."""


def first_line(error: BaseException) -> str:
    r"""The message of a library's error, short enough for one of ours.

    Only its first sentence is kept, because libraries may continue with unsafe advice.

    >>> first_line(RuntimeError("no such key. Re-run with weights_only=False\nmore"))
    'no such key'
    """
    lines = str(error).strip().split("\n")
    message = lines[-1].partition("Error: ")[2] if "TorchScript interpreter" in lines[0] else lines[0]
    return message.split(". ")[0][:200] or type(error).__name__


def first_of(problems: Sequence[JsddpmError], others: str = "") -> JsddpmError:
    """The first of several problems, with the number of others.

    Args:
        problems: At least one.
        others: Text about the others, after their number.

    >>> print(first_of([JsddpmError("EMPTY", "no bytes", fix="copy it again")] * 3))
    error[EMPTY]: no bytes (and 2 more); fix: copy it again
    """
    first, more = problems[0], len(problems) - 1
    what = f"{first.what} (and {more} more{others})" if more else first.what
    return JsddpmError(first.code, what, fix=first.fix, file=first.file, status=first.status)


def by_kind(problems: Sequence[JsddpmError]) -> list[JsddpmError]:
    """One problem for each code and cure, with the first three files and reasons and the number of others.

    >>> missing = [JsddpmError("MISSING", "no such file", fix="restore it", file=f"{n}.nii") for n in range(170)]
    >>> print(*by_kind(missing))
    error[MISSING] 0.nii, 1.nii, 2.nii and 167 more: no such file (170 files); fix: restore it
    >>> flat = [JsddpmError("DIMS", f"has {n} slices", fix="give 8", file=f"{n}.nii") for n in range(5)]
    >>> print(*by_kind(flat))
    error[DIMS] 0.nii, 1.nii, 2.nii and 2 more: has 0 slices; has 1 slices; has 2 slices; and 2 more; fix: give 8
    """
    kinds: dict[tuple[str, str, ExitStatus], list[JsddpmError]] = {}
    for problem in problems:
        kinds.setdefault((problem.code, problem.fix, problem.status), []).append(problem)
    return [kind[0] if len(kind) == 1 else _merged(kind) for kind in kinds.values()]


def together(problems: Sequence[JsddpmError]) -> JsddpmError:
    """One error for all problems: a line for each kind, as :func:`by_kind` has them, and the highest exit status.

    Args:
        problems: At least one.

    >>> print(together([JsddpmError("EMPTY", "no bytes", fix="copy it again", file="a.png"),
    ...                 JsddpmError("MISSING", "no such file", fix="restore it", file="b.png")]))
    error[EMPTY] a.png: no bytes; fix: copy it again
    error[MISSING] b.png: no such file; fix: restore it
    """
    first, *others = by_kind(problems)
    status = max(p.status for p in problems)
    return JsddpmError(first.code, first.what, fix=first.fix, file=first.file, status=status, others=others)


def _merged(kind: Sequence[JsddpmError]) -> JsddpmError:
    files = list(dict.fromkeys(p.file for p in kind if p.file is not None))
    texts = list(dict.fromkeys(p.what for p in kind))
    if len(files) > 1 and len(texts) == 1:
        what = f"{texts[0]} ({len(files)} files)"
    else:
        what = "; ".join(texts[:3]) + (f"; and {len(texts) - 3} more" if len(texts) > 3 else "")
    where = first_names(files) if files else None
    return JsddpmError(kind[0].code, what, fix=kind[0].fix, file=where, status=kind[0].status)


def require_package(name: str, *, extra: str, why: str) -> None:
    """Refuse work that needs a package of an optional part of the installation.

    Args:
        name: The package, as it is imported.
        extra: Which extra of ``jsddpm`` installs it.
        why: Subject of the message: what needs it.

    Raises:
        JsddpmError: ``MISSING_PACKAGE`` (status 5) with the line that installs it.
    """
    if find_spec(name) is None:
        cure = f"pip install 'jsddpm[{extra}]'"
        raise environment_error("MISSING_PACKAGE", f"{why} needs the package {name}", fix=cure)
