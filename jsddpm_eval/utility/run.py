"""A complete utility study: folds, the grid of trainings, and the files of its results."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsddpm import __version__
from jsddpm.binning import ZBinning
from jsddpm.checksums import write_recorded
from jsddpm.csvfiles import csv_bytes
from jsddpm.errors import usage_error
from jsddpm.files import json_bytes
from jsddpm.progress import Progress
from jsddpm.publish import exclusive_lock
from jsddpm.slices.resplit import named_splits
from jsddpm.slices.store import SliceStore
from jsddpm_eval.utility.arms import ARMS, Arm
from jsddpm_eval.utility.cohort import Cohort, Division, divided, drawn_divisions
from jsddpm_eval.utility.comparison import MARGIN
from jsddpm_eval.utility.generators import (
    Generator,
    open_generator,
    refuse_same_patients,
    refuse_tested_slices,
)
from jsddpm_eval.utility.grid import Opener, Row, grid, opened, run_cells
from jsddpm_eval.utility.networks import require_networks
from jsddpm_eval.utility.protocol import Protocol
from jsddpm_eval.utility.scores import SCORES
from jsddpm_eval.utility.summary import summary

RESULT = "utility.json"
"""File of the results of a study."""

_STATED = (
    "The store of the generated samples does not record its training patients. That the generator has not seen the "
    "test patients is an assumption of this study."
)


def utility(
    store: str | Path,
    out: str | Path,
    binning: ZBinning,
    protocol: Protocol,
    *,
    generators: Mapping[int, Path] | None = None,
    folds: Sequence[Path] = (),
    arms: Sequence[str] = (),
    margin: float = MARGIN,
    seed: int = 0,
    share: tuple[int, int] = (0, 1),
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any] | None:
    """Train networks on real and on generated slices, and test them on held-out patients.

    Args:
        store: Folder of a real store.
        out: Folder for the results; cells that lie there are not trained again.
        binning: The bins.
        protocol: Networks, repeats, folds, and how each network is trained.
        generators: Run or generated store of each fold, by its number from 1; or one under 0 for the store's own split.
        folds: Tables of patients and splits, or stores with such splits; drawn where there are none.
        arms: Names of arms; all that can be had when empty.
        margin: Difference in Dice that is not worth having.
        seed: Seed of the folds and of everything drawn.
        share: Number of this process, and how many there are.
        jobs: Processes; the result does not depend on it.
        progress: Called with (done, total) of this share after each training.

    Returns:
        What ``utility.json`` holds; None while other shares have trainings left.

    Raises:
        JsddpmError: ``UTILITY`` (status 2) for arms, folds or generators that do not fit together, or when ``out`` was
            begun with other settings; ``UTILITY`` (status 3) with too few patients; ``SAME_PATIENT`` (status 3) when a
            generator has seen a patient who is tested; ``ARM``, ``SEGMENTER`` (status 2).
    """
    require_networks(list(protocol.networks))
    real = SliceStore(store)
    divisions, known = _divisions(real, binning, folds, protocol.folds, seed, alone=0 in (generators or {}))
    chosen = _generators(generators or {}, divisions, [real, *known])
    for number, (generator, division) in enumerate(zip(chosen, divisions, strict=True), 1):
        if generator is not None:
            generator.require_size(real)
            refuse_same_patients(generator, division, number)
            refuse_tested_slices(generator, real, division, number)
    arguments = (
        str(store), binning, tuple(tuple(sorted(d.items())) for d in divisions),
        tuple(None if g is None else str(g.store.path) for g in chosen),
    )  # fmt: skip
    settings = {
        "store": real.fingerprint, "binning": binning.to_dict(), "folds": [_digest(d) for d in divisions],
        "generators": [None if g is None else g.to_dict() for g in chosen],
    }  # fmt: skip
    return utility_of(
        out, open_cohort, arguments, settings, protocol, arms=arms, margin=margin, seed=seed, share=share, jobs=jobs,
        progress=progress,
    )  # fmt: skip


def utility_of(
    out: str | Path,
    opener: Opener,
    arguments: tuple[Any, ...],
    settings: dict[str, Any],
    protocol: Protocol,
    *,
    arms: Sequence[str] = (),
    margin: float = MARGIN,
    seed: int = 0,
    share: tuple[int, int] = (0, 1),
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any] | None:
    """:func:`utility` of a cohort that a module-level function opens.

    Args:
        out: See :func:`utility`.
        opener: Opens the cohort, once in every process.
        arguments: Its arguments.
        settings: What the cohort is; a folder begun with another one is refused.
        protocol: See :func:`utility`.
        arms: See :func:`utility`.
        margin: See :func:`utility`.
        seed: Seed of everything drawn.
        share: See :func:`utility`.
        jobs: See :func:`utility`.
        progress: See :func:`utility`.
    """
    cohort, out = opened(opener, arguments), Path(out)
    names = _arms(arms, cohort)
    cells = grid(len(cohort.folds), names, protocol.networks, protocol.seeds)
    rows = run_cells(
        out, cells, opener, arguments, protocol.training, seed=seed, plan={**settings, "version": __version__},
        share=share, jobs=jobs, progress=progress,
    )  # fmt: skip
    if rows is None:
        return None
    ordered = sorted(rows, key=lambda row: (names.index(row["arm"]), row["fold"], row["network"], row["seed"]))
    values = {
        "schema": "jsddpm-utility", "version": 1, "jsddpm": __version__,
        "cohort": {**settings, "counts": cohort.counts}, "protocol": protocol.to_dict(), "seed": seed,
        **summary(ordered, cohort.binning, cohort.spacing, margin=margin),
    }  # fmt: skip
    if any(generator and not generator["known"] for generator in settings.get("generators", [])):
        values["limits"].append(_STATED)
    with exclusive_lock(out / ".lock", wait=True):
        write_recorded(out / RESULT, json_bytes(values))
        write_recorded(out / "cells.csv", csv_bytes([_flat(cell) for cell in values["cells"]]))
        write_recorded(out / "patients.csv", csv_bytes(_by_patient(ordered)))
    return values


def open_cohort(
    store: str, binning: ZBinning, divisions: Sequence[Sequence[tuple[str, Any]]], generators: Sequence[str | None]
) -> Cohort:
    """The cohort of a store's folder, its folds, and the folders of generated stores."""
    samples = [None if place is None else SliceStore(place) for place in generators]
    return divided(SliceStore(store), binning, [dict(d) for d in divisions], samples)


def _divisions(
    real: SliceStore, binning: ZBinning, folds: Sequence[Path], count: int, seed: int, *, alone: bool
) -> tuple[list[dict[str, Any]], list[SliceStore]]:
    """Splits fold by fold, and the stores among those given."""
    if not folds:
        return [dict(d) for d in drawn_divisions(real, binning, 1 if alone else count, seed=seed)], []
    patients = sorted(set(real.patients.tolist()))
    stores = {place: SliceStore(place) for place in folds if place.is_dir()}
    divisions: list[dict[str, Any]] = []
    for place in folds:
        division = stores[place].splits if place in stores else named_splits(place, patients)
        if missing := [p for p in patients if p not in division]:
            cure = "give folds of this store (jsddpm cache resplit)"
            raise usage_error("SPLIT", f"{missing[0]} has no split", fix=cure, file=place)
        divisions.append({p: division[p] for p in patients})
    return divisions, list(stores.values())


def _generators(
    paths: Mapping[int, Path], divisions: Sequence[Division], known: Sequence[SliceStore]
) -> list[Generator | None]:
    """The generator of each fold: one for each of them, or none at all."""
    if not paths:
        return [None] * len(divisions)
    places = {1: paths[0]} if set(paths) == {0} else dict(paths)
    if set(places) != set(range(1, len(divisions) + 1)):
        what = f"generators are given for the folds {', '.join(map(str, sorted(places)))} of {len(divisions)}"
        cure = "give one generator for each fold: --generator 1=RUN --generator 2=RUN ..."
        raise usage_error("UTILITY", what, fix=cure)
    return [open_generator(places[number], known) for number in sorted(places)]


def _arms(requested: Sequence[str], cohort: Cohort) -> list[str]:
    """The arms that are trained, each once."""
    chosen = list(dict.fromkeys(requested or ARMS))
    needing = [name for name in chosen if Arm.parse(name).generated]
    if not cohort.has_generated:
        if requested and needing:
            raise usage_error("UTILITY", f"the arm {needing[0]} needs a generator", fix="give --generator")
        chosen = [name for name in chosen if name not in needing]
    if len(chosen) < 2:
        raise usage_error("UTILITY", "a single arm cannot be compared", fix="give two or more arms, one of them real")
    return chosen


def _digest(division: Division) -> str:
    """A fingerprint of who is in which split."""
    return hashlib.sha256(json_bytes(sorted(division.items()))).hexdigest()[:16]


def _flat(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {**cell, "generator": cell["generator"] or ""}


def _by_patient(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row for each training and patient, who is a number: the place of the name among the store's sorted ones."""
    keys = ("fold", "arm", "network", "seed")
    return [
        {**{name: row[name] for name in keys}, "patient": record["patient"], **{s.name: s.of(record) for s in SCORES}}
        for row in rows
        for record in row["patients"]
    ]
