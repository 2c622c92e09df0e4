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
        of the conditions that are never trained: those of the unused bins, both pathologies).

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
    """One sentence on the bins of each scheme that have slices, and on the conditions that are never trained.

    >>> verdict(bin_utilization((24, 93))).split("; ")[1]
    'with global bins, 3 of 10 bins have no slice, so 6 of 20 conditions are never trained'
    """
    parts = []
    for name, s in report["schemes"].items():
        total = s["bins_total"]
        empty = len(s["unused_bins"])
        if not empty:
            said = agreeing(total, "the only bin has slices", f"all {total} bins have slices")
        else:
            untrained = f"{len(s['unused_embeddings'])} of {2 * total} conditions are never trained"
            said = f"{empty} of {total} bins {agreeing(empty, 'has', 'have')} no slice, so {untrained}"
        parts.append(f"with {name} bins, {said}")
    return "; ".join(parts)
