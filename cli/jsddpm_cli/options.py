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


def require_evaluation(place: Path) -> None:
    """Refuse a folder without results that contains an evaluation, as that of a run does.

    Raises:
        JsddpmError: ``MISSING`` (status 2) with the folder of the evaluation.
    """
    inner = place / "evaluation"
    if not (place / "results.json").exists() and (inner / "results.json").is_file():
        cure = f"give its evaluation: {shlex.quote(str(inner))}"
        raise usage_error("MISSING", "does not contain results.json", fix=cure, file=place)
