"""Options that several commands read in the same way."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from jsddpm.errors import usage_error

if TYPE_CHECKING:
    from jsddpm.slices.store import SliceStore


def chosen_range(requested: tuple[int, int] | None, store: SliceStore | None) -> tuple[int, int]:
    """The range of ``--z-range``, or the one that a store proposes.

    Raises:
        JsddpmError: ``Z_RANGE`` (status 2) when there is neither.
    """
    z_range = requested or (store.z_range if store is not None else None)
    if z_range is None:
        if store is None:
            cure = "give --z-range LO HI, or a --store that proposes one"
            raise usage_error("Z_RANGE", "no z-range is given", fix=cure)
        raise usage_error("Z_RANGE", "no z-range is given, and the store proposes none", fix="give --z-range LO HI")
    return z_range


def require_endings(places: Iterable[Path], endings: Collection[str], option: str = "--out") -> None:
    """Refuse an ``--out`` whose extension selects no format.

    Args:
        places: Values of the option.
        endings: Extensions that it may have.
        option: Name of the option.

    Raises:
        JsddpmError: ``OPTION`` (status 2) with the extensions that there are.
    """
    for place in places:
        if place.suffix not in endings:
            cure = f"end it with one of {', '.join(endings)}"
            raise usage_error("OPTION", f"{option} {place.name} has an unknown extension", fix=cure)


def require_evaluation(place: Path) -> None:
    """Refuse a folder without results that contains an evaluation, as that of a run does.

    Raises:
        JsddpmError: ``MISSING`` (status 2) with the folder of the evaluation.
    """
    inner = place / "evaluation"
    if not (place / "results.json").exists() and (inner / "results.json").is_file():
        cure = f"give its evaluation: {shlex.quote(str(inner))}"
        raise usage_error("MISSING", "does not contain results.json", fix=cure, file=place)
