"""Bin utilization: how many bins and embeddings a scheme uses over a training range. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from jsddpm.binning import Scheme, ZBinning
from jsddpm.wording import agreeing


def scheme_utilization(binning: ZBinning) -> dict[str, Any]:
    """Utilization of one binning over the slices of its ``z_range``.

    Returns:
        ``bins_total``, ``bins_used``, ``utilization`` (0..1), ``counts`` (slices per bin), ``ranges`` (``[first,
        last]`` or None per bin), ``min_per_used_bin``, ``max_per_used_bin``, ``spread`` (their difference), ``entropy``
        (of the slice distribution, divided by log n_bins; 1 is even), ``unused_bins``, ``unused_embeddings`` (tokens
        that would get no gradient, both pathologies).

    >>> scheme_utilization(ZBinning((24, 93), 10, "global"))["unused_bins"]
    [0, 8, 9]
    """
    n = binning.n_bins
    counts = [len(binning.slices(k)) for k in range(n)]
    used = [c for c in counts if c]
    unused = [k for k in range(n) if not counts[k]]
    shares = [c / sum(used) for c in used]
    return {
        "bins_total": n,
        "bins_used": len(used),
        "utilization": len(used) / n,
        "counts": counts,
        "ranges": [list(r) if r else None for r in binning.ranges()],
        "min_per_used_bin": min(used),
        "max_per_used_bin": max(used),
        "spread": max(used) - min(used),
        "entropy": -sum(p * math.log(p) for p in shares) / math.log(n) if n > 1 else 1.0,
        "unused_bins": unused,
        "unused_embeddings": sorted(k + pathology * n for k in unused for pathology in (0, 1)),
    }


def bin_utilization(
    z_range: tuple[int, int],
    n_bins: int = 10,
    n_slices: int = 128,
    schemes: Sequence[Scheme] = ("local", "global"),
    *,
    allow_empty_bins: bool = False,
) -> dict[str, Any]:
    """Utilization of several schemes side by side, as ``jsddpm bins report --format json`` prints it.

    Raises:
        JsddpmError: As :class:`~jsddpm.binning.ZBinning`.
    """
    return {
        "z_range": list(z_range),
        "n_bins": n_bins,
        "n_slices": n_slices,
        "schemes": {s: scheme_utilization(ZBinning(z_range, n_bins, s, n_slices, allow_empty_bins)) for s in schemes},
    }


def verdict(report: dict[str, Any]) -> str:
    """One sentence on the bins that the schemes of a report use.

    >>> verdict(bin_utilization((24, 93)))
    'local uses all 10 bins; global uses 7 of 10, and 6 of 20 embeddings would never get a gradient'
    """
    parts = []
    for name, s in report["schemes"].items():
        total = s["bins_total"]
        if s["bins_used"] == total:
            parts.append(f"{name} uses {agreeing(total, 'its only bin', f'all {total} bins')}")
        else:
            idle = f"{len(s['unused_embeddings'])} of {2 * total} embeddings would never get a gradient"
            parts.append(f"{name} uses {s['bins_used']} of {total}, and {idle}")
    return "; ".join(parts)
