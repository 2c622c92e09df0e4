"""Cross-fitting: no patient is read by a network that learned from them."""

from __future__ import annotations

import torch
from torch import nn

from jsddpm_eval.features.crossfit import FOLDS, CrossFit, fold_of
from jsddpm_eval.slice_table import SliceTable


class Seen(nn.Module):
    """Knows the mean grey values of the slices it was fitted to; reads whether a slice is among them."""

    def __init__(self, images):
        super().__init__()
        self.known = images.flatten(1).mean(1)

    def read(self, table):
        mean = table.images.flatten(1).mean(1)
        return (mean[:, None] - self.known[None]).abs().min(1).values < 1e-6


def table(patients=7, slices=5):
    images = torch.rand((patients * slices, 12, 12), generator=torch.Generator().manual_seed(0))
    owner = torch.arange(patients).repeat_interleave(slices)
    return SliceTable.from_arrays(images, z_bin=[0] * len(images), pathology=[0] * len(images), patient=owner)


def test_folds_hold_whole_patients_and_are_alike_in_number():
    real = table()
    fold = fold_of(real)
    for patient in real.patient.unique():
        assert len(fold[real.patient == patient].unique()) == 1
    people = [len(real.patient[fold == i].unique()) for i in range(FOLDS)]
    assert sum(people) == 7
    assert max(people) - min(people) <= 1


def test_real_slices_are_read_by_networks_that_have_not_seen_them_and_in_order():
    real = table()
    fit = CrossFit.fit(real, lambda fold: Seen(fold.images))
    assert not fit.read_real(real, Seen.read).any()
    rows = fit.read_real(real, lambda network, batch: batch.row.double())
    assert torch.equal(rows, torch.arange(len(real)).double())


def test_generated_slices_are_read_by_all_networks():
    real = table()
    fit = CrossFit.fit(real, lambda fold: Seen(fold.images))
    shares = fit.read_generated(real.where(slice(3)), lambda network, batch: network.read(batch).double())
    assert shares.tolist() == [(FOLDS - 1) / FOLDS] * 3  # a copy is known to all but its own fold's network


def test_no_network_lacks_a_kind_of_which_there_are_three_patients():
    """The first, fourth and seventh of nine have lesions: in turn, they would all be of one fold."""
    pathology = torch.zeros(9, 2, dtype=torch.int64)
    pathology[[0, 3, 6], 1] = 1
    owner = torch.arange(9).repeat_interleave(2)
    real = SliceTable.from_arrays(None, z_bin=[0] * 18, pathology=pathology.flatten(), patient=owner)
    fold = fold_of(real)
    assert sorted(fold[real.pathology == 1].tolist()) == [0, 1, 2]
    assert fold.bincount().tolist() == [6, 6, 6]
