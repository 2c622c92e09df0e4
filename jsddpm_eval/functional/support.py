"""Support: share of samples that lie where a reference set lies, compared with the reference's own share.

For fidelity, generated samples are compared with real ones as the reference; for diversity, real samples with generated
ones. There are three looks, and the smallest reading counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.stats import betabinom
from torch import Tensor

NEIGHBOURS = 5
LEVEL = 0.9
_BELOW, _Z = 0.025, 1.96


@dataclass(frozen=True)
class Look:
    """A share of samples beside the share that members of the reference reach among the others.

    Attributes:
        value: Share of supported samples, 0 to 1.
        baseline: The same share expected of samples drawn as the reference was.
        lower: Lower end of the 95 % band of such samples.
    """

    value: float
    baseline: float
    lower: float

    @property
    def reading(self) -> float:
        """1 inside the band or above it, else the value as a share of the baseline.

        >>> Look(0.89, 0.9, 0.88).reading, Look(0.45, 0.9, 0.88).reading
        (1.0, 0.5)
        """
        return 1.0 if self.value >= self.lower else self.value / self.baseline


@dataclass(frozen=True)
class Support:
    """The looks at one set of samples.

    Attributes:
        neighbours: See :func:`neighbour_look`.
        ranges: See :func:`range_look`.
        repeats: See :func:`repeat_look`; None where the reference has no repeats to speak of.
    """

    neighbours: Look
    ranges: Look
    repeats: Look | None

    @property
    def reading(self) -> float:
        """The smallest reading of the looks, 0 to 1."""
        looks = (self.neighbours, self.ranges, self.repeats)
        return min(look.reading for look in looks if look is not None)


def support(
    reference: Tensor,
    samples: Tensor,
    within: Tensor,
    between: Tensor,
    k: int = NEIGHBOURS,
    level: float = LEVEL,
) -> Support:
    """All three looks at samples.

    Args:
        reference: Features ``(n, d)``, n more than k.
        samples: Features ``(m, d)``, m at least 1.
        within: Distances of the reference ``(n, n)``.
        between: Distances of samples to the reference ``(m, n)``.
        k: Neighbour whose distance counts.
        level: Share of the reference that counts as supported by its others.

    Raises:
        ValueError: When the reference has no k neighbours, or there are no samples.
    """
    if len(reference) <= k or len(samples) == 0:
        raise ValueError(f"{len(samples)} samples beside a reference of {len(reference)}: {k} neighbours are needed")
    return Support(
        neighbour_look(within, between, k, level),
        range_look(reference, samples, within, between),
        repeat_look(within, between),
    )


def neighbour_look(within: Tensor, between: Tensor, k: int = NEIGHBOURS, level: float = LEVEL) -> Look:
    """Share of samples whose k-th nearest reference member is as near as for ``level`` of the reference's members.

    The k-th neighbour, because a single outlier of the reference supports nothing; one distance for the whole space,
    because samples must be as densely surrounded as members usually are. The baseline is that of a new member: of n
    members and a new one, it is equally likely to be the first, second, ... by its distance, so that the number of
    supported samples is beta-binomial.

    Args:
        within: ``(n, n)``, n more than k.
        between: Samples by reference, ``(m, n)``.
        k: Neighbour whose distance counts; a member is no neighbour of itself.
        level: Share of members, above 0, at most 1.

    >>> line = torch.arange(10.0)[:, None]
    >>> neighbour_look(torch.cdist(line, line), torch.cdist(line + 20, line), k=2, level=0.8).value
    0.0
    """
    own = within.kthvalue(k + 1, dim=1).values.sort().values
    n, m = len(own), len(between)
    rank = max(1, round(level * n))
    supported = int((between.kthvalue(k, dim=1).values <= own[rank - 1]).sum())
    rank = int((own <= own[rank - 1]).sum())  # with ties
    return Look(supported / m, rank / (n + 1), float(betabinom.ppf(_BELOW, m, rank, n + 1 - rank)) / m)


def range_look(reference: Tensor, samples: Tensor, within: Tensor, between: Tensor) -> Look:
    """Share of samples that exceed the reference's range in no feature.

    A fault of one feature among a thousand changes no distance, but it changes this share to 0. Among many features a
    member often exceeds the others in one of them, too, above all where members are few. The baseline therefore weights
    members as samples fall into the cells of ``sqrt(n)`` evenly spread members.

    Args:
        reference: ``(n, d)``.
        samples: ``(m, d)``.
        within: ``(n, n)``.
        between: Samples by reference, ``(m, n)``.
    """
    low, high = reference.amin(0), reference.amax(0)
    alone_low = ((reference == low).sum(0) == 1) & (reference == low)
    alone_high = ((reference == high).sum(0) == 1) & (reference == high)
    own = ~(alone_low | alone_high).any(1)
    inside = ((samples >= low) & (samples <= high)).all(1)
    n = len(reference)
    count = max(1, round(n**0.5))
    centres = torch.arange(count) * n // count
    cell = within[:, centres].argmin(1)
    members = torch.bincount(cell, minlength=count)
    share = torch.bincount(between[:, centres].argmin(1), minlength=count).double() / len(samples)
    return _look(inside, own, (share / members.clamp_min(1))[cell])


def repeat_look(within: Tensor, between: Tensor) -> Look | None:
    """Share of samples that equal a member exactly, beside the share of members that equal another.

    Returns:
        None if repeats among members are so few that none is expected among samples.
    """
    look = _look(between.amin(1) == 0, within.kthvalue(2, dim=1).values == 0)
    return look if look.lower > 0 else None


def _look(samples: Tensor, members: Tensor, weights: Tensor | None = None) -> Look:
    w = torch.ones(len(members), dtype=torch.float64) if weights is None else weights
    w = w / w.sum()
    value, baseline = float(samples.double().mean()), float((w * members).sum())
    scatter = baseline * (1 - baseline) * (float(w.square().sum()) + 1 / len(samples))
    return Look(value, baseline, baseline - _Z * max(0.0, scatter) ** 0.5)
