"""Bin-aware metrics as a torchmetrics metric: accumulate batches in a notebook or a training loop, then evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric as TorchMetric

from jsddpm.binning import ZBinning, parse_pathology
from jsddpm.errors import usage_error
from jsddpm.seeds import check_seed
from jsddpm_eval.evaluation import Features, Metrics, evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.extractors.radiomics import EXTRACTOR
from jsddpm_eval.features.registry import ready_extractors
from jsddpm_eval.functional.best_match import best_match
from jsddpm_eval.gathering import gathered, joined
from jsddpm_eval.labels import as_integers, require_binning
from jsddpm_eval.metrics.registry import chosen
from jsddpm_eval.metrics.registry import metrics as every_metric
from jsddpm_eval.pixels import Values
from jsddpm_eval.plugins import listed
from jsddpm_eval.results.results import Results
from jsddpm_eval.settled import settled
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.whole_table import CONTENT, content_of, given_column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Plotted = Tensor | Sequence[Tensor] | dict[str, Tensor] | Sequence[dict[str, Tensor]]
"""What torchmetrics draws: values, or a list of values of several steps."""

_NUMBERS = "give numbers that are the same in all batches, such as numpy.unique(names, return_inverse=True)[1]"


class BinAwareMetrics(TorchMetric):
    """Compares generated with real slices, per bin x pathology and pooled.

    Real and generated slices are added in any order and any number of batches; states are concatenated across
    processes. The state is features and labels; pixels and masks are kept only if a requested metric needs them.

    Add slices with :meth:`update`. A call of the metric itself also evaluates what it adds, as torchmetrics does: real
    or generated slices alone, so that scores that compare the two are NaN.

    Args:
        binning: The binning that the slices are conditioned on.
        features: Feature extractors, or names of those that are not trained on the real slices.
        metrics: Metrics or single scores by name, or metrics themselves. None uses all metrics that need only
            features, so that no pixels are kept.
        seed: Seed of all draws: patient halves, relabellings, one slice per patient.
        spacing: Pixel size and slice distance ``(row, column, z)`` in mm, for scores in mm.

    Raises:
        JsddpmError: ``METRIC`` (status 2) for an unknown metric; ``EXTRACTOR`` (status 2) for an unknown extractor, or
            one that is trained on the real slices; ``BINNING``, ``OPTION`` (status 2) for another binning or seed.

    >>> metric = BinAwareMetrics(ZBinning((0, 9), 2, n_slices=10), metrics=["best_match_psnr"])
    >>> slices = torch.stack([torch.zeros(12, 12), torch.full((12, 12), 0.4)])
    >>> metric.update(slices, z_bin=torch.tensor([0, 0]), pathology=torch.tensor([0, 0]), patient=[1, 2], real=True)
    >>> metric.update(torch.full((1, 12, 12), 0.5), z_bin=torch.tensor([0]), pathology=torch.tensor([0]), real=False)
    >>> round(metric.results()["best_match_psnr", 0, "control"].value, 3)
    20.0
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = None

    def __init__(
        self,
        binning: ZBinning,
        *,
        features: Features = (EXTRACTOR,),
        metrics: Metrics | None = None,
        seed: int = 0,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__(dist_sync_fn=gathered)
        require_binning(binning)
        names = listed(metrics) if metrics is not None else [m.name for m in every_metric().values() if not m.needs]
        self.binning, self.asked, self.seed, self.spacing = binning, tuple(names), check_seed(seed), spacing
        self.features = ready_extractors(features, seed=seed)
        needs = {need for metric in chosen(self.asked)[0] for need in metric.needs}
        self.kept = tuple(name for name in ("pixels", "masks") if name in needs)
        labels = ("z_bin", "pathology", "patient", "group", "held_out", "generated", CONTENT)
        for name in (*labels, *self.kept, *(f"features_{i}" for i in range(len(self.features)))):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    @settled()
    def update(
        self,
        images: Values,
        masks: Values | None = None,
        *,
        z_bin: Values,
        pathology: Values | Sequence[str],
        patient: Values | None = None,
        group: Values | None = None,
        held_out: Values | None = None,
        real: bool,
    ) -> None:
        """Add slices.

        Args:
            images: ``(B, H, W)`` or ``(B, 1, H, W)`` floats in [0, 1].
            masks: Their lesion masks; required if a requested metric needs them.
            z_bin: Bins, for generated slices those they are conditioned on, int64 ``(B,)``.
            pathology: 0 control, 1 lesion, int64 ``(B,)``.
            patient: Patient numbers of real slices, ``(B,)``; no names, because tensors are exchanged by processes.
            group: Numbers of the volumes of generated slices, ``(B,)``, negative for a slice without a volume; a number
                means the same volume in all batches and processes. None if all slices are independent.
            held_out: Whether the generator was not trained on these real slices, boolean ``(B,)``; None if it may
                have been trained on any.
            real: Whether these are real slices.

        Raises:
            JsddpmError: ``SLICES`` (status 2) when slices do not fit, exceed [0, 1] or are outside the bins; when real
                slices lack a patient or have a group, or generated ones have a patient.
        """
        if real == (patient is None):
            what = "real slices need patients" if real else "generated slices have no patients"
            raise usage_error("SLICES", what, fix="give the argument patient only with real=True")
        if masks is None and "masks" in self.kept:
            raise usage_error("SLICES", "the argument masks is missing", fix="give the masks of the slices")
        table = SliceTable.from_arrays(
            images, masks, z_bin=z_bin, pathology=pathology, patient=patient, group=group, held_out=held_out,
            binning=self.binning, spacing=self.spacing,
        )  # fmt: skip
        none = [-1] * len(table)
        batch = {"z_bin": table.z_bin, "pathology": table.pathology, "held_out": table.held_out}
        batch |= {"patient": as_integers("patient", none if patient is None else patient, _NUMBERS)}
        batch |= {"group": as_integers("group", none if group is None else group, _NUMBERS)}
        batch |= {"generated": torch.full((len(table),), not real), "pixels": table.images}
        batch |= {"masks": table.masks} if table.has_masks else {}
        batch |= {CONTENT: content_of(*(batch[name] for name in ("pixels", "masks") if name in batch))}
        batch |= {f"features_{i}": extractor(table.images) for i, extractor in enumerate(self.features)}
        for name, values in batch.items():
            if name in self._defaults:
                getattr(self, name).append(values.to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Pooled scores by name; NaN if a score is undefined. :meth:`results` has the full results."""
        scores = self.results().pooled
        return {n: torch.tensor(torch.nan if s.value is None else s.value) for n, s in scores.items()}

    def plot(self, val: str | Plotted | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
        """Draw a score along the bins, or values that were computed, as torchmetrics does; return figure and axes.

        Args:
            val: Name of a score, drawn along the bins (:meth:`Results.plot`); None takes the first one. Or what
                :meth:`compute` or a call returned, or a list of such values, one for each step.
            ax: Axes to draw on; None makes a figure.

        Raises:
            JsddpmError: ``SCORE`` (status 2) for a name that no bin has.
        """
        if val is None or isinstance(val, str):
            axes = self.results().plot(val, ax)
        else:
            axes = cast("Axes", self._plot(val, ax)[1])
        return cast("Figure", axes.figure), axes

    @settled()
    def results(self) -> Results:
        """Every score of every condition with its context, findings and verdict."""
        with self.sync_context(
            dist_sync_fn=self.dist_sync_fn, should_sync=not self._is_synced, should_unsync=not self._is_synced
        ):
            state = {name: joined(getattr(self, name)) for name in self._defaults}
        generated = state["generated"].bool()
        tables = [self._table(state, ~generated, real=True), self._table(state, generated, real=False)]
        return evaluate(*tables, metrics=self.asked, features=self.features, seed=self.seed)

    def _table(self, state: Mapping[str, Tensor], keep: Tensor, *, real: bool) -> SliceTable:
        rows = {name: values[keep] if len(values) else values for name, values in state.items()}
        columns = {
            given_column(space.name, space.key): rows[f"features_{i}"] for i, space in enumerate(self.features)
        } | {CONTENT: rows[CONTENT].long()}
        kept = {name: rows[name] for name in self.kept if rows[name].ndim > 1}  # a flat state has no slices
        return SliceTable.from_arrays(
            kept.get("pixels"), kept.get("masks"), z_bin=rows["z_bin"].long(), pathology=rows["pathology"].long(),
            patient=rows["patient"].long() if real else None, group=None if real else rows["group"].long(),
            held_out=rows["held_out"].bool() if real else None, binning=self.binning, columns=columns,
            spacing=self.spacing,
        )  # fmt: skip

    @staticmethod
    def compute_bin_aware_psnr(
        generated: Tensor | NDArray[Any],
        z_bin: int,
        reference_slices: Mapping[int, Sequence[Tensor | NDArray[Any]]],
        data_range: float = 1.0,
    ) -> float:
        """PSNR in dB of one generated slice against the best-matching reference slice of its bin.

        Args:
            generated: One slice, a tensor or an array.
            z_bin: Its bin.
            reference_slices: Real slices of each bin, of the same shape.
            data_range: 1 for [0, 1].

        Raises:
            JsddpmError: ``SLICES`` (status 2) when the bin has no reference slice, or slices differ in shape; ``BIN``
                (status 2) for a bin that is not a whole number; ``OPTION`` (status 2) for a range that is not above 0.

        >>> slices = {0: [torch.zeros(1, 12, 12), torch.full((1, 12, 12), 0.4)]}
        >>> round(BinAwareMetrics.compute_bin_aware_psnr(torch.full((1, 12, 12), 0.5), 0, slices), 3)
        20.0
        """
        try:
            number = index(z_bin)
        except TypeError:
            raise usage_error("BIN", f"bin {z_bin!r} is not a whole number", fix="give the bin as an int") from None
        if not 0 < data_range < torch.inf:
            raise usage_error("OPTION", f"the range {data_range} is not above 0", fix="give 1 for [0, 1]")
        own, references = torch.as_tensor(generated), [torch.as_tensor(s) for s in reference_slices.get(number, ())]
        if not references:
            raise usage_error("SLICES", f"bin {number} has no reference slice", fix="give real slices of the bin")
        if other := [tuple(s.shape) for s in references if s.shape != own.shape]:
            what = f"a reference slice has the shape {other[0]}, the generated one {tuple(own.shape)}"
            raise usage_error("SLICES", what, fix="give slices of one shape")
        return float(best_match(own[None], torch.stack(references), data_range=data_range)[0])


class BinAwareScore(BinAwareMetrics):
    """One score of :class:`BinAwareMetrics` as a tensor, for ``self.log`` and for a ``MetricCollection``.

    Slices are added in the same way. In a collection, scores with the same state share it.

    Args:
        score: Name of the score, such as ``kid`` or ``lesion_present``.
        binning: The binning that the slices are conditioned on.
        feature: Feature extractor, or its name, if the score has a feature space.
        z_bin: Bin; None for all bins.
        pathology: 0 or control, 1 or lesion; None for both.
        seed: Seed of all draws.
        spacing: Pixel size and slice distance ``(row, column, z)`` in mm, for scores in mm.

    Raises:
        JsddpmError: ``METRIC`` or ``PATHOLOGY`` (status 2) for a name that is not that of one score or pathology, or a
            condition without the score.

    >>> metric = BinAwareScore("best_match_psnr", ZBinning((0, 9), 2, n_slices=10), z_bin=0, pathology=0)
    >>> slices = torch.stack([torch.zeros(12, 12), torch.full((12, 12), 0.4)])
    >>> metric.update(slices, z_bin=torch.tensor([0, 0]), pathology=torch.tensor([0, 0]), patient=[1, 2], real=True)
    >>> metric.update(torch.full((1, 12, 12), 0.5), z_bin=torch.tensor([0]), pathology=torch.tensor([0]), real=False)
    >>> round(float(metric.compute()), 3)
    20.0
    """

    def __init__(
        self,
        score: str,
        binning: ZBinning,
        *,
        feature: str | Extractor = EXTRACTOR,
        z_bin: int | None = None,
        pathology: int | str | None = None,
        seed: int = 0,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__(binning, features=(feature,), metrics=[score], seed=seed, spacing=spacing)
        members = chosen([score])[1]
        if members != {score}:
            raise usage_error(
                "METRIC", f"{score!r} is a family of scores", fix=f"use one of {', '.join(sorted(members))}"
            )
        self.score, self.place = score, (z_bin, kind := None if pathology is None else parse_pathology(pathology))
        spec = next(spec for metric in chosen([score])[0] for spec in metric.specs if spec.name == score)
        exists = z_bin in (None, *range(binning.n_bins))
        if not (exists and spec.asked(z_bin, kind)):
            what = f"there is no {score!r} of bin {z_bin} and pathology {pathology} in {binning.n_bins} bins"
            raise usage_error("METRIC", what, fix="give z_bin and pathology of one condition, or neither")
        self._higher = {"higher": True, "lower": False}.get(spec.better or "")

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]  # torchmetrics asks for a constant of the class
        """Whether a higher score is better; None if there is no better direction."""
        return self._higher

    def compute(self) -> Tensor:  # type: ignore[override]  # one tensor in place of a dictionary
        """The score; NaN if it is undefined. :meth:`results` has the reason."""
        cell = next(c for c in self.results().generation if (c.z_bin, c.pathology) == self.place)
        value = next((score.value for score in cell.of(self.score)), None)
        return torch.tensor(torch.nan if value is None else value)

    def plot(self, val: str | Plotted | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
        """Draw the score, or values of several steps, as torchmetrics does; a name draws that score along the bins."""
        figure, axes = super().plot(self.compute() if val is None else val, ax)
        if not isinstance(val, str):
            axes.set_ylabel(self.score)
        return figure, axes
