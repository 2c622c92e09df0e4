"""Faults of other families in some conditions alone: one bin, half of the bins, or those with a lesion."""

from __future__ import annotations

from dataclasses import replace

from jsddpm_eval.selftest.fault import Fault, Where, in_lesions
from jsddpm_eval.selftest.faults.copies import COPY
from jsddpm_eval.selftest.faults.intensity import GAIN
from jsddpm_eval.selftest.faults.masks import PERMUTED
from jsddpm_eval.selftest.faults.places import SHIFT
from jsddpm_eval.selftest.faults.sharpness import BLUR, NOISE
from jsddpm_eval.selftest.faults.texture import CHECKERBOARD
from jsddpm_eval.selftest.faults.variety import COLLAPSE


def _one_bin(z_bin: int, pathology: int, n_bins: int) -> bool:
    return z_bin == n_bins // 2


def _half(z_bin: int, pathology: int, n_bins: int) -> bool:
    return z_bin < n_bins // 2


def _lesions_of_one_bin(z_bin: int, pathology: int, n_bins: int) -> bool:
    return z_bin == n_bins // 2 and pathology == 1


def _confined(fault: Fault, where: Where, name: str, title: str) -> Fault:
    return replace(
        fault, name=f"{fault.name}_{name}", family="confined", title=f"{fault.title} in {title}", where=where,
        strengths=fault.strengths[-3:],
    )  # fmt: skip


FAULTS = (
    _confined(BLUR, _one_bin, "one_bin", "one bin"),
    _confined(BLUR, in_lesions, "lesions", "lesion samples"),
    _confined(NOISE, _one_bin, "one_bin", "one bin"),
    _confined(GAIN, _half, "half", "half of the bins"),
    _confined(CHECKERBOARD, in_lesions, "lesions", "lesion samples"),
    _confined(COPY, _one_bin, "one_bin", "one bin"),
    _confined(COPY, in_lesions, "lesions", "lesion samples"),
    _confined(SHIFT, _half, "half", "half of the bins"),
    _confined(SHIFT, _one_bin, "one_bin", "one bin"),
    _confined(PERMUTED, _lesions_of_one_bin, "one_bin", "one bin"),
    _confined(COLLAPSE, in_lesions, "lesions", "lesion samples"),
    _confined(COLLAPSE, _one_bin, "one_bin", "one bin"),
)
