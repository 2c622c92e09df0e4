"""The bins report of a store: utilization, counts and patients per cell, the smallest detectable difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from jsddpm.binning import ZBinning
from jsddpm.slices.store import SliceStore
from jsddpm_eval.bins.condition_counts import brain_profile, condition_counts
from jsddpm_eval.features.extractor import Standardizer
from jsddpm_eval.features.extractors import radiomics
from jsddpm_eval.functional.frechet import frechet_distance
from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.stats.intervals import Statistic
from jsddpm_eval.stats.limits import MIN_PATIENTS
from jsddpm_eval.stats.power import minimum_detectable

METRICS: dict[str, Statistic] = {"kid": kernel_distance, "fid": frechet_distance}


def store_report(
    store: SliceStore, binning: ZBinning, *, metric: str = "kid", progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """What can be learned and assessed in each bin x pathology of a store.

    Args:
        store: A real store.
        binning: The local binning.
        metric: ``kid`` or ``fid``, on radiomics-like features standardized over the range.
        progress: Called with (cells done, cells).

    Returns:
        Plain values for JSON: ``cells`` as :func:`~jsddpm_eval.bins.condition_counts.condition_counts` gives them,
        each with ``minimum_detectable`` (``shift`` in standard deviations, ``score``, ``critical``; null with a
        ``reason``).
    """
    rows = store.select(binning=binning)
    tokens, patients = store.tokens(rows, binning), store.patients[rows]
    raw = radiomics.extract(torch.from_numpy(store.images(rows)))
    features = Standardizer.fit(raw)(raw)
    cells = condition_counts(store, binning)
    for token, cell in enumerate(cells):
        here = tokens == token
        smallest = minimum_detectable(METRICS[metric], features[torch.from_numpy(here)], patients[here])
        cell["minimum_detectable"] = None if smallest is None else vars(smallest)
        people = cell["patients"]["all"]
        few = f"{people} patients: at least {MIN_PATIENTS} are needed to compare halves"
        cell["reason"] = (
            None if smallest else few if people < MIN_PATIENTS else "not even a shift of 8 standard deviations is seen"
        )
        if progress:
            progress(token + 1, len(cells))
    return {
        "fingerprint": store.fingerprint,
        "patients": len(np.unique(store.patients)),
        "spacing_z_mm": store.spacing[2],
        "min_patients": MIN_PATIENTS,
        "metric": f"{metric} on {radiomics.NAME} features, one-sided 5 %, power 80 %",
        "brain_profile": brain_profile(store),
        "cells": cells,
    }
