"""Protocol 2, bin-aware generation: one store of generated slices against one of real slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm.binning import CONTROL, LESION, ZBinning
from jsddpm.cohort.records import SPLITS
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.slices.store import SliceStore
from jsddpm_eval.binned import BinAwareMetrics, numbered
from jsddpm_eval.features.registry import DEFAULT, TrainingSlices, make_extractors
from jsddpm_eval.lesions import coupling_score, lesion_rows, morphology_scores
from jsddpm_eval.plausibility import (
    brain_masks,
    obedience_scores,
    position_confusion,
    position_scores,
    predict_z,
    shape_score,
    train_z_regressor,
)
from jsddpm_eval.results import Cell, Score

_ATLAS_SLICES = 100

Progress = Callable[[str, int, int], None]
"""Called with the name of a part, how much of it is done, and how much there is; (0, 1) where it has no steps."""


@dataclass(frozen=True)
class Generation:
    """What the protocol found.

    Attributes:
        cells: Pooled first, then per bin x pathology.
        per_slice: One row per generated slice.
        confusion: Samples by bin asked for (rows) and bin read off (columns).
        extractors: What the feature extractors say of themselves.
        nearest: Index rows of the generated slices nearest to a training slice, nearest first, and of those training
            slices, ``(2, n)``.
        nearest_psnr: PSNR of these pairs in dB, ``(n,)``.
        lesions: Shape of the lesions of every real and every generated lesion slice.
    """

    cells: list[Cell]
    per_slice: list[dict[str, Any]]
    confusion: list[list[int]] = field(default_factory=list)
    extractors: list[dict[str, Any]] = field(default_factory=list)
    nearest: NDArray[np.int64] = field(default_factory=lambda: np.empty((2, 0), np.int64))
    nearest_psnr: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    lesions: list[dict[str, object]] = field(default_factory=list)


@dataclass(frozen=True)
class _Slices:
    """The inside of a store: index rows within the binning's range and what is there."""

    store: SliceStore
    rows: NDArray[np.intp]
    image: Tensor
    mask: Tensor
    z: Tensor
    z_bin: Tensor
    pathology: Tensor
    patients: NDArray[np.str_]

    @classmethod
    def of(cls, store: SliceStore, binning: ZBinning) -> _Slices:
        rows = store.select(binning=binning)
        index = store.index[rows]
        z = torch.from_numpy(index["z_index"].astype(np.int64))
        return cls(
            store, rows, torch.from_numpy(store.images(rows)), torch.from_numpy(store.masks(rows)), z,
            torch.as_tensor(binning.index(z)), torch.from_numpy(index["pathology"].astype(np.int64)),
            store.patients[rows],
        )  # fmt: skip

    def within(self, cell: Cell) -> Tensor:
        """Which slices belong to a cell."""
        keep = torch.ones(len(self.rows), dtype=torch.bool)
        if cell.z_bin is not None:
            keep &= self.z_bin == cell.z_bin
        if cell.pathology is not None:
            keep &= self.pathology == cell.pathology
        return keep


def evaluate_generation(
    real: SliceStore,
    generated: SliceStore,
    *,
    split: str,
    seed: int = 0,
    features: Sequence[str] = DEFAULT,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Generation:
    """Everything about generated slices: distances, memorisation, plausibility, obedience, lesions.

    References are all real slices of a bin; slices of the training split count as seen, all others as held out. The z
    regressor learns from the training split and is judged on ``split``.

    Args:
        real: Real store.
        generated: Generated store, with its binning.
        split: Held-out split (``val`` or ``test``).
        seed: Seed of the networks trained here and of everything drawn.
        features: Extractors, as :func:`~jsddpm_eval.features.registry.make_extractors` takes them.
        folder: Where feature tables and trained networks are kept; nowhere when None.
        progress: See :data:`Progress`.

    Raises:
        JsddpmError: ``STORES`` (status 3) when the two stores cannot be compared.
    """
    binning = comparable(real, generated)
    say = progress or (lambda *_: None)
    known, made = _Slices.of(real, binning), _Slices.of(generated, binning)
    split_of = real.index["split"][known.rows]
    train = torch.from_numpy(split_of == SPLITS.index("train"))
    held = torch.from_numpy(split_of == SPLITS.index(split))
    say("feature extractors", 0, 1)
    extractors = make_extractors(
        features, lambda: TrainingSlices(known.image[train], known.z[train], known.pathology[train]),
        seed=seed, folder=folder,
    )  # fmt: skip
    say("bin-aware metrics", 0, 1)
    metrics = BinAwareMetrics(
        binning, extractors=extractors, seed=seed, progress=lambda done, bins: say("bin-aware metrics", done, bins)
    )
    metrics.update(known.image, binning.token(known.z, known.pathology), numbered(known.patients), ~train)
    metrics.update(made.image, binning.token(made.z, made.pathology))
    cells = metrics.compute()
    found = metrics.per_slice
    metrics.reset()

    say("slice position", 0, 1)
    network = train_z_regressor(known.image[train], known.z[train], binning.z_range, seed=seed, folder=folder)
    error = (predict_z(network, known.image[held]) - known.z[held]).abs().mean() if held.any() else None
    predicted = predict_z(network, made.image)
    real_error = None if error is None else float(error)
    say("brain outlines and lesions", 0, 1)
    atlas = _atlas_rows(known, binning)
    outlines, atlases = brain_masks(made.image), brain_masks(known.image[atlas])
    people = numbered(known.patients)
    judged = []
    for cell in cells:
        keep, like = made.within(cell), known.within(cell)
        scores = dict(cell.scores)
        if keep.any():
            scores |= _position(cell, position_scores(
                predicted[keep], made.z_bin[keep], binning, real_error=real_error, real_count=int(held.sum()),
                spacing=real.spacing[2],
            ))  # fmt: skip
        scores |= _obedience(cell, made.mask[keep], made.pathology[keep])
        if cell.z_bin is not None:
            here = known.z_bin[atlas] == cell.z_bin
            scores["brain_shape"] = shape_score(outlines[keep], atlases[here], people[atlas][here])
        if cell.pathology != CONTROL:
            scores |= _lesions(cell, known, made, like, keep, seed)
        judged.append(cell.model_copy(update={"scores": scores}))
    return Generation(
        judged,
        _rows(made, known, predicted, found),
        position_confusion(predicted, made.z_bin, binning),
        [e.describe() for e in extractors],
        *_nearest(made, known, found),
        _lesion_rows(known) + _lesion_rows(made),
    )


def _lesions(cell: Cell, known: _Slices, made: _Slices, like: Tensor, keep: Tensor, seed: int) -> dict[str, Score]:
    """Morphology, and within a bin the coupling of image and mask."""
    like, keep = like & (known.pathology == LESION), keep & (made.pathology == LESION)
    who = known.patients[like.numpy()]
    masks = known.mask[like], made.mask[keep]
    scores = morphology_scores(masks[0], who, masks[1], made.store.spacing[:2], seed=seed)
    if cell.z_bin is not None:
        images = made.image[keep], known.image[like]
        scores["coupling_contrast"] = coupling_score(images[0], masks[1], images[1], masks[0], who, seed=seed)
    return scores


def _lesion_rows(slices: _Slices) -> list[dict[str, object]]:
    keep = slices.pathology == LESION
    return lesion_rows(slices.store, slices.rows[keep.numpy()], slices.z_bin[keep], slices.mask[keep])


def _atlas_rows(known: _Slices, binning: ZBinning) -> Tensor:
    """Evenly spread real slices of each bin: enough for an outline."""
    parts = [torch.nonzero(known.z_bin == k)[:, 0] for k in range(binning.n_bins)]
    return torch.cat([p[:: max(1, -(-len(p) // _ATLAS_SLICES))] for p in parts])


def _rows(made: _Slices, known: _Slices, predicted: Tensor, found: dict[str, Tensor]) -> list[dict[str, Any]]:
    nearest = found["train_row"].long()
    decibels = ("best_match_psnr", "train_psnr", "held_out_psnr")
    return [
        {
            "slice": made.store.slice_name(int(row)),
            "z_bin": int(made.z_bin[i]),
            "pathology": int(made.pathology[i]),
            "seed": int(made.store.index["seed"][row]),
            "z_predicted": round(float(predicted[i]), 3),
            "lesion_pixels": int(made.store.index["lesion_pixels"][row]),
            **{name: round(float(v), 4) if np.isfinite(v := float(found[name][i])) else None for name in decibels},
            "exact_copy": bool(torch.isposinf(found["best_match_psnr"][i])),
            "nearest_train": None if nearest[i] < 0 else known.store.slice_name(int(known.rows[nearest[i]])),
        }
        for i, row in enumerate(made.rows)
    ]


def _nearest(made: _Slices, known: _Slices, found: dict[str, Tensor]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Index rows of generated slices and their nearest training slices, nearest pair first, and their PSNR."""
    near = torch.nonzero(found["train_row"] >= 0)[:, 0]
    order = near[found["train_psnr"][near].argsort(descending=True, stable=True)].numpy()
    rows = np.stack([made.rows[order], known.rows[found["train_row"].long().numpy()[order]]])
    return rows, found["train_psnr"].double().numpy()[order]


def comparable(real: SliceStore, generated: SliceStore) -> ZBinning:
    """The generated store's binning, after checking that the two stores can be compared at all."""
    cure = "evaluate a generated store against the real store its model was trained on"
    if real.kind != "real" or generated.binning is None:
        raise JsddpmError("STORES", f"{real.kind} store against {generated.kind} store", fix=cure, file=generated.path)
    if real.size != generated.size or real.n_slices != generated.n_slices:
        sizes = f"{generated.size} of {generated.n_slices} slices against {real.size} of {real.n_slices}"
        raise JsddpmError("STORES", f"sizes differ: {sizes}", fix=cure, file=generated.path)
    if len(real.select(binning=generated.binning, split="train")) == 0:
        raise usage_error("NO_SLICES", f"no training slice in {generated.binning}", fix=cure, file=real.path)
    return generated.binning


def _position(cell: Cell, scores: dict[str, Score]) -> dict[str, Score]:
    return scores if cell.z_bin is None else {k: s for k, s in scores.items() if k != "z_error_chance_bins"}


def _obedience(cell: Cell, mask: Tensor, pathology: Tensor) -> dict[str, Score]:
    scores = obedience_scores(mask, pathology)
    if cell.pathology is None:
        return scores
    return {k: s for k, s in scores.items() if k == ("control_empty", "lesion_present")[cell.pathology]}
