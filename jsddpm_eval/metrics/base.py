"""Metrics: their specifications, their input, and their scores.

A metric is a file of this package, or of another one that registers it under the entry point ``jsddpm.metrics``. It
declares a :class:`~jsddpm_eval.results.specs.ScoreSpec` for every score and computes them from one cell; tables,
figures, comparisons, docs and tests use these specifications.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from torch import Tensor

from jsddpm.binning import ZBinning
from jsddpm.errors import environment_error
from jsddpm.wording import first_names
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functions import name_of, version_of
from jsddpm_eval.results.score import Counts, Score, place_name
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable

Need = Literal["pixels", "masks", "training"]
Values = NDArray[np.float64]
Value = TypeVar("Value")

NOTHING_GENERATED = "nothing generated for this condition"
"""Why scores of a condition without samples are undefined."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One condition: a selection of rows.

    Attributes:
        z_bin: Its bin; None for all bins.
        pathology: Its pathology; None for both.
        real: Real slices of the condition.
        generated: Generated slices of the condition.
        real_bin: Real slices of the bin, of both pathologies; all of them for all bins.
    """

    z_bin: int | None
    pathology: int | None
    real: SliceTable
    generated: SliceTable
    real_bin: SliceTable

    @property
    def counts(self) -> Counts:
        """Slices and patients of the condition."""
        return Counts(len(self.real), len(self.generated), self.real.n_patients)

    @cached_property
    def patient_names(self) -> dict[int, str]:
        """Name of each of its real patients, by number."""
        return dict(zip(self.real.patient.tolist(), self.real.patient_names.tolist(), strict=True))

    @property
    def key(self) -> tuple[int | None, int | None]:
        """Key of the condition."""
        return self.z_bin, self.pathology


@dataclass(eq=False)
class Context:
    """The data that all cells of an evaluation share.

    Attributes:
        real: Every real slice inside the binning.
        generated: Every generated slice.
        binning: The bins.
        spaces: Feature spaces.
        seed: Seed of all draws.
        wanted: Names of the requested specs.
        missing_spaces: Reason why a feature space cannot be used, by its name.
        per_slice: Values of each generated slice by name, ``(M,)``; see :meth:`record`.
        kept: Objects that cells share; see :meth:`once`.
        confusion: Generated slices by requested bin and predicted bin, once it is known.
        alike: Names of real patients who are alike, group by group, once they are known; see
            :mod:`~jsddpm_eval.metrics.persons`.
    """

    real: SliceTable
    generated: SliceTable
    binning: ZBinning
    spaces: list[FeatureSpace]
    seed: int
    wanted: frozenset[str]
    missing_spaces: Mapping[str, str] = field(default_factory=dict)
    per_slice: dict[str, Tensor] = field(default_factory=dict)
    kept: dict[object, object] = field(default_factory=dict, repr=False)
    confusion: list[list[int]] = field(default_factory=list)
    alike: list[list[str]] = field(default_factory=list)

    def wants(self, spec: ScoreSpec) -> bool:
        """Whether a score is requested."""
        return spec.name in self.wanted

    def record(self, name: str, cell: Cell, values: Tensor) -> None:
        """Keep a value of each generated slice of a cell for ``per_slice.csv``; NaN without a value."""
        if name not in self.per_slice:
            self.per_slice[name] = torch.full((len(self.generated),), torch.nan, dtype=torch.float64)
        self.per_slice[name][cell.generated.row] = values.double()

    def once(self, key: object, compute: Callable[[], Value]) -> Value:
        """An object that all cells of this evaluation share, computed once."""
        if key not in self.kept:
            self.kept[key] = compute()
        return self.kept[key]  # type: ignore[return-value]

    def baseline(
        self, cell: Cell, name: str, *settings: object, compute: Callable[[], ArrayLike], version: str | None = None
    ) -> Values:
        """Numbers from real slices alone, computed once for all evaluations against the same real slices.

        Args:
            cell: The condition of the real slices.
            name: Their name. Numbers of other functions may have the same.
            settings: Other settings that affect them: counts, feature space.
            compute: Function that computes them.
            version: Text to be changed with every change of the function. None is right for jsddpm's own functions;
                numbers of another function are then computed anew.
        """
        kept = version_of(compute, version)
        if kept is None:
            return np.atleast_1d(np.asarray(compute(), dtype=np.float64))
        own = (name_of(compute), "" if version is None else kept)
        key = (name, self.binning.fingerprint, self.seed, cell.key, *settings, *own)
        return self.real.memo.values(key, compute)

    @cached_property
    def least_equal_count(self) -> int:
        """Smallest number of references of other patients for a real slice, over all bins with generated slices."""
        bins = [self.real.where(self.real.z_bin == k) for k in self.generated.z_bin.unique().tolist()]
        return min((equal_count(b.patient) for b in bins if len(b)), default=0)


def equal_count(patient: Tensor) -> int:
    """Smallest number of reference slices a real slice has once its own patient's slices are excluded."""
    counts = patient.unique(return_counts=True)[1]
    return len(patient) - int(counts.max()) if len(counts) else 0


class Metric(ABC):
    """A family of scores.

    Attributes:
        name: Name of the family, unique.
        specs: Its scores.
        needs: Its input besides features: ``pixels`` of images, ``masks``, or networks trained on real slices
            (``training``). Without masks its scores are undefined.
    """

    name: ClassVar[str]
    specs: ClassVar[tuple[ScoreSpec, ...]]
    needs: ClassVar[frozenset[Need]] = frozenset()

    @abstractmethod
    def compute(self, cell: Cell, context: Context) -> Mapping[str, Score]:
        """The scores of a cell by name (:meth:`ScoreSpec.named`), for any counts.

        A score that cannot be computed is :meth:`Score.undefined` with the reason. Names that are not requested may be
        left out.
        """

    def asked(self, cell: Cell, context: Context) -> Iterator[tuple[ScoreSpec, str]]:
        """Specs this cell has, with the name of each score."""
        for spec in self.specs:
            if context.wants(spec) and spec.asked(cell.z_bin, cell.pathology):
                spaces = [*(s.name for s in context.spaces), *context.missing_spaces]
                for space in spaces if spec.per_space else [""]:
                    yield spec, space

    def undefined(self, cell: Cell, context: Context, reason: str, counts: Counts | None = None) -> dict[str, Score]:
        """Every score of the cell undefined for one reason."""
        score = Score.undefined(reason, counts or cell.counts)
        return {spec.named(space): score for spec, space in self.asked(cell, context)}

    def _computed(self, cell: Cell, context: Context) -> dict[str, Score]:
        try:
            return dict(self.compute(cell, context))
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            what = f"the metric {self.name} made no valid score of {place_name(cell.z_bin, cell.pathology)} ({reason})"
            cure = "let it return Score.undefined(reason, counts) where a score cannot be computed"
            raise environment_error("PLUGIN", what, fix=cure) from error

    def _without_space(self, cell: Cell, context: Context) -> dict[str, Score]:
        return {
            spec.named(space): Score.undefined(context.missing_spaces[space], cell.counts)
            for spec, space in self.asked(cell, context) if space in context.missing_spaces
        }  # fmt: skip

    def scores(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The requested scores, in the order of the specs, with units and standings.

        Raises:
            JsddpmError: ``PLUGIN`` (status 5) when the metric leaves out a score that is asked for, or makes one
                that is not a finite number.
        """
        requested = list(self.asked(cell, context))
        if not requested:
            return {}
        if "masks" in self.needs and not (context.real.has_masks and context.generated.has_masks):
            computed: Mapping[str, Score] = self.undefined(cell, context, "no masks were given")
        elif "pixels" in self.needs and not (context.real.has_pixels and context.generated.has_pixels):
            computed = self.undefined(cell, context, "no images were given")
        else:
            computed = self._computed(cell, context) | self._without_space(cell, context)
        names = (spec.named(space) for spec, space in requested)
        if missing := [name for name in names if not isinstance(computed.get(name), Score)]:
            what = f"the metric {self.name} returned no Score for {first_names(missing)}"
            raise environment_error("PLUGIN", what, fix="let it return Score.of(...) or Score.undefined(...) for each")
        return {spec.named(space): computed[spec.named(space)].placed(spec, space) for spec, space in requested}


def conditions(context: Context) -> Iterable[tuple[int | None, int | None]]:
    """Cells of an evaluation: the whole, each pathology, then bin by bin both, control and lesion."""
    yield from ((None, None), (None, 0), (None, 1))
    for k in range(context.binning.n_bins):
        yield from ((k, None), (k, 0), (k, 1))
