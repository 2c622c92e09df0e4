"""Mirrored, turned or transposed slices: which of eight orientations fits the real slices of the bin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from jsddpm_eval.functional.orientation import TURNS
from jsddpm_eval.import_check.suspicion import Difference, Pictured, RealReference, Suspicion, Values

Move = Callable[[Values], Values]

_MOVES: dict[str, Move] = {"": lambda x: x, **TURNS}
"""Orientations of a slice, up to left and right; each move undoes itself."""
_OF_SQUARES = ("transposed", "other diagonal")

_DESCRIPTIONS = {
    ("", True): ("mirrored left to right", "PL"),
    ("front to back", False): ("mirrored front to back", "AR"),
    ("front to back", True): ("turned by 180 degrees", "AL"),
    ("transposed", False): ("transposed", "RP"),
    ("transposed", True): ("turned by 90 degrees", "LP"),
    ("other diagonal", False): ("mirrored along the other diagonal", "LA"),
    ("other diagonal", True): ("turned by 90 degrees", "RA"),
}
"""Orientation, and directions of rows and columns, by what undoes it: a move, and an exchange of left and right."""

_SEEN = 4.3  # standard errors between right and wrong, of which the test sees nine in ten
_SHRINK = 0.1  # of the scatter's mean variance, added to each: pixels are many and patients few


def orientation(reference: RealReference, imported: Pictured) -> tuple[list[Suspicion], Pictured]:
    """At most one suspicion, and the set in the orientation that fits."""
    move = _fitting(reference, imported)
    upright = imported.moved(_MOVES[move])
    comparison = _asymmetry_compared(reference, upright)
    mirrored = comparison is not None and comparison.reversed and comparison.real > 0
    if not move and not mirrored:
        return [], imported
    description, axes = _DESCRIPTIONS[move, mirrored]
    cure = f"import them again with --axes {axes}, or correct the affine of volumes"
    suspicion = Suspicion("orientation", f"slices look {description} beside real ones of their bins", cure)
    return [suspicion], upright.moved(lambda x: x[:, :, ::-1]) if mirrored else upright


def _fitting(reference: RealReference, imported: Pictured) -> str:
    """The move after which slices fit best, left and right aside; empty if they fit as they are."""
    fitting = {}
    for name, (real, gain) in _gains(reference, imported).items():
        comparison = reference.compare(real, imported.table, gain)
        if comparison and comparison.reversed and comparison.real < 0:
            fitting[name] = comparison.generated
    return max(fitting, key=lambda name: fitting[name], default="")


def gains(reference: RealReference, imported: Pictured) -> dict[str, tuple[Values, Values]]:
    """Gains in fit of real and of generated slices by each other orientation, left and right aside, by its name."""
    return {_DESCRIPTIONS[name, False][0]: both for name, both in _gains(reference, imported).items()}


def _gains(reference: RealReference, imported: Pictured) -> dict[str, tuple[Values, Values]]:
    """:func:`_gain` of real and generated slices by each move that is possible."""
    square = reference.real.size[0] == reference.real.size[1]
    return {
        name: (
            reference.once(f"move {name}", lambda move=move: _gain(reference, reference.set, move)),  # type: ignore[misc]
            _gain(reference, imported, move),
        )
        for name, move in _MOVES.items()
        if name and (square or name not in _OF_SQUARES)
    }


def _gain(reference: RealReference, pictured: Pictured, move: Move) -> Values:
    """Gain in fit of each slice with the mean of its bin by a move; the mean is averaged with its mirror image."""
    both = reference.means + reference.means[..., ::-1]
    of_bin = both[reference.folds(pictured.table), pictured.table.z_bin.numpy()]
    return np.asarray(np.einsum("nij,nij->n", move(pictured.pictures) - pictured.pictures, of_bin))


def sides_differ(reference: RealReference, imported: Pictured) -> bool:
    """Whether an exchange of left and right would be detected in about nine of ten sets of this size."""
    comparison = _asymmetry_compared(reference, imported)
    return comparison is not None and 2 * comparison.real > _SEEN * comparison.error > 0


def _asymmetry_compared(reference: RealReference, imported: Pictured) -> Difference | None:
    """The difference of slices from their own mirror images, compared with that of real slices.

    A linear discriminant, fitted to real patients of other folds, weighs the pixels of the difference: neither brains
    nor scanners are symmetric.
    """
    weights = reference.once(
        "sides", lambda: reference.learned(lambda rows: _weights(_asymmetry(reference.set.pictures[rows])))
    )
    real = reference.once("side", lambda: _side(reference, reference.set, weights))
    return reference.compare(real, imported.table, _side(reference, imported, weights))


def _side(reference: RealReference, pictured: Pictured, weights: Values) -> Values:
    return np.asarray(np.einsum("np,np->n", _asymmetry(pictured.pictures), weights[reference.folds(pictured.table)]))


def _asymmetry(pictures: Values) -> Values:
    half = pictures.shape[2] // 2
    return (pictures - pictures[:, :, ::-1])[:, :, :half].reshape(len(pictures), -1)


def _weights(x: NDArray[np.float64]) -> Values:
    mean = x.mean(0) if len(x) else np.zeros(x.shape[1])
    scatter = (x - mean).T @ (x - mean) / max(len(x), 1)
    level = float(np.trace(scatter)) / len(scatter) + 1e-12
    w = np.linalg.solve(scatter + _SHRINK * level * np.eye(len(scatter)), mean)
    return np.asarray(w / max(float(np.linalg.norm(w)), 1e-12))
