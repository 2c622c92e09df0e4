"""Map a checkpoint to another binning, so that training on new bins starts from trained weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jsddpm.binning import ZBinning
from jsddpm.diffusion.checkpoint import KEY, PREFIXES, info_of, read_checkpoint, write_checkpoint
from jsddpm.diffusion.conditioning import load_embedding
from jsddpm.errors import usage_error
from jsddpm.files import refuse_existing
from jsddpm.sections import BinningConfig


@dataclass(frozen=True)
class Rebinned:
    """Result of a rebinning: ``ancestors[new][old]`` are the weights, ``orphans`` the new bins without any."""

    ancestors: Tensor
    orphans: tuple[int, ...]


def overlap_weights(old: ZBinning, new: ZBinning) -> Rebinned:
    """Share of each new bin's slices that lay in each old bin.

    A new bin that shares no slice with the old range (or is empty) is an orphan: it starts from the mean of all used
    old bins.

    Args:
        old: Binning of the checkpoint.
        new: New binning, of the same volumes.

    Raises:
        JsddpmError: ``REBIN`` (status 2) when the volumes have different numbers of slices.

    >>> old, new = ZBinning((0, 7), 4, n_slices=10), ZBinning((0, 9), 2, n_slices=10)
    >>> old.ranges(), new.ranges()
    ([(0, 1), (2, 3), (4, 5), (6, 7)], [(0, 4), (5, 9)])
    >>> overlap_weights(old, new).ancestors[0].tolist()
    [0.4, 0.4, 0.2, 0.0]
    """
    if old.n_slices != new.n_slices:
        cure = "keep the geometry of the slice store"
        raise usage_error("REBIN", f"the volumes have {old.n_slices} and {new.n_slices} slices", fix=cure)
    shared = torch.tensor(
        [[len(set(old.slices(a)) & set(new.slices(b))) for a in range(old.n_bins)] for b in range(new.n_bins)],
        dtype=torch.float64,
    )
    orphans = shared.sum(1) == 0
    used = torch.tensor([float(len(old.slices(a)) > 0) for a in range(old.n_bins)], dtype=torch.float64)
    shared[orphans] = used
    return Rebinned(shared / shared.sum(1, keepdim=True), tuple(torch.nonzero(orphans)[:, 0].tolist()))


def rebin_checkpoint(path: str | Path, out: str | Path, new: BinningConfig) -> Rebinned:
    """Write a checkpoint whose condition embedding is mapped to a new binning; all other weights are copied.

    Each new bin's vector is the overlap-weighted mean of the old ones, for each pathology; the null vector is copied.
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
    mapping = overlap_weights(info.binning, binning)
    state, embedding = dict(loaded["state_dict"]), load_embedding(info.config.model.condition_embedding)
    for prefix in (f"{p}embedding." for p in PREFIXES.values()):
        weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if not weights:  # an exported folder has one of the two sets
            continue
        state |= {prefix + name: value for name, value in embedding.rebinned(weights, mapping.ancestors).items()}
    # the training slices of a new condition are those of its ancestors
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
    write_checkpoint(out, written)
    return mapping
