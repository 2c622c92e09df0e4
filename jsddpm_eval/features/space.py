"""A feature space: an extractor and its standardization by real slices, the same for every bin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from jsddpm_eval.features.extractor import Extractor, Standardizer
from jsddpm_eval.functional.frechet import effective_dimension
from jsddpm_eval.slice_table import SliceTable


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Features of slices, standardized by the real slices that are a fair reference.

    Attributes:
        extractor: The extractor.
        real: Every real slice.
    """

    extractor: Extractor
    real: SliceTable

    @property
    def name(self) -> str:
        """Name of the extractor."""
        return self.extractor.name

    def of(self, table: SliceTable) -> Tensor:
        """Features of the slices of a table, float64 ``(N, d)``."""
        raw = self._raw(table)
        return raw if self._scale is None else self._scale(raw)

    def reference(self, real: SliceTable) -> SliceTable:
        """The real slices that are a fair reference: held-out ones if the extractor was trained on the others."""
        return real.where(real.held_out) if self.extractor.saw_training else real

    @cached_property
    def dimension(self) -> int:
        """Effective dimension of the features of the real slices."""
        fair = self.reference(self.real)
        key = ("dimension", self.extractor.key)
        return int(
            self.real.memo.values(key, lambda: [effective_dimension(self.of(fair)) if len(self.real) > 1 else 0])[0]
        )

    @cached_property
    def _scale(self) -> Standardizer | None:
        fair = self.reference(self.real)
        return Standardizer.fit(self._raw(fair)) if self.extractor.standardize and len(fair) else None

    def _raw(self, table: SliceTable) -> Tensor:
        key = self.extractor.key  # identifies the function
        return table.column(self.name, lambda batch: self.extractor(batch.images), settings=key, version="")
