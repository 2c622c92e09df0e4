"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from jsddpm.errors import usage_error
from jsddpm.seeds import LARGEST

if TYPE_CHECKING:
    from jsddpm.slices.store import SliceStore

Weights = Literal["ema", "raw"]
RangeOption = Annotated[
    tuple[int, int] | None,
    typer.Option(help="First and last axial slice to use (default: the store's)", metavar="LO HI"),
]
BinsOption = Annotated[int, typer.Option(help="How many bins the range is divided into.")]
SamplesOption = Annotated[int, typer.Option(min=1, help="Number of samples of each condition.")]
ValOption = Annotated[float, typer.Option(help="Share of patients for validation.")]
TestOption = Annotated[
    float, typer.Option(help="Share of patients for test; a test set of the source takes precedence.")
]
JobsOption = Annotated[int | None, typer.Option(min=1, help="Number of processes (default: one per core)")]
WeightsOption = Annotated[Weights, typer.Option(help="Averaged weights (ema) or raw weights.")]


def seed_option(text: str) -> Any:
    """The option ``--seed`` of a command: a whole number from 0 to :data:`~jsddpm.seeds.LARGEST`.

    Args:
        text: The help of the option.
    """
    # a short name, because a table of options has 80 columns
    return typer.Option(min=0, max=LARGEST, metavar="N", help=text)


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
            cure = f"end it with {'one of ' if len(endings) > 1 else ''}{', '.join(endings)}"
            what = f"has the unknown extension {place.suffix}" if place.suffix else "has no extension"
            raise usage_error("OPTION", f"{option} {place.name} {what}", fix=cure)


def evaluation_folder(place: Path) -> Path:
    """The folder of an evaluation, which may be given by its ``results.json``."""
    return place.parent if place.name == "results.json" else place


_OTHERS = {
    "utility.json": ("is a utility study", "open its page {page}, or compare it with another one: jsddpm compare"),
    "selftest.json": ("is a self-test", "read its tables names.csv and faults.csv"),
    "plan.json": ("is an unfinished utility study or self-test", "repeat its command to continue"),
    "store.json": ("is a slice store", "evaluate it: jsddpm eval --real STORE --generated STORE --bin-aware"),
}
"""Folders of other commands by a file that they contain: what they are, and what is done with them."""


def refuse_other_folder(place: Path) -> None:
    """Refuse the folder of a command that writes neither evaluations nor runs.

    Raises:
        JsddpmError: ``NO_RESULTS`` (status 2) that names the folder, and the command or file to use.
    """
    for name, (what, cure) in _OTHERS.items():
        if (place / name).is_file():
            page = shlex.quote(str(place / "utility.html"))
            raise usage_error("NO_RESULTS", f"{what}, not an evaluation", fix=cure.format(page=page), file=place)


def require_evaluation(place: Path) -> None:
    """Refuse a folder without results that contains an evaluation, as that of a run does, or is of another command.

    Raises:
        JsddpmError: ``MISSING`` (status 2) with the folder of the evaluation; as :func:`refuse_other_folder`.
    """
    if (evaluation_folder(place) / "results.json").exists():
        return
    inner = place / "evaluation"
    if (inner / "results.json").is_file():
        cure = f"give its evaluation: {shlex.quote(str(inner))}"
        raise usage_error("MISSING", "does not contain results.json", fix=cure, file=place)
    refuse_other_folder(place)
