"""Evaluation of joint image-and-mask generators, bin by bin, for cohorts of few patients.

>>> from jsddpm_eval import bin_utilization
>>> bin_utilization((24, 93), n_bins=10)["schemes"]["global"]["bins_used"]
7
"""

from __future__ import annotations

from importlib import import_module

_EXPORTS = {
    "BinAwareMetrics": "jsddpm_eval.binned",
    "Results": "jsddpm_eval.results",
    "bin_utilization": "jsddpm_eval.utilization",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'jsddpm_eval' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
