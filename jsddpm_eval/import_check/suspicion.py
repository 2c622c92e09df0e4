"""Suspicions of an import check, and the comparison with real slices that they rest on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.binning import ZBinning
from jsddpm_eval.features.appearance import appearance
from jsddpm_eval.features.crossfit import FOLDS, fold_of
from jsddpm_eval.functional.appearance import OUTLINE, head, moments
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.scale import Scale, Side
from jsddpm_eval.stats.shift import mean_shift

CHANCE = 1e-4
"""Level of a single test; an import check makes about thirty."""

PLAIN = 1e-3
"""Level of a test whose effect must be large as well: a reversed sign, half of a contrast, bins of distance."""

_SIDE = 24  # larger slices are averaged down to this many pixels along each side

Values = NDArray[np.float64]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Suspicion:
    """A fault that a set seems to have from its generation or import.

    Attributes:
        name: One word or two, such as ``orientation``.
        what: The evidence, with numbers.
        cure: What to do about it.
    """

    name: str
    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.what}; if this is not intended, {self.cure}"


@dataclass(frozen=True, eq=False)
class Pictured:
    """A set with small pictures of its slices.

    Attributes:
        table: The slices.
        pictures: Each averaged down to a square, which can be turned, less its mean, of length 1, float64
            ``(N, s, s)``; 0 for a blank slice.
        centred: The same with every head in the middle, so that a moved head looks neither turned nor of another bin.
    """

    table: SliceTable
    pictures: Values
    centred: Values

    @classmethod
    def of(cls, table: SliceTable) -> Pictured:
        """The set with its pictures; every slice is read once."""
        side = min(_SIDE, *table.size)

        def small(images: Tensor) -> Tensor:
            shrunk: Tensor = F.adaptive_avg_pool2d(images[:, None], side)[:, 0].double()
            centred = shrunk - shrunk.mean(dim=(1, 2), keepdim=True)
            length: Tensor = torch.linalg.vector_norm(centred, dim=(1, 2), keepdim=True)
            return centred / length.clamp_min(1e-9)

        both = table.mapped(lambda batch: torch.stack([small(batch.images), small(in_the_middle(batch.images))], 1))
        return cls(table, *both.numpy().swapaxes(0, 1))

    @property
    def in_the_middle(self) -> Pictured:
        """The same slices with the centred pictures alone."""
        return Pictured(self.table, self.centred, self.centred)

    def moved(self, move: Callable[[Values], Values]) -> Pictured:
        """The same slices with moved pictures."""
        return Pictured(self.table, move(self.pictures), move(self.centred))


def of_heads(table: SliceTable, part: str) -> Values:
    """Columns of a part of the appearance; NaN where a slice has no head, which has no size, place or brightness.

    Args:
        table: The slices.
        part: ``intensity`` or ``outline``.
    """
    area = appearance(table, "outline")[:, OUTLINE.index("area")]
    columns: Values = appearance(table, part).masked_fill(area[:, None] <= 0, torch.nan).numpy()
    return columns


def in_the_middle(images: Tensor) -> Tensor:
    """Slices rolled so that the centre of the head lies in the middle, to the pixel.

    The head is what differs from the border, so that inverted slices are moved as they would be otherwise.

    Args:
        images: ``(n, h, w)`` in [0, 1].

    >>> int(in_the_middle(torch.eye(5)[:1].expand(5, 5)[None].contiguous())[0].argmax())  # a column at the left edge
    2
    """
    border = torch.cat([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], 1).median(1).values
    centre = moments(head((images - border[:, None, None]).abs().numpy()))[:2]
    height, width = images.shape[1:]
    rows, columns = (
        (torch.arange(n) - (n - 1) // 2 + torch.from_numpy(np.rint(c)).long()[:, None]) % n
        for n, c in ((height, centre[0]), (width, centre[1]))
    )
    return images.gather(1, rows[:, :, None].expand(-1, -1, width)).gather(2, columns[:, None].expand(-1, height, -1))


class RealReference:
    """Real slices, and models of them; each patient's slices are compared with models of the other patients.

    Attributes:
        real: The slices.
        binning: Their bins.
        set: Their pictures; made where none are given.
        fold: Fold of each slice's patient, ``(N,)``.
    """

    def __init__(self, real: SliceTable, binning: ZBinning, pictured: Pictured | None = None) -> None:
        self.real, self.binning = real, binning
        self.set, self.fold = pictured or Pictured.of(real), fold_of(real).numpy()
        self._kept: dict[str, object] = {}

    @cached_property
    def in_the_middle(self) -> RealReference:
        """The same slices with the centred pictures alone."""
        return RealReference(self.real, self.binning, self.set.in_the_middle)

    @cached_property
    def means(self) -> Values:
        """Mean picture of each bin without a fold of patients, and of all, ``(FOLDS + 1, n_bins, s, s)``, of length 1.

        NaN for a bin of which others have no slice.
        """
        pictures, z_bin = self.set.pictures, self.real.z_bin.numpy()
        means = np.full((FOLDS + 1, self.binning.n_bins, *pictures.shape[1:]), np.nan)
        for number in range(FOLDS + 1):
            for b in np.unique(z_bin):
                rows = (z_bin == b) & (self.fold != number)
                if rows.any():
                    means[number, b] = pictures[rows].mean(0)
        lengths: Values = np.linalg.norm(means, axis=(-2, -1), keepdims=True)
        means /= np.maximum(lengths, 1e-9)
        return means

    def folds(self, table: SliceTable) -> NDArray[np.int64]:
        """Number of each slice's model: the one without its patient; for generated slices, that of all patients."""
        return self.fold if table is self.real else np.full(len(table), FOLDS)

    def learned(self, fit: Callable[[NDArray[np.bool_]], Values]) -> Values:
        """Models without each fold of patients, then of all; ``fit`` takes the rows to learn from."""
        return np.array([fit(self.fold != number) for number in range(FOLDS + 1)])

    def once(self, name: str, compute: Callable[[], _T]) -> _T:
        """A value that is computed of the real slices once."""
        if name not in self._kept:
            self._kept[name] = compute()
        return cast(_T, self._kept[name])

    def sides(self, real: Values, generated: SliceTable, values: Values) -> tuple[Side, Side]:
        """Values of real and generated slices with their conditions and units.

        The pathology of volumes without masks is that of the volume, so all real slices of their bins are compared.

        Args:
            real: Value of every real slice, ``(N,)``.
            generated: Generated slices.
            values: Their values, ``(M,)``.
        """
        of_volumes = not generated.has_masks and generated.n_units < len(generated)
        ours, theirs = (
            Side(v, (t.z_bin if of_volumes else t.token(self.binning.n_bins)).numpy(), t.unit.numpy())
            for t, v in ((self.real, real), (generated, values))
        )
        return ours, theirs

    def compare(self, real: Values, generated: SliceTable, values: Values) -> Difference | None:
        """Mean values of both sets over the conditions that they share; slices without a value (NaN) are left out.

        Args:
            real: Value of every real slice, ``(N,)``.
            generated: Generated slices.
            values: Their values, ``(M,)``.

        Returns:
            The difference; None if fewer than three patients or generated units have conditions in common.
        """
        sides = [side.where(np.isfinite(side.values)) for side in self.sides(real, generated, values)]
        common = np.intersect1d(sides[0].condition, sides[1].condition)
        ours, theirs = (side.where(np.isin(side.condition, common)) for side in sides)
        shift = mean_shift(ours, theirs) if len(common) else None
        if shift is None:
            return None
        mean = float(theirs.values.mean())
        spread = Scale.fit(ours, 2 * self.binning.n_bins).spread
        return Difference(mean - shift.value, mean, shift.error, shift.p_value, spread)


@dataclass(frozen=True)
class Difference:
    """Mean values of both sets over the same conditions.

    Attributes:
        real: Of real slices, weighed as the generated ones.
        generated: Of generated slices.
        error: Standard error of the difference.
        p_value: Two-sided, of no difference.
        spread: Standard deviation of real slices of one condition.
    """

    real: float
    generated: float
    error: float
    p_value: float
    spread: float

    @property
    def sure(self) -> bool:
        """Whether the difference is significant."""
        return self.p_value < CHANCE

    @property
    def deviations(self) -> float:
        """The difference in standard deviations of real slices."""
        return (self.generated - self.real) / self.spread if self.spread > 0 else 0.0

    @property
    def reversed(self) -> bool:
        """Whether the mean has the other sign, significantly, and at least half of the size of that of real slices."""
        plain = self.real * self.generated < 0 and abs(self.generated) >= abs(self.real) / 2
        return plain and self.p_value < PLAIN
