"""Generated lesions: their morphology against real ones, and whether image and mask belong together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.slices.store import SliceStore
from jsddpm_eval.features.extractor import Standardizer
from jsddpm_eval.functional.morphology import SHAPE, column_distance, contrasts, lesion_shapes, rbf_distance
from jsddpm_eval.results import Score
from jsddpm_eval.uncertainty import Floor, jackknife_fields, mean_fields, patient_halves_floor

_PERMUTATIONS = 999


def morphology_scores(
    real: Tensor, patients: NDArray[np.str_], made: Tensor, spacing: tuple[float, float], *, seed: int
) -> dict[str, Score]:
    """Distances between the shapes of real and of generated lesions.

    Args:
        real: Masks of real lesion slices, boolean ``(N, H, W)``.
        patients: Their patients.
        made: Masks of generated lesion slices; empty ones are left out (obedience counts them).
        spacing: Size of a pixel in mm.
        seed: Seed of the floors' patient halves.

    Returns:
        ``lesion_AREA`` and so on, 1-Wasserstein distances in the column's units; ``lesion_mmd`` of all columns
        standardized by the real ones.
    """
    made = made[made.flatten(1).any(1)]
    context = {"n_real": len(real), "n_generated": len(made), "n_patients": len(np.unique(patients))}
    units = {f"lesion_{name}": unit for name, unit in SHAPE.items()} | {"lesion_mmd": ""}
    if min(len(real), len(made)) < 2:
        which = "real" if len(real) < 2 else "generated"
        reason = f"needs at least 2 {which} slices with a lesion"
        return {name: Score.undefined(reason, unit=unit, **context) for name, unit in units.items()}
    x, y = lesion_shapes(real, spacing), lesion_shapes(made, spacing)
    scaled = Standardizer.fit(x)
    statistics: list[Callable[[Tensor, Tensor], float]] = [
        partial(column_distance, column=i) for i in range(len(SHAPE))
    ]
    scores = {}
    for (name, unit), statistic in zip(units.items(), [*statistics, rbf_distance], strict=True):
        a, b = (scaled(x), scaled(y)) if name == "lesion_mmd" else (x, y)
        floor = patient_halves_floor(statistic, a, patients, count=len(b), seed=seed)
        interval = jackknife_fields(statistic, a, patients, b) if name == "lesion_mmd" else {}
        scores[name] = Score(value=statistic(a, b), unit=unit, **interval, **Floor.fields(floor), **context)
    return scores


def lesion_rows(store: SliceStore, rows: NDArray[np.intp], z_bin: Tensor, masks: Tensor) -> list[dict[str, object]]:
    """The shapes behind :func:`morphology_scores`, one row per slice, for ``lesions.csv``.

    Args:
        store: Where the slices are from.
        rows: Their index rows.
        z_bin: Their bins.
        masks: Their masks, boolean ``(N, H, W)``; slices with an empty one are left out.
    """
    drawn = masks.flatten(1).any(1)
    shapes = lesion_shapes(masks[drawn], store.spacing[:2])
    names = [f"{name}_{unit}" if unit.startswith("mm") else name for name, unit in SHAPE.items()]
    return [
        {
            "origin": store.kind,
            "slice": store.slice_name(int(row)),
            "patient": str(store.patients[row]) if store.kind == "real" else "",
            "z_bin": int(k),
            **{name: round(float(v), 4) for name, v in zip(names, shape, strict=True)},
        }
        for row, k, shape in zip(rows[drawn.numpy()], z_bin[drawn], shapes, strict=True)
    ]


def coupling_score(
    image: Tensor, mask: Tensor, real_image: Tensor, real_mask: Tensor, patients: NDArray[np.str_], *, seed: int
) -> Score:
    """Lesion-to-surround contrast with the own mask, less that with the other samples' masks.

    A lesion that is drawn into the mask but not into the image has no excess. The p-value is that of "masks could as
    well be swapped within the bin", by permutation, two-sided; the floor is the excess of real slices over other
    patients' masks.

    Args:
        image: Generated lesion slices of one bin, ``(N, H, W)``.
        mask: Their masks; slices with an empty one are left out.
        real_image: Real lesion slices of the bin.
        real_mask: Their masks.
        patients: Their patients.
        seed: Seed of the permutations.
    """
    drawn = mask.flatten(1).any(1)
    image, mask = image[drawn], mask[drawn]
    context = {"unit": "intensity", "n_real": len(real_image), "n_generated": len(image)}
    context["n_patients"] = len(np.unique(patients))
    if len(image) < 2:
        return Score.undefined(f"{len(image)} generated slices with a lesion: no masks to swap", **context)
    matrix = contrasts(image, mask)
    own, n = matrix.diagonal(), len(matrix)
    excess = (n * own - matrix.sum(1)) / (n - 1)
    rng = np.random.default_rng(seed)
    orders = torch.from_numpy(rng.random((_PERMUTATIONS, n)).argsort(axis=1))
    swapped = matrix[torch.arange(n)[None], orders].mean(1)
    far = (swapped - matrix.mean()).abs() >= (own.mean() - matrix.mean()).abs() - 1e-12
    p = (1 + int(far.sum())) / (1 + _PERMUTATIONS)
    return Score(
        value=float(excess.mean()), **mean_fields(excess), p_value=p,
        floor=_real_excess(real_image, real_mask, patients), **context,
    )  # fmt: skip


def _real_excess(image: Tensor, mask: Tensor, patients: NDArray[np.str_]) -> float | None:
    others = torch.from_numpy(patients[:, None] != patients[None])
    if not len(image) or not others.any():
        return None
    matrix = contrasts(image, mask)
    keep = others.any(1)
    swapped = (matrix * others).sum(1)[keep] / others.sum(1)[keep]
    return float((matrix.diagonal()[keep] - swapped).mean())
