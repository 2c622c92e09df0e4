"""Map a checkpoint to another binning, so that a change of bins starts from what was learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jsddpm.binning import ZBinning
from jsddpm.config import BinningConfig
from jsddpm.errors import usage_error
from jsddpm.files import refuse_existing
from jsddpm.training.checkpoint import KEY, AtomicCheckpointIO, info_of, read_checkpoint


@dataclass(frozen=True)
class Rebinned:
    """What a rebinning did: ``ancestors[new][old]`` are the weights, ``orphans`` the new bins without any."""

    ancestors: Tensor
    orphans: tuple[int, ...]


def overlap_weights(old: ZBinning, new: ZBinning) -> Rebinned:
    """Share of each new bin's slices that lay in each old bin.

    A new bin that shares no slice with the old range (or is empty) is an orphan: it starts from the mean of all used
    old bins.

    Args:
        old: Binning of the checkpoint.
        new: Binning wanted, of the same volumes.

    Raises:
        JsddpmError: ``REBIN`` (status 2) when the volumes have different numbers of slices.

    >>> old, new = ZBinning((0, 7), 4, n_slices=10), ZBinning((0, 9), 2, n_slices=10)
    >>> old.ranges(), new.ranges()
    ([(0, 1), (2, 3), (4, 5), (6, 7)], [(0, 4), (5, 9)])
    >>> overlap_weights(old, new).ancestors[0].tolist()
    [0.4, 0.4, 0.2, 0.0]
    """
    if old.n_slices != new.n_slices:
        raise usage_error(
            "REBIN", f"volumes of {old.n_slices} and {new.n_slices} slices", fix="keep the geometry of the slice store"
        )
    shared = torch.tensor(
        [[len(set(old.slices(a)) & set(new.slices(b))) for a in range(old.n_bins)] for b in range(new.n_bins)],
        dtype=torch.float64,
    )
    orphans = shared.sum(1) == 0
    used = torch.tensor([float(len(old.slices(a)) > 0) for a in range(old.n_bins)], dtype=torch.float64)
    shared[orphans] = used
    return Rebinned(shared / shared.sum(1, keepdim=True), tuple(torch.nonzero(orphans)[:, 0].tolist()))


def rebin_checkpoint(path: str | Path, out: str | Path, new: BinningConfig) -> Rebinned:
    """Write a checkpoint whose condition embedding is mapped to a new binning; every other weight stays.

    Each new bin's vector is the overlap-weighted mean of the old ones, for each pathology; the null vector stays.
    Optimiser and loop states are left out: the result is a warm start, not a run to resume.

    Args:
        path: Checkpoint to map.
        out: New checkpoint file.
        new: Binning wanted.

    Raises:
        JsddpmError: ``EXISTS``, ``REBIN``, ``Z_RANGE``, ``N_BINS`` (status 2), ``CHECKPOINT`` (status 4).
    """
    refuse_existing(out)
    loaded = read_checkpoint(path)
    info = info_of(loaded, Path(path))
    binning = new.for_store(info.binning.n_slices)
    mapping = overlap_weights(info.binning, binning)
    state = {k: _mapped(k, v, mapping.ancestors, info.binning.n_bins) for k, v in loaded["state_dict"].items()}
    # a condition of the new binning counts as trained by the slices of its ancestors
    before = torch.tensor(info.token_counts, dtype=torch.float64).reshape(2, info.binning.n_bins)
    inherited = mapping.ancestors.clone()
    inherited[list(mapping.orphans)] = 0
    counts = (before @ inherited.T).ceil().long().flatten().tolist()
    config = info.config.model_copy(update={"binning": new})
    written: dict[str, Any] = {
        "state_dict": state,
        "global_step": info.step,
        KEY: replace(info, config=config, binning=binning, token_counts=tuple(counts)).to_dict(),
    }
    AtomicCheckpointIO().save_checkpoint(written, out)
    return mapping


def _mapped(name: str, value: Tensor, ancestors: Tensor, old_bins: int) -> Tensor:
    """New value of one weight: only the vectors of bins (or of bin x pathology tokens) change."""
    if name.endswith("embedding.z_bin.weight"):
        return torch.cat([_mean(value[:old_bins], ancestors), value[old_bins:]])
    if name.endswith("embedding.token.weight"):
        sides = [_mean(value[p * old_bins : (p + 1) * old_bins], ancestors) for p in (0, 1)]
        return torch.cat([*sides, value[2 * old_bins :]])
    return value


def _mean(vectors: Tensor, ancestors: Tensor) -> Tensor:
    return (ancestors @ vectors.double()).to(vectors.dtype)
