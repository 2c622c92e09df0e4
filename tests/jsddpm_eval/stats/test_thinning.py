"""Thinning: no condition is lost, and within a condition rows are evenly spaced."""

from __future__ import annotations

import torch

from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.thinning import evenly


def test_volumes_in_the_order_of_their_slices_keep_every_bin():
    """240 volumes of ten bins, volume by volume: every second row would leave the even bins alone."""
    bins = torch.arange(10).repeat(240)
    kept = evenly(bins, 2000)
    assert bins[kept].bincount().tolist() == [120] * 10
    assert kept.tolist() == sorted(set(kept.tolist()))
    table = SliceTable.from_arrays(None, z_bin=bins, pathology=torch.zeros_like(bins), group=torch.arange(2400) // 10)
    assert torch.equal(table.spread(2000).row, kept)
    assert table.spread(2400) is table


def test_few_rows_are_all_kept_and_none_are_none():
    assert evenly(torch.tensor([3, 1, 2]), 3).tolist() == [0, 1, 2]
    assert evenly(torch.zeros(0, dtype=torch.int64), 3).tolist() == []
