"""Joint synthesis of FLAIR slices and lesion masks by a diffusion model conditioned on z-bin and pathology.

Public names are imported on first use, so ``import jsddpm`` stays instant and free of torch.

>>> from jsddpm import ZBinning
>>> ZBinning(z_range=(24, 93), n_bins=10).index(24)
0
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_EXPORTS = {
    "Condition": "jsddpm.binning",
    "ZBinning": "jsddpm.binning",
    "compute_class_token": "jsddpm.binning",
    "quantize_z_global": "jsddpm.quantization",
    "quantize_z_local": "jsddpm.quantization",
    "JsddpmError": "jsddpm.errors",
    "SliceDataset": "jsddpm.slices.dataset",
    "SliceStore": "jsddpm.slices.store",
    "build_slice_cache": "jsddpm.slices.build",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'jsddpm' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
