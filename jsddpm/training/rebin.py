"""Map a checkpoint to another binning, so that training on new bins starts from trained weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jsddpm.binning import Condition, ZBinning
from jsddpm.diffusion.checkpoint import KEY, PREFIXES, info_of, read_checkpoint, write_checkpoint
from jsddpm.diffusion.conditioning import load_embedding
from jsddpm.errors import usage_error
from jsddpm.places import refuse_existing
from jsddpm.sections import BinningConfig


@dataclass(frozen=True)
class Rebinned:
    """Result of a rebinning.

    Attributes:
        ancestors: Weights of the old bins in the new ones, ``(3, new, old)``: of controls, of lesions, and of bins that
            were trained with either.
        orphans: New conditions without a trained ancestor.
        shared: Slices that each new bin shares with each old bin, trained or not, float64 ``(new, old)``.
    """

    ancestors: Tensor
    orphans: tuple[Condition, ...]
    shared: Tensor


def overlap_weights(old: ZBinning, new: ZBinning, counts: Tensor | None = None) -> Rebinned:
    """Share of each new bin's slices that lay in each old bin with training slices.

    A new condition that shares no slice with such a bin is an orphan: it starts from the mean of all of them, and if
    there are none, from that of all old bins that are not empty.

    Args:
        old: Binning of the checkpoint.
        new: New binning, of the same volumes.
        counts: Training slices of the old conditions, ``(2, old)``, controls first; None counts all bins as trained.

    Raises:
        JsddpmError: ``REBIN`` (status 2) when the volumes have different numbers of slices.

    >>> old, new = ZBinning((0, 7), 4, n_slices=10), ZBinning((0, 9), 2, n_slices=10)
    >>> old.ranges(), new.ranges()
    ([(0, 1), (2, 3), (4, 5), (6, 7)], [(0, 4), (5, 9)])
    >>> overlap_weights(old, new).ancestors[0, 0].tolist()
    [0.4, 0.4, 0.2, 0.0]
    >>> overlap_weights(old, new, torch.tensor([[3, 0, 0, 9], [0, 0, 0, 9]])).ancestors[:, 0].tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]]
    """
    if old.n_slices != new.n_slices:
        cure = "keep the geometry of the slice store"
        raise usage_error("REBIN", f"the volumes have {old.n_slices} and {new.n_slices} slices", fix=cure)
    shared = torch.tensor(
        [[len(set(old.slices(a)) & set(new.slices(b))) for a in range(old.n_bins)] for b in range(new.n_bins)],
        dtype=torch.float64,
    )
    used = torch.tensor([len(old.slices(a)) > 0 for a in range(old.n_bins)])
    trained = torch.ones(2, old.n_bins, dtype=torch.bool) if counts is None else counts > 0
    kept = torch.cat([trained, trained.any(0, keepdim=True)]) & used
    weights = shared * kept[:, None]
    orphans = weights.sum(2) == 0
    means = torch.where(kept.any(1, keepdim=True), kept, used)[:, None].double()
    weights = torch.where(orphans[..., None], means, weights)
    named = tuple(Condition(b, p) for b in range(new.n_bins) for p in (0, 1) if orphans[p, b])
    return Rebinned(weights / weights.sum(2, keepdim=True), named, shared)


def rebin_checkpoint(path: str | Path, out: str | Path, new: BinningConfig) -> Rebinned:
    """Write a checkpoint whose condition embedding is mapped to a new binning; all other weights are copied.

    Each new bin's vector is the overlap-weighted mean of the trained old ones, for each pathology; the null vector is
    copied.
    Optimiser and loop states are left out: the result is for a warm start and cannot be resumed.

    Args:
        path: Checkpoint to map, or the folder of an exported network.
        out: New checkpoint file.
        new: New binning.

    Raises:
        JsddpmError: ``EXISTS``, ``REBIN``, ``Z_RANGE``, ``N_BINS`` (status 2), ``CHECKPOINT`` (status 4).
    """
    refuse_existing(out)
    loaded = read_checkpoint(path)
    info = info_of(loaded, Path(path))
    binning = new.for_store(info.binning.n_slices)
    before = torch.tensor(info.token_counts, dtype=torch.float64).reshape(2, info.binning.n_bins)
    mapping = overlap_weights(info.binning, binning, before)
    state, embedding = dict(loaded["state_dict"]), load_embedding(info.config.model.condition_embedding)
    for prefix in (f"{p}embedding." for p in PREFIXES.values()):
        weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if not weights:  # an exported folder has one of the two sets
            continue
        state |= {prefix + name: value for name, value in embedding.rebinned(weights, mapping.ancestors).items()}
    # the training slices of a new condition are those of its ancestors
    shares = mapping.shared / mapping.shared.sum(1, keepdim=True).clamp(min=1)
    counts = (before @ shares.T).ceil().long().flatten().tolist()
    config = info.config.model_copy(update={"binning": new})
    written: dict[str, Any] = {
        "state_dict": state,
        "global_step": info.step,
        KEY: replace(info, config=config, binning=binning, token_counts=tuple(counts)).to_dict(),
    }
    write_checkpoint(out, written)
    return mapping
