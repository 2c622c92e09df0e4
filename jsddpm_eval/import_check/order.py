"""Bins in another order: reversed, shifted, or permuted, as by sorting names as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.features.crossfit import FOLDS
from jsddpm_eval.functional.thinning import spread_places
from jsddpm_eval.import_check.suspicion import PLAIN, Pictured, RealReference, Suspicion, Values
from jsddpm_eval.settled import importing

if TYPE_CHECKING:
    from sklearn.kernel_ridge import KernelRidge

_OFF = 0.5  # bins by which the mean offset differs from that of real slices
_APART = 0.3  # bins by which the mean distance exceeds that of real slices
_UNLIKE = 0.005  # of real neighbours: those that are less alike than these are unlike
_BROKEN = 0.05  # share of unlike neighbours, beyond that of real volumes
_ALPHA, _GAMMA = 0.02, 1.0
_MOST = 3000  # slices that places are learned from; of more, evenly spread ones


def order(reference: RealReference, imported: Pictured) -> list[Suspicion]:
    """At most one suspicion: how the bins of the conditions disagree with the bins that slices look like."""
    if reference.binning.n_bins < 3:
        return []
    real = reference.once("places", lambda: _of_real(reference))
    model = reference.once("place", lambda: _fitted(reference, np.ones(len(reference.fold), bool)))
    predicted, requested, bins = (
        model.predict(_features(imported.pictures)),
        imported.table.z_bin.numpy(),
        reference.real.z_bin.numpy(),
    )
    middle = (reference.binning.n_bins - 1) / 2
    along = [np.sign(b - middle) * (p - middle) for b, p in ((bins, real), (requested, predicted))]
    comparison = reference.compare(along[0], imported.table, along[1])
    if comparison and comparison.reversed and comparison.real > 0:
        cure = "reverse the bins, or correct the affine of volumes: z leads from inferior to superior"
        return [Suspicion("order", "the order of the bins looks reversed", cure)]
    if broken := _broken(reference, imported):
        return [broken]
    cure = "check the bins of the conditions, the z-range that was divided, and that names were not sorted as text"
    offset = reference.compare(real - bins, imported.table, predicted - requested)
    if offset and offset.p_value < PLAIN and abs(moved := offset.generated - offset.real) >= _OFF:
        what = f"slices look {abs(moved):.1f} bins {'higher' if moved > 0 else 'lower'} than their conditions say"
        return [Suspicion("order", what, cure)]
    apart = reference.compare(np.abs(real - bins), imported.table, np.abs(predicted - requested))
    if apart and apart.p_value < PLAIN and apart.generated - apart.real >= _APART:
        what = f"slices look {apart.generated:.1f} bins away from those of their conditions, real ones {apart.real:.1f}"
        return [Suspicion("order", what, cure)]
    return []


def _broken(reference: RealReference, imported: Pictured) -> Suspicion | None:
    """A suspicion if neighbouring slices of volumes are less alike than those of patients."""
    real, generated = reference.once("neighbours", lambda: _alike(reference.set)), _alike(imported)
    if not (np.isfinite(real).any() and np.isfinite(generated).any()):
        return None
    limit = np.nanquantile(real, _UNLIKE)
    unlike = [np.where(np.isfinite(v), v < limit, np.nan) for v in (real, generated)]
    share = reference.compare(unlike[0], imported.table, unlike[1])
    if share is None or share.p_value >= PLAIN or share.generated - share.real < _BROKEN:
        return None
    what = f"{share.generated:.0%} of neighbouring slices of volumes are unlike, of patients {share.real:.1%}"
    return Suspicion("order", what, "check that slices were stacked by number, and not by names sorted as text")


def _alike(pictured: Pictured) -> Values:
    """Correlation of each slice with the next one of its volume; NaN without one, or for a blank slice.

    A patient with several sessions has several next slices, of which the one that is most alike counts.
    """
    unit, z = pictured.table.unit.unique(return_inverse=True)[1].numpy(), pictured.table.z_index.numpy()
    place = unit * (np.ptp(z) + 2) + z if len(z) else z
    rows = np.argsort(place, kind="stable")
    first, end = (np.searchsorted(place[rows], place + 1, side=side) for side in ("left", "right"))
    count = end - first
    lower = np.repeat(np.arange(len(place)), count)
    upper = rows[np.repeat(first - np.cumsum(count) + count, count) + np.arange(len(lower))]
    alike = np.einsum("nij,nij->n", pictured.pictures[lower], pictured.pictures[upper])
    values = np.full(len(place), np.nan)
    np.fmax.at(values, lower, np.where(alike != 0, alike, np.nan))
    return values


def _of_real(reference: RealReference) -> Values:
    """The predicted bin of each real slice, as a real number, by a regression on the patients of other folds."""
    places = np.full(len(reference.fold), np.nan)
    for number in range(FOLDS):
        own = reference.fold == number
        places[own] = _fitted(reference, ~own).predict(_features(reference.set.pictures[own]))
    return places


def _fitted(reference: RealReference, rows: NDArray[np.bool_]) -> KernelRidge:
    """Kernel ridge regression of the bin on the picture."""
    with importing():
        from sklearn.kernel_ridge import KernelRidge  # brings pandas along where it is installed

    chosen = np.flatnonzero(rows)
    chosen = chosen[spread_places(len(chosen), _MOST).numpy()]
    bins = reference.real.z_bin.numpy()[chosen].astype(np.float64)
    return KernelRidge(alpha=_ALPHA, kernel="rbf", gamma=_GAMMA).fit(_features(reference.set.pictures[chosen]), bins)


def _features(pictures: Values) -> Values:
    """Pictures averaged with their mirror images, so that left and right do not matter."""
    return np.asarray((pictures + pictures[:, :, ::-1]).reshape(len(pictures), -1) / 2)
