"""Intensities that are inverted, in another range or window, or wrapped at 8 bits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jsddpm_eval.functional.appearance import INTENSITY
from jsddpm_eval.import_check.suspicion import (
    PLAIN,
    Difference,
    Pictured,
    RealReference,
    Suspicion,
    Values,
    of_heads,
)
from jsddpm_eval.slice_table import SliceTable

_LEVELS = {
    "mean": ("darker in the head", "brighter in the head", "mean"),
    "spread": ("of less contrast in the head", "of more contrast in the head", "standard deviation"),
    "q10": ("darker in the dark parts of the head", "brighter in the dark parts of the head", "10th percentile"),
    "q90": ("darker in the bright parts of the head", "brighter in the bright parts of the head", "90th percentile"),
    "top": ("darker in the brightest parts of the head", "brighter in the brightest parts of the head",
            "99.5th percentile"),
    "air": ("darker outside the head", "brighter outside the head", "typical value"),
}  # fmt: skip
"""Words for a level below and above that of real slices, and its name."""
_FAR = 0.75  # standard deviations of real slices
_VERY_FAR = 1.0  # of which the plain level is enough: twenty volumes hardly reach the other
_LEAST_AIR = 1 / 255  # of the range: less is what compression, or one grey level, changes
_JUMP = 0.5  # of the whole range, from one pixel to the next


def inverted(reference: RealReference, imported: Pictured) -> tuple[list[Suspicion], Pictured]:
    """A suspicion if slices are inverted, and the set with the inversion undone."""
    agreement = reference.compare(fit_of_real(reference), imported.table, fits(reference, imported))
    if agreement is None or not (agreement.reversed and agreement.real > 0):
        return [], imported
    what = f"slices look inverted: they correlate at {agreement.generated:.2f} with the mean of their bin, "
    cure = "import them again with the two values of --value-range exchanged"
    return [Suspicion("inverted", f"{what}real ones at {agreement.real:.2f}", cure)], imported.moved(lambda x: -x)


def levels(reference: RealReference, generated: SliceTable) -> list[Suspicion]:
    """Suspicions of intensities far from those of patients, and of values that wrapped at 8 bits."""
    ours, theirs = (of_heads(t, "intensity") for t in (reference.real, generated))
    comparisons = {
        name: reference.compare(ours[:, i], generated, theirs[:, i])
        for name, i in ((name, INTENSITY.index(name)) for name in _LEVELS)
    }
    far = {name: t for name, t in comparisons.items() if t is not None and _is_far(t) and _shows(name, t)}
    suspicions = []
    if far:
        name, most = max(far.items(), key=lambda item: abs(item[1].deviations))
        below, above, level = _LEVELS[name]
        values = [np.exp(v) if name == "air" else v for v in (most.generated, most.real)]  # the column is a logarithm
        what = f"slices are {above if most.deviations > 0 else below} than real ones: {level} {values[0]:.2g} of the "
        what += f"range, of real slices {values[1]:.2g}"
        cure = "give the values that stand for 0 and 1 with --value-range, or use the real store's window (--window)"
        cure = f"look for added noise or lossy compression, or {cure}" if name == "air" else cure
        suspicions.append(Suspicion("intensity", what, cure))
    jumps = reference.compare(_jumps(reference.real), generated, _jumps(generated))
    if jumps and jumps.sure and jumps.deviations >= 2 * _FAR:
        what = f"{np.exp(jumps.generated):.1%} of neighbouring pixels differ by half of the range, in real slices "
        cure = "look for values that were cast to 8 bits before they were scaled"
        suspicions.append(Suspicion("wrapped", f"{what}{np.exp(jumps.real):.1%}", cure))
    return suspicions


def _shows(name: str, difference: Difference) -> bool:
    """Whether a difference shows: that of the air, which is a logarithm, may be less than one of 256 grey levels."""
    return name != "air" or abs(np.exp(difference.generated) - np.exp(difference.real)) > _LEAST_AIR


def _is_far(difference: Difference) -> bool:
    """Whether a difference is significant for its size."""
    size = abs(difference.deviations)
    return (difference.sure and size >= _FAR) or (difference.p_value < PLAIN and size >= _VERY_FAR)


def fit_of_real(reference: RealReference) -> Values:
    """:func:`fits` of the real slices."""
    return reference.once("fit", lambda: fits(reference, reference.set))


def fits(reference: RealReference, pictured: Pictured) -> Values:
    """Correlation of each slice with the mean of its bin."""
    of_bin = reference.means[reference.folds(pictured.table), pictured.table.z_bin.numpy()]
    return np.asarray(np.einsum("nij,nij->n", pictured.pictures, of_bin))


def _jumps(table: SliceTable) -> Values:
    """Log share of neighbouring pixels that differ by half of the range."""

    def share(batch: SliceTable) -> Tensor:
        steps = [(batch.images.diff(dim=d).abs() > _JUMP).double().mean(dim=(1, 2)) for d in (1, 2)]
        return torch.log(torch.stack(steps).mean(0) + 1e-4)

    values: Values = table.column("import-jumps", share).numpy()
    return values
