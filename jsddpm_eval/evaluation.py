"""Evaluate generated slices: compare two tables of slices, cell by cell."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.seeds import check_seed
from jsddpm.slices.opened import Store, opened
from jsddpm.slices.store import SliceStore
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.checks.verdict import with_findings
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.registry import DEFAULT, asked_name, make_extractors
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.import_check.check import suspicions
from jsddpm_eval.metrics.base import Cell, Context, Metric, conditions
from jsddpm_eval.metrics.registry import chosen, require_no_space
from jsddpm_eval.overlap import refuse_real_slices
from jsddpm_eval.plugins import listed
from jsddpm_eval.results.results import ALIKE, Results
from jsddpm_eval.results.score import Cell as ScoredCell
from jsddpm_eval.settled import settled
from jsddpm_eval.slice_table import SliceTable

_ROUNDING = 1e-3  # relative difference of spacings that the header of a file may round away
_VERSIONED = ("jsddpm", "torch", "torchmetrics", "torch-fidelity", "numpy", "scipy", "scikit-image")

Slices = SliceTable | Store
"""A table, an open store, or a store's folder."""

Metrics = str | Metric | Sequence[str | Metric]
"""Metrics that are asked for: names or metrics, or one of them."""

Features = str | Extractor | Sequence[str | Extractor]
"""Feature extractors that are asked for: names or extractors, or one of them."""

Progress = Callable[[str, int, int], None]
"""Called with the name of a part, the steps done and their number; (0, 1) for a part without steps."""


@dataclass(frozen=True)
class Evaluation:
    """Results with their data.

    Attributes:
        results: The results.
        real: Real slices inside the binning.
        generated: Generated slices.
        per_slice: Values of each generated slice by name, float64 ``(M,)``, NaN without a value.
    """

    results: Results
    real: SliceTable
    generated: SliceTable
    per_slice: dict[str, torch.Tensor]


def evaluate(
    real: Slices,
    generated: Slices,
    *,
    metrics: Metrics | None = None,
    features: Features = DEFAULT,
    split: str | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Results:
    """Compare generated with real slices, bin by bin, pathology by pathology, and pooled.

    Args:
        real: Real slices; of a store, those inside the bins of the generated slices.
        generated: Generated slices.
        metrics: Metrics or single scores by name (``"best_match"``, ``"kid"``), or metrics themselves; all when None.
        features: Feature extractors, or their names for :func:`~jsddpm_eval.features.registry.make_extractors`.
        split: Held-out split of a store ``real``, test when None; a table states its held-out slices itself.
        seed: Seed of all random numbers of the evaluation.
        cache: Folder of features, baselines and trained networks, which evaluations share; None writes nothing. A table
            (or a selection of its slices) keeps them in memory for its next evaluation in any case.
        progress: See :data:`Progress`.

    Raises:
        JsddpmError: ``STORES`` (status 3) when the two cannot be compared, for example because sizes or spacings
            differ; ``SLICES`` (status 2) for arrays in place of a table; ``METRIC``, ``EXTRACTOR``, ``BINNING``,
            ``SPLIT``, ``OPTION`` (status 2).

    >>> images, bins, asked = torch.rand((12, 16, 16), generator=torch.Generator().manual_seed(0)), [0] * 12, [1] * 12
    >>> real = SliceTable.from_arrays(images, z_bin=bins, pathology=asked, patient=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    >>> generated = SliceTable.from_arrays(images[:4] / 2, z_bin=bins[:4], pathology=asked[:4])
    >>> evaluate(real, generated, metrics=["kid"], features=["radiomics"])["kid", 0, "lesion"].n_patients
    6
    """
    return evaluate_in_detail(real, generated, metrics, features, split, seed, cache, progress).results


@settled()
def evaluate_in_detail(
    real: Slices,
    generated: Slices,
    metrics: Metrics | None = None,
    features: Features = DEFAULT,
    split: str | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """:func:`evaluate`, with the data of the results."""
    say, seed = progress or (lambda *_: None), check_seed(seed)
    asked = [] if metrics is None else listed(metrics)
    picked, requested = chosen(None if metrics is None else asked)
    _require_store_of(split, real)
    real, generated, binning = _tables(real, generated, split)
    if real.store is not None and generated.store is not None:
        refuse_real_slices(real, generated)
    for table in (real, generated):
        table.memo.keep_in(cache)
    say("import check", 0, 1)
    suspected = suspicions(real, generated, binning)
    say("feature extractors", 0, 1)
    if not listed(features) and metrics is not None:
        require_no_space(picked, requested)
    extractors = make_extractors(features, real, seed=seed, folder=real.memo.folder)
    spaces = [FeatureSpace(extractor, real) for extractor in extractors if not extractor.missing]
    missing = {extractor.name: extractor.missing for extractor in extractors if extractor.missing}
    context = Context(real, generated, binning, spaces, seed, requested, missing)
    every = list(conditions(context))
    cells: list[ScoredCell] = []
    for z_bin, of_bin in groupby(every, key=itemgetter(0)):
        real_bin = real if z_bin is None else real.where(real.z_bin == z_bin)  # its conditions share what is read
        for _, pathology in of_bin:
            say("bin-aware metrics", len(cells), len(every))
            cells.append(_scored(_cell(context, real_bin, z_bin, pathology), context, picked))
    say("bin-aware metrics", len(every), len(every))
    real.memo.save()
    provenance: dict[str, Any] = {
        "real": real.origin,
        "generated": generated.origin,
        "versions": versions(),
        "seed": seed,
        "features": [extractor.describe() for extractor in extractors],
        "metrics_asked": [metric.name if isinstance(metric, Metric) else metric for metric in asked],
        "features_asked": [f.name if isinstance(f, Extractor) else asked_name(f) for f in listed(features)],
    }
    if suspected:
        provenance["suspicions"] = [asdict(s) | {"sentence": str(s)} for s in suspected]
    if context.alike:
        provenance[ALIKE] = context.alike
    results = Results(
        binning=binning.to_dict(),
        provenance=provenance,
        utilization=bin_utilization(binning.z_range, binning.n_bins, binning.n_slices, allow_empty_bins=True),
        specs=tuple(spec for metric in picked for spec in metric.specs if context.wants(spec)),
        generation=tuple(cells),
        confusion=tuple(map(tuple, context.confusion)),
    )
    return Evaluation(with_findings(results), real, generated, context.per_slice)


def versions() -> dict[str, str]:
    """Versions of all packages that affect scores."""
    return {name: version(name) for name in _VERSIONED} | {"python": platform.python_version()}


def _cell(context: Context, real_bin: SliceTable, z_bin: int | None, pathology: int | None) -> Cell:
    generated, real = context.generated, real_bin
    if z_bin is not None:
        generated = generated.where(generated.z_bin == z_bin)
    if pathology is not None:
        real, generated = real.where(real.pathology == pathology), generated.where(generated.pathology == pathology)
    return Cell(z_bin, pathology, real, generated, real_bin)


def _scored(cell: Cell, context: Context, metrics: Sequence[Metric]) -> ScoredCell:
    scores = {name: score for metric in metrics for name, score in metric.scores(cell, context).items()}
    return ScoredCell(z_bin=cell.z_bin, pathology=cell.pathology, scores=scores, **cell.counts._asdict())


def _tables(real: Slices, generated: Slices, split: str | None) -> tuple[SliceTable, SliceTable, ZBinning]:
    """Both tables with one binning.

    Raises:
        JsddpmError: ``STORES`` (status 3), ``SLICES``, ``BINNING``, ``BINNING_MISMATCH`` or ``SPLIT`` (status 2).
    """
    _require_slices(real, generated)
    if not isinstance(generated, SliceTable):
        generated = opened(generated)
        _require_kind(generated.kind, "generated", stored=True)
    fake = generated if isinstance(generated, SliceTable) else SliceTable.from_store(generated)
    binning = fake.binning
    if not isinstance(real, SliceTable):
        if binning is None:
            cure = (
                "give the generated slices a binning, as in SliceTable.from_arrays(..., binning=ZBinning((24, 93), 10))"
            )
            raise usage_error("BINNING", "a store has no bins, and neither have the generated slices", fix=cure)
        real = SliceTable.from_store(real, binning, split="test" if split is None else split)
    if binning is None:
        binning = real.binning or _counted(real, fake)
    for table, kind in ((real, "real"), (fake, "generated")):
        _require_kind(table.kind, kind, stored=table.store is not None)
        if table.binning is not None:
            binning.require_same(table.binning, mine="the generated slices", others=f"the {kind} slices")
        elif len(table) and int(table.z_bin.max()) >= binning.n_bins:
            cure = f"give bins from 0 to {binning.n_bins - 1}"
            raise JsddpmError(
                "STORES", f"the {kind} slices reach bin {int(table.z_bin.max())}, which the binning lacks", fix=cure
            )
    if real.has_pixels and fake.has_pixels and len(real) and len(fake) and real.size != fake.size:
        what = f"real slices have the size {real.size}, generated slices {fake.size}"
        raise JsddpmError("STORES", what, fix="generate slices of the same size")
    if not all(math.isclose(*pair, rel_tol=_ROUNDING) for pair in zip(real.spacing, fake.spacing, strict=True)):
        what = f"real slices have the spacing {real.spacing} mm, generated slices {fake.spacing} mm"
        cure = "give both tables their spacing: SliceTable.from_arrays(..., spacing=real.spacing)"
        raise JsddpmError("STORES", what, fix=f"{cure}; without it, 1 mm is meant. Or generate slices of that spacing")
    return real.rooted(), fake.rooted(), binning


def _require_store_of(split: str | None, real: Slices) -> None:
    if split is not None and isinstance(real, SliceTable):
        cure = "leave it out, or give the store; a table states it as held_out, or from_store(..., split=...)"
        raise usage_error("OPTION", f"the split {split!r} is given with a table of real slices", fix=cure)


def _require_slices(*given: object) -> None:
    """Refuse arrays in place of a table: they lack bins, pathologies and patients."""
    for each in given:
        if not isinstance(each, SliceTable | SliceStore | str | os.PathLike):
            what = f"{type(each).__name__} is neither a table nor a store of slices"
            cure = "make tables of arrays: SliceTable.from_arrays(images, masks, z_bin=..., pathology=...), for real "
            raise usage_error("SLICES", what, fix=f"{cure}slices with patient=...")


def _require_kind(kind: str, expected: str, *, stored: bool) -> None:
    if kind != expected:
        cure = "give real slices with patients, and generated slices without"
        cure = "give a store of real slices, and one of jsddpm sample or cache import" if stored else cure
        raise JsddpmError("STORES", f"{expected} slices are expected instead of {kind} slices", fix=cure)


def _counted(real: SliceTable, generated: SliceTable) -> ZBinning:
    """Bins from 0 to the largest one, each with one slice."""
    last = max((int(t.z_bin.max()) for t in (real, generated) if len(t)), default=0)
    return ZBinning((0, last), last + 1, n_slices=last + 1)
