"""A complete selftest: trials, and the files of its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsddpm import __version__
from jsddpm.binning import ZBinning
from jsddpm.progress import Progress
from jsddpm.slices.store import SliceStore
from jsddpm_eval.checks.verdict import checks
from jsddpm_eval.selftest.cohort import Half, opened
from jsddpm_eval.selftest.fault import Fault, chosen_faults
from jsddpm_eval.selftest.summary import summary, write
from jsddpm_eval.selftest.trials import Opener, grid, run_trials

CORE = (
    "copy_noise", "few_patients", "bins_up", "blur", "checkerboard", "gain", "garbage_blurred", "moved",
    "lesions_missing", "control_lesions", "lesions_faint", "masks_permuted", "masks_dilated",
)  # fmt: skip
"""Faults that are tried where none is named: at least one for each check, except that of KID, which names none."""


def selftest(
    store: str | Path,
    out: str | Path,
    binning: ZBinning,
    *,
    faults: Sequence[str] = CORE,
    perfect: int = 10,
    samples: int = 16,
    seed: int = 0,
    jobs: int = 1,
    quick: bool = False,
    half: Half = "both",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Plant faults into slices of a cohort, evaluate them, and write which faults are found.

    The patients are divided at random: one half are the real patients, and a perfect generator draws from the others.

    Args:
        store: Folder of a real store.
        out: Folder for ``selftest.json``, ``faults.csv``, ``names.csv`` and ``trials.jsonl``; trials of an
            earlier call with the same settings are not repeated.
        binning: The bins.
        faults: Names of faults or families; empty plants all.
        perfect: Draws without a fault, for the share of false alarms.
        samples: Samples of each condition.
        seed: Seed of the division and of all draws.
        jobs: Processes; the result does not depend on it.
        quick: Plant each fault only at its middle strength.
        half: See :func:`~jsddpm_eval.selftest.cohort.divided`.
        progress: Called with (done, total) after each trial.

    Returns:
        The content of ``selftest.json``.

    Raises:
        JsddpmError: ``SELFTEST`` (status 3) with too few patients, ``SELFTEST`` (status 2) when ``out`` has other
            settings, ``FAULT`` (status 2) for an unknown fault.
    """
    chosen, where = chosen_faults(tuple(faults)), (str(store), binning, seed, half)
    settings = {"store": SliceStore(store).fingerprint, "binning": binning.to_dict(), "half": half}
    counts = opened(*where).counts  # with too few patients this ends before any process starts
    return selftest_of(
        out, opened, where, chosen, {**settings, "patients": counts}, perfect=perfect, samples=samples, seed=seed,
        jobs=jobs, quick=quick, progress=progress,
    )  # fmt: skip


def selftest_of(
    out: str | Path,
    opener: Opener,
    arguments: tuple[Any, ...],
    faults: Sequence[Fault],
    settings: dict[str, Any],
    *,
    perfect: int = 10,
    samples: int = 16,
    seed: int = 0,
    jobs: int = 1,
    quick: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """:func:`selftest` of a cohort that a module-level function opens.

    Args:
        out: See :func:`selftest`.
        opener: Opens the cohort, once in every process.
        arguments: Its arguments.
        faults: The faults.
        settings: Identity of the cohort; a folder that was begun with another one is refused.
        perfect: See :func:`selftest`.
        samples: See :func:`selftest`.
        seed: Seed of everything drawn.
        jobs: See :func:`selftest`.
        quick: See :func:`selftest`.
        progress: See :func:`selftest`.
    """
    rules = {check.spec.name: check.spec.rule for check in checks()}
    plan = {**settings, "version": __version__, "checks": rules}
    rows = run_trials(
        out, grid(faults, perfect=perfect, quick=quick), opener, arguments, samples=samples, seed=seed, plan=plan,
        jobs=jobs, progress=progress,
    )  # fmt: skip
    values = {"cohort": settings, "samples": samples, "seed": seed, **summary(rows, faults, list(rules))}
    write(out, values)
    return values
