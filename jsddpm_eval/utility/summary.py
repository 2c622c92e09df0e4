"""Results of a utility study as plain values: arms, comparisons, lesion sizes, bins, sentences. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from jsddpm.binning import ZBinning
from jsddpm_eval.utility.arms import REAL, comparisons, meaning
from jsddpm_eval.utility.comparison import FLOOR, GAIN, Grid, compared, estimate
from jsddpm_eval.utility.scores import PRIMARY, SCORES, dice, found_share

ASKED = "Do networks that segment lesions do better on new patients when they are trained with these samples?"

LIMITS = (
    "The answers hold for these samples, these networks and this number of steps. Larger networks that train for "
    "longer may need samples less.",
    "Intervals treat patients and trainings as random samples. They cover only a small part of the variation between "
    "training sets.",
    "Slices are segmented one by one, inside the bins; other slices of a volume are not evaluated.",
)

SIZES = ("small", "medium", "large")
"""Thirds of the true lesions by volume."""


def summary(
    rows: Sequence[dict[str, Any]], binning: ZBinning, spacing: Sequence[float], *, margin: float
) -> dict[str, Any]:
    """Everything that the cells of a grid say.

    Args:
        rows: Rows of :func:`~jsddpm_eval.utility.grid.run_cells`, of a full grid.
        binning: The bins.
        spacing: Distance of neighbouring rows, columns and slices, in mm.
        margin: Difference in Dice that is not worth having.
    """
    grid = Grid(rows)
    order = list(dict.fromkeys(row["arm"] for row in rows))
    pairs = comparisons(order)
    differences = compared(grid, pairs, PRIMARY.of, margin=margin)
    return {
        "asked": ASKED,
        "margin": margin,
        "gain": GAIN,
        "scores": [score.to_dict() for score in SCORES],
        "arms": [
            {"arm": arm, "meaning": meaning(arm), **{s.name: estimate(grid.mean(arm, s.of), "mean") for s in SCORES}}
            for arm in order
        ],
        "comparisons": differences,
        "other_scores": [
            {"arm": a, "reference": r, "score": s.name, **estimate(grid.difference(a, r, s.of))}
            for s in SCORES if s is not PRIMARY for a, r in pairs
        ],
        "networks": compared(grid, pairs, PRIMARY.of, margin=margin, networks=grid.networks),
        "sizes": _by_size(grid, order, pairs, float(np.prod(spacing))),
        "bins": _by_bin(grid, order, pairs, binning),
        "sentences": sentences(differences, margin),
        "limits": list(LIMITS),
        "cells": [_cell(row) for row in rows],
    }  # fmt: skip


def _by_size(grid: Grid, arms: Sequence[str], pairs: Sequence[tuple[str, str]], voxel: float) -> list[dict[str, Any]]:
    """Share of the lesions found, for each third of their volumes."""
    volumes = grid.lesion_sizes()
    edges = [0.0, *(float(v) for v in np.quantile(volumes, [1 / 3, 2 / 3], method="inverted_cdf")), float("inf")]
    shares = []
    for name, (low, high) in zip(SIZES, pairwise(edges), strict=True):
        measure = partial(found_share, sizes=(low, high))
        shares.append({
            "size": name, "above_ml": low * voxel / 1000, "to_ml": None if high == edges[-1] else high * voxel / 1000,
            "lesions": int(((volumes > low) & (volumes <= high)).sum()), **_parts(grid, arms, pairs, measure),
        })  # fmt: skip
    return shares


def _by_bin(
    grid: Grid, arms: Sequence[str], pairs: Sequence[tuple[str, str]], binning: ZBinning
) -> list[dict[str, Any]]:
    """Dice inside each bin, of the patients who have a lesion there."""
    return [
        {"z_bin": k, "z": list(slices), **_parts(grid, arms, pairs, partial(dice, z_bin=k))}
        for k, slices in enumerate(binning.ranges())
        if slices is not None
    ]


def _parts(grid: Grid, arms: Sequence[str], pairs: Sequence[tuple[str, str]], measure: Any) -> dict[str, Any]:
    """Mean of each arm, and its difference to real slices with its interval, which no test is made of."""
    return {
        "arms": [{"arm": arm, **estimate(grid.mean(arm, measure), "mean")} for arm in arms],
        "differences": [
            {"arm": a, "reference": r, **estimate(grid.difference(a, r, measure))} for a, r in pairs if r == REAL.name
        ],
    }


def sentences(differences: Sequence[dict[str, Any]], margin: float) -> list[str]:
    """A sentence for each comparison; those with copy-paste lesions come first."""
    rivals = [d for d in differences if d["reference"] != REAL.name]
    return [_sentence(d, margin) for d in [*rivals, *(d for d in differences if d["reference"] == REAL.name)]]


def _sentence(d: dict[str, Any], margin: float) -> str:
    arm, reference = d["arm"], d["reference"]
    if d["interval"] is None:
        return (
            f"The study cannot compare {arm} with {reference}, because there are fewer than three patients, or one "
            "training of each arm."
        )
    if not d["learned"]:
        return (
            f"The study cannot compare {arm} with {reference}, because the networks of both found almost no lesion "
            f"(mean Dice below {FLOOR:g}); train them for more steps, or check the masks."
        )
    low, high = d["interval"]
    answers = {
        "helps": f"{arm} gains over {reference}" + (f", though perhaps less than {margin:g}" if low < margin else ""),
        "harms": f"{arm} loses against {reference}",
        "no difference": f"{arm} neither gains nor loses against {reference}: the interval lies within {margin:g}",
        "no gain": f"{arm} does not gain {margin:g} or more over {reference}",
        "unknown": f"The study shows neither a gain of {arm} over {reference} nor its absence; {_needed(d)}",
    }
    return (
        f"{answers[d['answer']]}. The difference in Dice is {d['difference']:+.3f} (95% interval {low:+.3f} to "
        f"{high:+.3f}, {d['patients']} patients)."
    )


def _needed(d: dict[str, Any]) -> str:
    """Number of trainings or patients with whom a gain would be significant."""
    needed = d["patients_for_gain"]
    if d["trainings"] < d["trainings_needed"]:
        return (
            f"with {d['trainings']} trainings of each arm no difference can be significant, and at least "
            f"{d['trainings_needed']} are needed"
        )
    if needed is None:
        return (
            f"with {d['trainings']} trainings that vary so much it would not detect a gain of {GAIN:g}, however many "
            "patients there are"
        )
    if needed <= d["patients"]:
        return f"it would most likely have detected a gain of {GAIN:g}"
    return f"it would detect a gain of {GAIN:g} with {needed} patients"


def _cell(row: dict[str, Any]) -> dict[str, Any]:
    """A training with its mean scores over patients."""
    means = {}
    for score in SCORES:
        values = [v for record in row["patients"] if (v := score.of(record)) is not None]
        means[score.name] = float(np.mean(values)) if values else None
    keys = ("fold", "arm", "network", "seed", "generator", "loss", "seconds")
    return {**{name: row[name] for name in keys}, **means, "patients": len(row["patients"])}
