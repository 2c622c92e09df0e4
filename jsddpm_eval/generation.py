"""Protocol 2, bin-aware generation: one store of generated slices against one of real slices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.slices.store import SliceStore
from jsddpm_eval.binned import BinAwareMetrics, numbered
from jsddpm_eval.plausibility import obedience_scores, position_scores, predict_z, train_z_regressor
from jsddpm_eval.results import Cell


@dataclass(frozen=True)
class Generation:
    """What the protocol found.

    Attributes:
        cells: Pooled first, then per bin x pathology.
        per_slice: One row per generated slice.
    """

    cells: list[Cell]
    per_slice: list[dict[str, Any]]


def evaluate_generation(
    real: SliceStore,
    generated: SliceStore,
    *,
    split: str,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Generation:
    """Bin-aware metrics, plausibility and obedience.

    References are all real slices of the bin; the z regressor learns from the training split and is judged on
    ``split``.

    Args:
        real: Real store.
        generated: Generated store, with its binning.
        split: Held-out split (``val`` or ``test``).
        seed: Seed of the regressor and of the floors' random halves.
        progress: Called with the name of each part as it starts.

    Raises:
        JsddpmError: ``STORES`` (status 3) when the two stores cannot be compared.
    """
    binning = comparable(real, generated)
    say = progress or (lambda _: None)
    rows, made = real.select(binning=binning), np.arange(len(generated.index))
    say("bin-aware metrics")
    metrics = BinAwareMetrics(binning, seed=seed)
    image, mask = torch.from_numpy(generated.images(made)), torch.from_numpy(generated.masks(made))
    pathology = torch.from_numpy(generated.index["pathology"].astype(np.int64))
    z_bin = torch.from_numpy(binning.index(generated.index["z_index"].astype(np.int64)))
    metrics.update(
        torch.from_numpy(real.images(rows)), torch.from_numpy(real.tokens(rows, binning)), numbered(real.patients[rows])
    )
    metrics.update(image, torch.from_numpy(generated.tokens(made, binning)))
    cells = metrics.compute()

    say("slice position")
    train = real.select(binning=binning, split="train")
    held = real.select(binning=binning, split=split)
    network = train_z_regressor(torch.from_numpy(real.images(train)), _z(real, train), binning.z_range, seed=seed)
    real_error = None
    if len(held):
        real_error = float((predict_z(network, torch.from_numpy(real.images(held))) - _z(real, held)).abs().mean())
    predicted = predict_z(network, image)
    parts = [(cell, _members(cell, z_bin, pathology)) for cell in cells]
    cells = [
        cell.model_copy(
            update={
                "scores": cell.scores
                | _position(cell, predicted[keep], z_bin[keep], binning, real_error, len(held))
                | _obedience(cell, mask[keep], pathology[keep])
            }
        )
        for cell, keep in parts
    ]
    per_slice = [
        {
            "slice": generated.slice_name(int(row)),
            "z_bin": int(z_bin[row]),
            "pathology": int(pathology[row]),
            "seed": int(generated.index["seed"][row]),
            "z_predicted": round(float(predicted[row]), 3),
            "lesion_pixels": int(generated.index["lesion_pixels"][row]),
        }
        for row in made
    ]
    return Generation(cells, per_slice)


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


def _z(store: SliceStore, rows: NDArray[np.intp]) -> torch.Tensor:
    return torch.from_numpy(store.index["z_index"][rows].astype(np.int64))


def _members(cell: Cell, z_bin: torch.Tensor, pathology: torch.Tensor) -> torch.Tensor:
    keep = torch.ones_like(z_bin, dtype=torch.bool)
    if cell.z_bin is not None:
        keep &= z_bin == cell.z_bin
    if cell.pathology is not None:
        keep &= pathology == cell.pathology
    return keep


def _position(
    cell: Cell,
    predicted: torch.Tensor,
    z_bin: torch.Tensor,
    binning: ZBinning,
    real_error: float | None,
    count: int,
) -> dict[str, Any]:
    if len(predicted) == 0:
        return {}
    scores = position_scores(predicted, z_bin, binning, real_error=real_error, real_count=count)
    return scores if cell.z_bin is None else {"z_error_bins": scores["z_error_bins"]}


def _obedience(cell: Cell, mask: torch.Tensor, pathology: torch.Tensor) -> dict[str, Any]:
    scores = obedience_scores(mask, pathology)
    if cell.pathology is None:
        return scores
    return {k: s for k, s in scores.items() if k == ("control_empty", "lesion_present")[cell.pathology]}
