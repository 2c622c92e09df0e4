"""Evaluation of joint image-and-mask generators, bin by bin, for cohorts of few patients.

Public names are imported on first use. They are listed, with their types, in ``__init__.pyi``.

>>> from jsddpm_eval import bin_utilization
>>> bin_utilization((24, 93), n_bins=10)["schemes"]["global"]["bins_used"]
7
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
