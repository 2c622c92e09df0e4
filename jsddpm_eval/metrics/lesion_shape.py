"""Lesion shape: size, number, form and place of generated lesions against real ones."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from jsddpm_eval.features.extractor import Standardizer
from jsddpm_eval.functional.morphology import SHAPE, column_distance, lesion_shapes, rbf_distance
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Counts, Score, Spread
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.baseline import baseline_of, halved_statistic
from jsddpm_eval.stats.intervals import Statistic, jackknife_spread

_MOST = 4000, 1000  # real and generated lesion slices compared; with more, evenly spread ones
_HEADINGS = {"area": "area, mm²", "count": "number", "row": "row, mm", "column": "column, mm"}

SHAPES = tuple(
    ScoreSpec(
        name=f"lesion_{name}", heading=_HEADINGS.get(name, name), group="lesion shapes", unit=unit, pathology=1,
        better="lower", definition=f"1-Wasserstein distance of the lesions' {name}", verified="SciPy | 1e-7",
    )
    for name, unit in SHAPE.items()
)  # fmt: skip
MMD = ScoreSpec(
    name="lesion_mmd", heading="shape", group="lesions", pathology=1, better="lower", place="main",
    definition="unbiased MMD of all shape features, Gaussian kernel, median width", source="JMLR 13, 2012, eq. 3",
    reading="Kernel distance of area, count, eccentricity, solidity and place of the lesions; the baseline is real "
    "against real, patients halved.",
    verified="scikit-learn kernel | 1e-12",
)  # fmt: skip


def drawn_shapes(table: SliceTable) -> tuple[SliceTable, Tensor]:
    """The lesion slices whose mask is not empty, and their shapes, float64 ``(N, len(SHAPE))``."""
    lesions = table.where(table.pathology == 1)
    shapes = lesions.column("lesion-shapes", _shapes, settings=str(lesions.spacing[:2]))
    drawn = shapes.isfinite().all(1)
    return lesions.where(drawn), shapes[drawn]


class LesionShape(Metric):
    """Distances between the shapes of real and of generated lesions; empty masks are left out (see obedience)."""

    name = "lesion_shape"
    specs = (*SHAPES, MMD)
    needs = frozenset({"masks"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Distances of one column each in its units, and of all columns standardized by the real ones."""
        if cell.pathology == 0:
            return {}
        real, x = drawn_shapes(cell.real.where(cell.real.pathology == 1).spread(_MOST[0]))
        generated, y = drawn_shapes(cell.generated.where(cell.generated.pathology == 1).spread(_MOST[1]))
        counts = Counts(len(real), len(generated), real.n_patients)
        if min(len(real), len(generated)) < 2:
            which = "real" if len(real) < 2 else "generated"
            return self.undefined(cell, context, f"needs at least 2 {which} slices with a lesion", counts)
        scaled, names = Standardizer.fit(x), real.patient_names
        scores = {}
        for i, spec in enumerate(self.specs):
            statistic: Statistic = rbf_distance if spec is MMD else partial(column_distance, column=i)
            a, b = (scaled(x), scaled(y)) if spec is MMD else (x, y)
            halved = partial(halved_statistic, statistic, a, names, count=len(y), seed=context.seed)
            halves = context.baseline(cell, spec.name, len(y), compute=halved)
            spread = jackknife_spread(statistic, a, names, b) if spec is MMD else Spread()
            scores[spec.name] = Score.of(statistic(a, b), counts, spread, baseline_of(halves))
        return scores


METRIC = LesionShape()


def lesion_rows(table: SliceTable) -> list[dict[str, object]]:
    """The shapes of a table's lesions, one row per slice, for ``lesions.csv``."""
    lesions, shapes = drawn_shapes(table)
    names = [f"{name}_{unit}" if unit.startswith("mm") else name for name, unit in SHAPE.items()]
    owners = lesions.patient_names if table.kind == "real" else [""] * len(lesions)
    return [
        {
            "origin": table.kind,
            "slice": lesions.name(i),
            "patient": str(owners[i]),
            "z_bin": int(lesions.z_bin[i]),
            **{name: round(float(v), 4) for name, v in zip(names, shape, strict=True)},
        }
        for i, shape in enumerate(shapes)
    ]


def _shapes(batch: SliceTable) -> Tensor:
    """Shapes of the lesions of a batch; NaN where a mask is empty."""
    masks = batch.masks
    drawn = masks.flatten(1).any(1)
    shapes = torch.full((len(masks), len(SHAPE)), torch.nan, dtype=torch.float64)
    shapes[drawn] = lesion_shapes(masks[drawn], batch.spacing[:2])
    return shapes
