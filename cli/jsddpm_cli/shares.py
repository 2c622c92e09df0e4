"""Work that is divided between several processes: ``--share I/N``."""

from __future__ import annotations

import re
from pathlib import Path

from jsddpm.errors import usage_error
from jsddpm_cli.console import Format, emit


def share_of(text: str | None) -> tuple[int, int]:
    """This process's number and how many there are, from --share or from torchrun.

    >>> share_of("2/8")
    (1, 8)
    """
    if text is None:
        from jsddpm.runtime import processes

        job = processes()
        return job.rank, job.world
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    number, count = (int(part) for part in match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
        raise usage_error("OPTION", f"--share {text!r} is not a part", fix="give I/N with 1 <= I <= N, such as 2/8")
    return number - 1, count


def emit_part(out: Path, part: tuple[int, int], share: str | None, how: Format) -> None:
    """Print as JSON that a part is done, and others are not; processes of torchrun share a stdout, and print nothing.

    Args:
        out: What the last part publishes.
        part: Number of the part, from 0, and of how many.
        share: The option --share.
        how: Format of the result.
    """
    if share is not None:
        emit(None, {"out": str(out), "complete": False, "part": part[0] + 1, "parts": part[1]}, how)
