"""Real patients who resemble each other as a copy resembles its source: probably one person under several names.

Slices of every patient are compared with those of all others. Pairs of patients that stand out are registered as
samples are: they are alike if most of their slices would count as copies of the other one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from jsddpm.binning import ZBinning
from jsddpm_eval.functional.copies import MEASURES, PAIRED
from jsddpm_eval.functional.patterns import fisher_z
from jsddpm_eval.functional.registration import searched, small
from jsddpm_eval.metrics.base import Context
from jsddpm_eval.metrics.nearness import (
    NearnessScale,
    nearest_by_bin,
    neighbourhoods,
    other_patients,
    probed_real,
    threshold,
    with_pattern,
)
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.limits import MAD_SD, MIN_UNITS

_SLICES = 6  # of each patient
_STANDS_OUT = 2.5  # robust standard deviations; 2 pairs of 90 LGG patients lie beyond, and every planted second scan
_MOST = 0.5  # share of a patient's slices that are as near as copies
_QUERIES = 16  # at a time


@dataclass(frozen=True)
class Alike:
    """Patients who are alike.

    Attributes:
        person: A number for each patient, the same for those who are alike, ``(patients,)``.
    """

    person: NDArray[np.int64]

    @property
    def groups(self) -> list[list[int]]:
        """Patients of each person who has several names."""
        every = [np.flatnonzero(self.person == number).tolist() for number in np.unique(self.person)]
        return [group for group in every if len(group) > 1]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All pairs within the groups."""
        return [pair for group in self.groups for pair in combinations(group, 2)]


def alike(context: Context) -> Alike:
    """The patients of an evaluation's real slices who are alike; found once for all evaluations of these slices."""
    return context.once("alike", partial(_alike, context))


def _alike(context: Context) -> Alike:
    real, binning = context.real, context.binning
    key = ("alike", MEASURES, binning.fingerprint, _SLICES, _STANDS_OUT, _MOST)
    found = Alike(real.memo.values(key, lambda: _persons(real, binning).person).astype(np.int64))
    patients, first_row = np.unique(real.patient.numpy(), return_index=True)
    name = dict(zip(patients.tolist(), real.patient_names[first_row].tolist(), strict=True))
    context.alike = [[name[p] for p in group] for group in found.groups]
    return found


def _persons(real: SliceTable, binning: ZBinning) -> Alike:
    patients = int(real.patient.max()) + 1 if len(real) else 0
    found = Alike(np.arange(patients))
    candidates = _standing_out(real, binning.n_bins, patients)
    while apart := [(a, b) for a, b in candidates if found.person[a] != found.person[b]]:
        more = _registered(real, binning, candidates, apart, found)
        if not more:
            break
        found = _joined(patients, [*found.pairs, *more])
    return found


def _joined(patients: int, pairs: Sequence[tuple[int, int]]) -> Alike:
    """Patients whom pairs connect are one person."""
    one, other = np.array(pairs).T
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(patients, patients))
    return Alike(np.asarray(connected_components(graph, directed=False)[1], np.int64))


def _standing_out(real: SliceTable, bins: int, patients: int) -> list[tuple[int, int]]:
    """Pairs of patients of whom each is nearer to the other than to nearly all others, before registration."""
    present = real.patient.unique()
    if len(present) <= MIN_UNITS:
        return []
    probes = real.where(torch.cat([real.where(real.patient == p).spread(_SLICES).row for p in present.tolist()]))
    near = torch.full((len(probes), patients), torch.nan)
    for rows, tables, patterns in neighbourhoods(probes, real, bins):
        owner = torch.cat([table.patient for table in tables])
        mine, flat = with_pattern(probes.where(rows))[1], small(patterns).flatten(1)
        for at, queries in zip(rows.split(_QUERIES), mine.split(_QUERIES), strict=True):
            best = searched(queries, flat, steps=2).amax(1)
            of_patient = torch.full((len(at), patients), -torch.inf)
            of_patient.scatter_reduce_(1, owner.expand(len(at), -1), best, "amax")
            near[at] = torch.where(of_patient > -torch.inf, fisher_z(of_patient), torch.nan)
    own = probes.patient
    near[torch.arange(len(own)), own] = torch.nan
    mean = torch.stack([near[own == p].nanmean(0) for p in present])[:, present].double().numpy()
    compared = np.isfinite(mean).any(1)
    names = present.numpy()[compared]
    return [(int(names[a]), int(names[b])) for a, b in _mutual(mean[np.ix_(compared, compared)])]


def _mutual(near: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs that stand out in both directions, from the mean nearness of each patient to each, NaN to itself."""
    from_median = near - np.nanmedian(near, 1, keepdims=True)
    spread = MAD_SD * np.nanmedian(np.abs(from_median), 1, keepdims=True)
    apart = np.nan_to_num(from_median / np.maximum(spread, np.median(spread)).clip(1e-6))
    return [(int(a), int(b)) for a, b in np.argwhere(np.minimum(apart, apart.T) > _STANDS_OUT) if a < b]


def _registered(
    real: SliceTable,
    binning: ZBinning,
    candidates: Sequence[tuple[int, int]],
    apart: Sequence[tuple[int, int]],
    found: Alike,
) -> list[tuple[int, int]]:
    """Pairs most of whose slices are as near to each other as copies are.

    Args:
        real: Real slices.
        binning: The bins.
        candidates: All pairs that stand out; they are left out of the scale of nearness.
        apart: Those that are not known to be one person.
        found: Patients who are known to be one person: each slice is nearest to one name, so another name of the person
            is found once this one is left out.
    """
    bins, single = binning.n_bins, len(MEASURES) - PAIRED
    null = probed_real(real, binning, candidates)
    rows = null[:, 0].astype(np.int64)
    people = len(np.unique(real.patient.numpy()[rows]))
    if people < MIN_UNITS:
        return []
    scale = NearnessScale.fit(null[:, 1:], real.z_bin.numpy()[rows], bins)
    asked = torch.cat([real.where(real.patient == p).spread(_SLICES).row for p in np.unique(apart).tolist()])
    queries = real.where(asked)
    nearest = nearest_by_bin(queries, real, bins, among=other_patients(real, found.pairs))
    reached = scale(nearest.measures.double().numpy(), queries.z_bin.numpy())[:single]
    reached = np.nan_to_num(reached, nan=-np.inf)
    place = nearest.place.numpy()[np.arange(len(queries)), reached.argmax(0)]
    mine, theirs = queries.patient.numpy(), real.patient.numpy()[place]
    known = {*apart, *((b, a) for a, b in apart)}
    is_known = np.array([pair in known for pair in zip(mine.tolist(), theirs.tolist(), strict=True)])
    copied = (reached.max(0) > threshold(people)) & is_known
    mostly = {int(p) for p in np.unique(mine) if copied[mine == p].mean() >= _MOST}
    return sorted({(int(a), int(b)) for a, b in zip(mine[copied], theirs[copied], strict=True) if {a, b} <= mostly})
