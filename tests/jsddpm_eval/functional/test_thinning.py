"""Thinning: no condition is lost, and within a condition rows are evenly spaced."""

from __future__ import annotations

import pytest
import torch

from jsddpm_eval.functional.thinning import evenly, spread_places
from jsddpm_eval.slice_table import SliceTable


def test_volumes_in_the_order_of_their_slices_keep_every_bin():
    """240 volumes of ten bins, volume by volume: every second row would leave the even bins alone."""
    bins = torch.arange(10).repeat(240)
    kept = evenly(bins, 2000)
    assert bins[kept].bincount().tolist() == [200] * 10
    assert kept.tolist() == sorted(set(kept.tolist()))
    table = SliceTable.from_arrays(None, z_bin=bins, pathology=torch.zeros_like(bins), group=torch.arange(2400) // 10)
    assert torch.equal(table.spread(2000).row, kept)
    assert table.spread(2400) is table


def test_few_rows_are_all_kept_and_none_are_none():
    assert evenly(torch.tensor([3, 1, 2]), 3).tolist() == [0, 1, 2]
    assert evenly(torch.zeros(0, dtype=torch.int64), 3).tolist() == []


@pytest.mark.parametrize("count", [1, 5, 6, 7, 11, 12, 13, 100, 101])
@pytest.mark.parametrize("most", [1, 2, 6, 12])
def test_as_many_places_as_the_limit_whose_gaps_differ_by_one_at_most(count, most):
    """One slice more than the limit takes nothing away; every second one would halve the slices."""
    places = spread_places(count, most).tolist()
    assert len(places) == min(count, most)
    gaps = [b - a for a, b in zip(places, [*places[1:], count], strict=True)]
    assert places[0] == 0
    assert sum(gaps) == count
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1


def test_a_condition_keeps_its_share_of_a_table_that_is_just_too_large():
    bins = torch.arange(1001) % 7  # 143 slices of each bin
    kept = bins[evenly(bins, 1000)].bincount().tolist()
    assert sum(kept) == 1000
    assert set(kept) <= {142, 143}
