"""A feature extractor: a function of slices with a name, a stated preprocessing and an identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from jsddpm.errors import JsddpmError, first_line, usage_error
from jsddpm_eval.memo import InMemory
from jsddpm_eval.settled import settled

_KNOWN: WeakKeyDictionary[Callable[[Tensor], Tensor], str] = WeakKeyDictionary()  # functions of this process


@dataclass(frozen=True)
class Extractor:
    """Features of slices.

    Attributes:
        name: Its name in the scores.
        extract: float64 ``(N, d)`` of float32 images ``(N, H, W)`` in [0, 1].
        preprocessing: Preprocessing of a slice: range, quantisation, size, channels.
        weights: SHA-256 of its weights; None without weights.
        standardize: Whether columns are scaled by the reference before distances are taken (columns of unequal units).
        saw_training: Whether it was trained on the training slices, so that only held-out ones are a fair reference.
        missing: Why it cannot be used with these real slices; empty if it can.
        identified: Whether the description changes with every change of the function, for example by a version in
            ``preprocessing``. Features are kept in a folder only if it does, or if there are weights.
    """

    name: str
    extract: Callable[[Tensor], Tensor]
    preprocessing: dict[str, Any]
    weights: str | None = None
    standardize: bool = False
    saw_training: bool = False
    missing: str = ""
    identified: bool = False

    @settled()
    def __call__(self, images: Tensor) -> Tensor:
        """Features, after checks; computed without gradients and without mixed precision.

        Raises:
            JsddpmError: ``SLICES`` (status 2) when images are not float32 ``(N, H, W)`` in [0, 1]; ``EXTRACTOR``
                (status 3) when the features are not float64 ``(N, d)`` and finite, or cannot be computed.
        """
        if images.dtype != torch.float32 or images.ndim != 3:
            what = f"{self.name} takes float32 (N, H, W) instead of {images.dtype} {tuple(images.shape)}"
            raise usage_error("SLICES", what, fix="convert the images to float32")
        if images.numel() and not (float(images.min()) >= 0 and float(images.max()) <= 1):
            raise usage_error("SLICES", f"{self.name} takes images within [0, 1]", fix="scale the images")
        read = images if len(images) else images.new_zeros((1, *images.shape[1:]))  # no slice has as many features
        try:
            with torch.no_grad():
                features = self.extract(read)
        except JsddpmError:
            raise
        except Exception as error:  # any error of a user's network is a fault of that network
            raise self._at_fault(f"fails on {tuple(images.shape)} slices ({first_line(error)})") from error
        if not isinstance(features, Tensor):
            raise self._at_fault(f"gave {type(features).__name__}, no tensor")
        if features.dtype != torch.float64 or features.ndim != 2 or len(features) != len(read):
            raise self._at_fault(f"gave {features.dtype} {tuple(features.shape)} for {len(images)} slices")
        if not bool(features.isfinite().all()):
            raise self._at_fault("gave features that are not finite")
        return features[: len(images)]

    def _at_fault(self, what: str) -> JsddpmError:
        cure = "correct the extractor: float32 (N, H, W) in [0, 1] to float64 (N, d)"
        return JsddpmError("EXTRACTOR", f"{self.name} {what}", fix=cure)

    def describe(self) -> dict[str, Any]:
        """Description for results, as plain values."""
        return {
            "name": self.name,
            "weights_sha256": self.weights,
            "preprocessing": self.preprocessing,
            "standardized": self.standardize,
            "reference": "held-out patients" if self.saw_training else "all real patients",
        }

    @cached_property
    def key(self) -> str:
        """Hash of all settings that affect its features; if they do not identify the function, of that, too."""
        described = hashlib.sha256(json.dumps(self.describe(), sort_keys=True).encode()).hexdigest()[:16]
        if self.identified or self.weights is not None:
            return described
        return InMemory(f"{described}-{_identity(self.extract)}")


def _identity(function: Callable[[Tensor], Tensor]) -> str:
    """Text that differs for each function, also for functions of other processes."""
    try:
        return _KNOWN.setdefault(function, uuid4().hex)
    except TypeError:  # an object that cannot be a key is never taken for an earlier one
        return uuid4().hex


@dataclass(frozen=True)
class Standardizer:
    """Centre and scale of each column, taken from the reference, so that all bins are scaled equally."""

    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, reference: Tensor) -> Standardizer:
        """The standardization of reference features ``(n, d)``; a constant column has scale 0 and adds no distance."""
        std = reference.std(dim=0, correction=1) if len(reference) > 1 else torch.zeros(reference.shape[1])
        return cls(reference.mean(0), std.double())

    def __call__(self, features: Tensor) -> Tensor:
        """Standardized features, constant columns as 0."""
        scale = torch.where(self.std > 1e-12, 1 / self.std, 0.0)
        return (features - self.mean) * scale
