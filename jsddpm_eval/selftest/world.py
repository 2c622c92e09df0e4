"""The data for planting a fault: slices of real patients, and samples of a perfect generator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.real_slices import GeneratedArrays, Numbers, Rows, Slices

Uniform = Literal["patient", "slice"]
"""What a perfect generator draws uniformly: patients, one slice of each in turn; or slices, whoever's they are."""


@dataclass(frozen=True, eq=False)
class World:
    """Slices of a cohort, and one draw of a perfect generator.

    Attributes:
        slices: Every slice inside the bins.
        source: Rows of the patients that the perfect generator draws from; the evaluation never sees them.
        training: Rows of the patients that a generator would have been trained on.
        held_out: Rows of the other real patients.
        draw: Row of each sample of the perfect generator, ``(M,)``.
        n_bins: Number of bins.
    """

    slices: Slices
    source: Rows
    training: Rows
    held_out: Rows
    draw: Rows
    n_bins: int

    @property
    def z_bin(self) -> Numbers:
        """Bin of each sample's condition, ``(M,)``."""
        return self.slices.z_bin[self.draw]

    @property
    def pathology(self) -> Numbers:
        """Pathology of each sample's condition, ``(M,)``."""
        return self.slices.pathology[self.draw]

    @property
    def perfect(self) -> GeneratedArrays:
        """The samples of the perfect generator."""
        return self.showing(self.draw)

    def showing(self, rows: Rows) -> GeneratedArrays:
        """Samples of the same conditions that show other slices; the perfect sample for a row of -1."""
        shown = np.where(rows < 0, self.draw, rows)
        return GeneratedArrays(self.slices.images[shown], self.slices.masks[shown], self.z_bin, self.pathology)

    def pick(
        self,
        pool: Rows,
        rng: np.random.Generator,
        *,
        z_bin: Numbers | None = None,
        pathology: Numbers | None = None,
        patients: int | None = None,
    ) -> Rows:
        """A slice for each sample; samples of a condition show different patients as long as there are any.

        Args:
            pool: Rows to pick from.
            rng: Source of randomness.
            z_bin: Bin to pick for each sample; that of its condition when None.
            pathology: Pathology to pick for each sample; that of its condition when None.
            patients: At most so many patients for the samples of a condition.

        Returns:
            Rows, -1 where the pool holds no such slice, ``(M,)``.
        """
        bins = self.z_bin if z_bin is None else z_bin
        kinds = self.pathology if pathology is None else pathology
        rows: Rows = np.full(len(self.draw), -1)
        for k, p in sorted(set(zip(bins.tolist(), kinds.tolist(), strict=True))):
            places = np.flatnonzero((bins == k) & (kinds == p))
            order = in_turn(self.slices, pool, (k, p), rng, most=patients)
            if len(order):
                rows[places] = order[np.arange(len(places)) % len(order)]
        return rows

    def some(self, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        """A share of the samples, spread evenly over the conditions, boolean ``(M,)``."""
        order = np.lexsort((rng.random(len(self.draw)), self.pathology, self.z_bin))
        chosen = np.zeros(len(order), bool)
        chosen[order] = np.diff(np.floor(np.arange(len(order) + 1) * share + rng.random())) > 0
        return chosen


def in_turn(
    slices: Slices,
    pool: Rows,
    condition: tuple[int, int],
    rng: np.random.Generator,
    *,
    uniform: Uniform = "patient",
    most: int | None = None,
) -> Rows:
    """Slices of a condition in the order in which a perfect generator shows them, each of them once.

    Args:
        slices: All slices.
        pool: Rows to order.
        condition: Bin and pathology.
        rng: Source of randomness.
        uniform: With ``patient``, every patient shows one slice before any shows a second one.
        most: Only so many patients, picked at random.
    """
    rows = pool[(slices.z_bin[pool] == condition[0]) & (slices.pathology[pool] == condition[1])]
    rows = rng.permutation(rows)
    names, patient = np.unique(slices.patient[rows], return_inverse=True)
    if uniform == "slice" or not len(rows):
        return rows
    turn = rng.permutation(len(names))[patient]
    by_turn = np.argsort(turn, kind="stable")
    first = np.searchsorted(turn[by_turn], turn[by_turn])
    round_ = np.empty(len(rows), np.int64)
    round_[by_turn] = np.arange(len(rows)) - first
    order = np.lexsort((turn, round_))
    return rows[order[turn[order] < (most or len(names))]]


def perfect_draw(
    slices: Slices,
    source: Rows,
    n_bins: int,
    samples: int,
    rng: np.random.Generator,
    *,
    uniform: Uniform = "patient",
    least: int = 1,
) -> Rows:
    """Rows that a perfect generator shows: slices of patients whom the evaluation has never seen.

    Args:
        slices: All slices.
        source: Rows it draws from.
        n_bins: Number of bins.
        samples: Samples of each condition; fewer where the source holds fewer slices.
        rng: Source of randomness.
        uniform: See :data:`Uniform`.
        least: Conditions of fewer source patients are left out.
    """
    parts = []
    for condition in ((k, p) for k in range(n_bins) for p in (0, 1)):
        rows = in_turn(slices, source, condition, rng, uniform=uniform)
        if len(np.unique(slices.patient[rows])) >= least:
            parts.append(rows[:samples])
    return np.concatenate([np.empty(0, np.intp), *parts])


def mixed(chosen: NDArray[np.bool_], others: GeneratedArrays, ours: GeneratedArrays) -> GeneratedArrays:
    """``ours``, with the samples ``chosen`` taken from ``others``."""
    pick = chosen[:, None, None]
    return replace(
        ours, images=np.where(pick, others.images, ours.images),
        masks=np.where(pick, others.masks, ours.masks),
    )  # fmt: skip
