"""Faults of a part of a set: volumes or slices that are turned, or that another generator or contrast has made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jsddpm.wording import agreeing, counted
from jsddpm_eval.features.appearance import appearance
from jsddpm_eval.functional.appearance import DETAIL, INTENSITY
from jsddpm_eval.import_check.intensity import fit_of_real, fits
from jsddpm_eval.import_check.orientation import gains
from jsddpm_eval.import_check.suspicion import Pictured, RealReference, Suspicion, Values
from jsddpm_eval.stats.limits import MAD_SD
from jsddpm_eval.stats.scale import Scale

_SHARE = 0.15
"""Share of turned slices, beyond that of real ones."""
_BEYOND_TURNED = 1.5  # times the largest gain of a patient
_PEOPLE = 20  # real patients, below which their extremes say little
_FAR = 8.0  # standard deviations of real units, from the median absolute deviation
_BEYOND_VOLUMES, _BEYOND_SLICES = 3.0, 1.5
"""Multiples of the most extreme real unit: of volumes, as few as patients, the extremes are less certain."""
_FEWEST = 3  # slices; of volumes one is enough
_LOOKS = {
    "detail": ("detail_low", "detail_mid", "detail_high", "grain"),
    "intensity": ("mean", "q90", "air"),
}
_NAMES = {
    "fit": "correlation with the mean of the bin",
    "mean": "brightness in the head",
    "q90": "brightness in the bright parts of the head",
    "air": "brightness outside the head",
    "grain": "grain",
}


def turned(reference: RealReference, imported: Pictured) -> list[Suspicion]:
    """A suspicion if some volumes or slices fit as well in another orientation as real ones do in theirs.

    Left and right are not compared: the brains of too many patients are more like those of others in the mirror. A
    slice that fits better when it is turned, but not with its head in the middle, is moved and not turned.
    """
    centred = gains(reference.in_the_middle, imported.in_the_middle)
    for description, both in gains(reference, imported).items():
        real, generated = (
            np.where(still > 0, gain, np.minimum(gain, 0))
            for gain, still in zip(both, centred[description], strict=True)
        )
        usual = -float(np.nanmean(real))  # a bin of which other patients have no slice has no gain
        if usual > 0:
            parts = _turned_volumes if _of_volumes(imported) else _turned_slices
            if what := parts(reference, imported, real, generated, usual / 2):
                cure = "look for files with another orientation, or another affine"
                return [Suspicion("part turned", what.replace("turned", description), cure)]
    return []


def _turned_slices(
    reference: RealReference, imported: Pictured, real: Values, generated: Values, enough: float
) -> str | None:
    """How many slices gain enough by a move, if these are many more than of real slices."""
    ours, theirs = (np.where(np.isfinite(gain), gain > enough, np.nan) for gain in (real, generated))
    seen = reference.compare(ours, imported.table, theirs)
    if seen is None or not seen.sure or seen.generated - seen.real < _SHARE:
        return None
    return f"{seen.generated:.0%} of slices look turned, of real slices {seen.real:.0%}"


def _turned_volumes(
    reference: RealReference, imported: Pictured, real: Values, generated: Values, enough: float
) -> str | None:
    """How many volumes gain enough by a move, and far more than every patient."""
    ours, theirs = _means(real, reference.real.unit.numpy()), _means(generated, imported.table.unit.numpy())
    ours = ours[np.isfinite(ours)]
    middle = float(np.median(ours))
    limit = max(enough, middle + _BEYOND_TURNED * float((ours - middle).max()))
    count = int((theirs > limit).sum())
    return f"{count} of {counted(len(theirs), 'volume')} {agreeing(count, 'looks', 'look')} turned" if count else None


def foreign(reference: RealReference, imported: Pictured) -> list[Suspicion]:
    """A suspicion if a few volumes, or slices, lie far beyond every real patient, or real slice."""
    real, generated = reference.real, imported.table
    if real.n_patients < _PEOPLE:
        return []
    of_volumes = _of_volumes(imported)
    far: dict[str, NDArray[np.bool_]] = {}
    for name, both in _looks(reference, imported).items():
        ours, theirs = _deviations(reference, imported, both)
        if of_volumes:
            ours, theirs = _means(ours, real.unit.numpy()), _means(theirs, generated.unit.numpy())
        known = ours[np.isfinite(ours)]
        if not len(known):
            continue
        middle = np.median(known)
        spread = MAD_SD * np.median(np.abs(known - middle))
        limit = max(
            _FAR * spread, (_BEYOND_VOLUMES if of_volumes else _BEYOND_SLICES) * float(np.abs(known - middle).max())
        )
        far[name] = np.abs(theirs - middle) > limit  # False for NaN
    if not far:
        return []
    some = np.any(list(far.values()), axis=0)
    if not (1 if of_volumes else _FEWEST) <= some.sum() <= len(some) / 2:
        return []
    name = max(far, key=lambda name: int(far[name].sum()))
    kind = "volumes" if of_volumes else "slices"
    what = (
        f"{some.sum()} of {len(some)} {kind} are unlike all real ones, mostly by their {_NAMES.get(name, 'sharpness')}"
    )
    return [Suspicion("foreign", what, "look for files of another generator, contrast or window among them")]


def _of_volumes(imported: Pictured) -> bool:
    return imported.table.n_units < len(imported.table)


def _looks(reference: RealReference, imported: Pictured) -> dict[str, tuple[Values, Values]]:
    """What each real and each generated slice looks like, by name."""
    looks = {"fit": (fit_of_real(reference), fits(reference, imported))}
    for part, names in _LOOKS.items():
        both = [appearance(table, part).numpy() for table in (reference.real, imported.table)]
        places = {"detail": DETAIL, "intensity": INTENSITY}[part]
        looks |= {name: (both[0][:, places.index(name)], both[1][:, places.index(name)]) for name in names}
    return looks


def _deviations(reference: RealReference, imported: Pictured, both: tuple[Values, Values]) -> tuple[Values, Values]:
    """Distances from the median of the condition, in standard deviations; NaN where no real slice is."""
    sides = reference.sides(both[0], imported.table, both[1])
    known = sides[0].where(np.isfinite(sides[0].values))
    scale = Scale.fit(known, 2 * reference.binning.n_bins)
    spread = max(scale.spread, 1e-9)
    ours, theirs = ((side.values - scale.centre[side.condition]) / spread for side in sides)
    return ours, theirs


def _means(values: Values, unit: NDArray[np.int64]) -> Values:
    """Mean of each unit; NaN for one without a value."""
    number = np.unique(unit, return_inverse=True)[1]
    defined = np.isfinite(values)
    count = np.bincount(number[defined], minlength=number.max() + 1)
    total = np.bincount(number[defined], values[defined], minlength=number.max() + 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
