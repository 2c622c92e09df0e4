"""Lesion shape: size, number, form and place of generated lesions against real ones."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from jsddpm_eval.features.extractor import Standardizer
from jsddpm_eval.functional.morphology import SHAPE, lesion_shapes, rbf_of_labels, wasserstein_of_labels
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.results.score import Counts, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.two_sample import two_sample

_MOST = 4000, 1000  # real and generated lesion slices compared; with more, evenly spread ones
_HEADINGS = {"area": "area, mm²", "count": "number of parts", "row": "row, mm", "column": "column, mm"}
_LABELS = {
    "area": "lesion area", "count": "the number of lesion parts", "eccentricity": "the eccentricity of lesions",
    "solidity": "the solidity of lesions", "row": "the row of lesions", "column": "the column of lesions",
}  # fmt: skip

_BLIND = "images without the lesion that the mask shows, because only masks are read"
SHAPES = tuple(
    ScoreSpec(
        name=f"lesion_{name}", heading=_HEADINGS.get(name, name), group="lesion shapes", unit=unit, pathology=1,
        label=f"distance in {_LABELS[name]}", better="lower", verified="SciPy | 1e-12", blind_to=_BLIND,
        definition=f"1-Wasserstein distance of the lesions' {name}, one real slice of each patient",
    )
    for name, unit in SHAPE.items()
)  # fmt: skip
MMD = ScoreSpec(
    name="lesion_mmd", heading="shape", label="distance in lesion shapes", group="lesions",
    pathology=1, better="lower", place="main",
    definition="unbiased MMD of all shape features, kernel exp(-d^2 / median of d^2), one real slice of each patient",
    source="JMLR 13, 2012, eq. 3",
    reading="Kernel distance of area, count, eccentricity, solidity and place of the lesions; the baseline is the same "
    "with real and generated lesions exchanged.",
    verified="scikit-learn kernel | 1e-12", blind_to=_BLIND,
)  # fmt: skip


def shape_column(table: SliceTable) -> Tensor:
    """Shapes of each slice's lesions, float64 ``(N, len(SHAPE))``; NaN where a mask is empty."""
    return table.column("lesion-shapes", _shapes, settings=str(table.spacing[:2]))


def drawn_shapes(table: SliceTable) -> tuple[SliceTable, Tensor]:
    """The lesion slices whose mask is not empty, and their shapes, float64 ``(N, len(SHAPE))``."""
    lesions = table.where(table.pathology == 1)
    shapes = shape_column(lesions)
    has_mask = shapes.isfinite().all(1)
    return lesions.where(has_mask), shapes[has_mask]


class LesionShape(Metric):
    """Distances between the shapes of real and of generated lesions; empty masks are left out (see obedience)."""

    name = "lesion_shape"
    specs = (*SHAPES, MMD)
    needs = frozenset({"masks"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Distances of one column each in its units, and of all columns standardized by the real ones."""
        real, x = drawn_shapes(cell.real.where(cell.real.pathology == 1).spread(_MOST[0]))
        generated, y = drawn_shapes(cell.generated.where(cell.generated.pathology == 1).spread(_MOST[1]))
        counts = Counts(len(real), len(generated), real.n_patients)
        if min(len(real), len(generated)) < 2:
            which = "real" if len(real) < 2 else "generated"
            return self.undefined(cell, context, f"needs at least 2 {which} slices with a lesion", counts)
        scaled, strata = Standardizer.fit(x), (real.z_bin, generated.z_bin) if cell.z_bin is None else None
        scores = {}
        for i, spec in enumerate(self.specs):
            is_mmd = spec is MMD
            statistic = rbf_of_labels if is_mmd else partial(wasserstein_of_labels, column=i)
            a, b = (scaled(x), scaled(y)) if is_mmd else (x, y)
            comparison = two_sample(
                statistic, a, real.patient_names, b,
                seed=context.seed, units=generated.unit, strata=strata, interval=is_mmd,
            )  # fmt: skip
            if comparison is None:
                scores[spec.name] = Score.undefined("needs real lesions of at least 2 patients", counts)
            else:
                rests_on = Counts(comparison.n_real, comparison.n_generated, comparison.n_patients)
                scores[spec.name] = Score.of(comparison.value, rests_on, comparison.spread, comparison.baseline)
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
    has_mask = masks.flatten(1).any(1)
    shapes = torch.full((len(masks), len(SHAPE)), torch.nan, dtype=torch.float64)
    shapes[has_mask] = lesion_shapes(masks[has_mask], batch.spacing[:2])
    return shapes
