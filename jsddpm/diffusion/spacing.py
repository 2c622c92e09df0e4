"""Which noise levels a sampler visits: evenly spread ones, or more of the low ones, where texture is decided."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from jsddpm.sections import Spacing

RHO = 7.0
"""Exponent of Karras et al. 2022 (arXiv 2206.00364, equation 5)."""
NOISIEST = 80.0
"""Highest noise of their schedule, as a ratio of noise to signal; higher levels differ by nothing a network can see."""
LEAST = 4
"""Fewest steps that are spread by Karras et al.; a step at the lowest level is wasted on fewer."""


def visited_timesteps(abar: Tensor, steps: int, spacing: Spacing) -> list[int]:
    """Timesteps of a sampler, the noisiest first, no two alike.

    ``trailing`` goes down from the last level in equal strides (Lin et al. 2023, arXiv 2305.08891, table 2); the step
    from the last of them to no noise is as long as the others, and what is finer than its noise is averaged away.
    ``karras`` goes from the last level to the level of :data:`NOISIEST` and from there to timestep 0, with
    ``sigma ** (1 / RHO)`` evenly spread, ``sigma`` being the ratio of noise to signal. With fewer than :data:`LEAST`
    steps both are ``trailing``.

    Args:
        abar: Cumulative products of ``1 - beta``, ``(T,)``, falling; the last may be 0.
        steps: Number of timesteps, 1 to T.
        spacing: ``trailing`` or ``karras``.

    >>> import torch
    >>> abar = torch.linspace(0.999, 0.001, 100)
    >>> visited_timesteps(abar, 5, "trailing")
    [99, 79, 59, 39, 19]
    >>> visited_timesteps(abar, 5, "karras")[-1]
    0
    """
    levels = len(abar)
    if spacing == "trailing" or steps < LEAST:
        evenly: list[int] = (np.arange(levels, 0, -levels / steps).round()[:steps].astype(np.int64) - 1).tolist()
        return evenly
    signal = abar.double().numpy()
    sigma = np.sqrt((1 - signal[signal > 0]) / signal[signal > 0])
    first, last = min(NOISIEST, sigma[-1]) ** (1 / RHO), sigma[0] ** (1 / RHO)
    wanted = np.linspace(first, last, steps - 1) ** RHO
    place = np.rint(np.interp(np.log(wanted), np.log(sigma), np.arange(len(sigma)))).astype(np.int64)
    order = np.arange(steps)
    place = np.concatenate([[levels - 1], place]) + order
    # no two alike: at least one level above the next, then at most one below the one before
    place = np.maximum.accumulate(place[::-1])[::-1] - order
    place = np.minimum.accumulate(np.minimum(place, levels - 1) + order) - order
    visited: list[int] = place.tolist()
    return visited
