"""Samples carry their bins; another binning needs no other store; batches depend on seed and step alone."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm.slices.datamodule import SliceDataModule
from jsddpm.slices.dataset import BalancedBatches, ClassDistribution, SliceDataset, is_drawn, sampling_weights
from jsddpm.slices.writer import Shard, new_store
from synthetic import BINNING


def test_every_bin_shows_up_in_training_and_follows_the_binning(store):
    dataset = SliceDataset(store.path, BINNING, "train")
    seen = {int(dataset[i]["z_bin"]) for i in range(len(dataset))}
    assert seen == set(range(5))
    finer = SliceDataset(store, ZBinning((0, 39), 20, n_slices=40), "train")
    assert {int(b) for b in finer.z_bin} == set(range(20))


def test_a_batch_is_its_samples(store):
    dataset = SliceDataset(store, BINNING, "val")
    batch = dataset.batch([3, 0, 17])
    for i, item in enumerate([3, 0, 17]):
        sample = dataset[item]
        assert all(torch.equal(batch[k][i], sample[k]) for k in sample)
    row = int(batch["row"][0])
    exact = torch.from_numpy(store.images(np.array([row])))[0] * 2 - 1
    assert torch.equal(batch["x0"][0, 0], exact)
    assert set(batch["x0"][:, 1].unique().tolist()) <= {-1.0, 1.0}
    assert int(batch["token"][0]) == BINNING.token(int(store.index["z_index"][row]), int(store.index["pathology"][row]))


def test_lesion_share_and_bins_are_balanced(store):
    dataset = SliceDataset(store, BINNING, "train")
    weights = sampling_weights(dataset, 0.5)
    lesion = dataset.pathology.numpy() == 1
    assert weights[lesion].sum() == pytest.approx(0.5)
    for pathology in (0, 1):
        per_bin = [weights[(dataset.z_bin.numpy() == k) & (lesion == pathology)].sum() for k in range(5)]
        assert per_bin == pytest.approx([0.1] * 5)
    assert np.ptp(sampling_weights(dataset, None)) == 0
    for share in (None, 0, 0.3, 1):
        assert np.array_equal(is_drawn(dataset.token, 5, share).numpy(), sampling_weights(dataset, share) > 0)


def test_a_split_without_patients_is_named(tmp_path):
    """The z-range was blamed."""
    with new_store(tmp_path / "s", kind="real", n_slices=8, spacing=(1, 1, 1)) as writer:
        slices = np.full((4, 8, 8), 0.5, np.float32), np.zeros((4, 8, 8), bool)
        writer.add(Shard("a", *slices, {"z_index": np.arange(4), "split": 0}))
    with pytest.raises(JsddpmError, match=r"NO_SLICES.*no patient has the split val; fix: .*cache resplit"):
        SliceDataset(tmp_path / "s", ZBinning((0, 3), 2, n_slices=8), "val")
    with pytest.raises(JsddpmError, match=r"NO_SLICES.*no train slice lies in .*; fix: change the z-range"):
        SliceDataset(tmp_path / "s", ZBinning((4, 7), 2, n_slices=8), "train")


def test_the_lesion_share_holds_with_lesions_in_fewer_bins(tmp_path):
    """Controls in all four bins and lesions in one, where each of two lesion slices is drawn a quarter of the time."""
    with new_store(tmp_path / "s", kind="real", n_slices=8, spacing=(1, 1, 1)) as writer:
        image, mask = np.full((8, 8, 8), 0.5, np.float32), np.zeros((8, 8, 8), bool)
        writer.add(Shard("a", image, mask, {"z_index": np.arange(8)}))
        mask[2:4, 1, 1] = True
        writer.add(Shard("b", image[2:4], mask[2:4], {"z_index": np.arange(2, 4), "pathology": 1}))
    weights = sampling_weights(SliceDataset(tmp_path / "s", ZBinning((0, 7), 4, n_slices=8)), 0.5)
    assert weights == pytest.approx([1 / 16] * 8 + [1 / 4] * 2)


def test_a_mask_chooses_samples_and_anything_else_is_refused(store):
    dataset = SliceDataset(store, BINNING, "val")
    lesion = dataset.pathology == 1
    chosen = torch.from_numpy(dataset.rows)[lesion]
    for mask in (lesion, lesion.numpy(), lesion.tolist()):
        assert torch.equal(dataset.batch(mask)["row"], chosen)
    for wrong in (lesion[:-1], [0.9, 1.9], torch.tensor([0.0])):
        with pytest.raises(JsddpmError, match="SLICES"):
            dataset.batch(wrong)
    for item in (1.7, True, slice(0, 3)):
        with pytest.raises(JsddpmError, match="SLICES"):
            dataset[item]
    with pytest.raises(JsddpmError, match="BINNING"):
        SliceDataset(store, None)


def test_batches_resume_in_the_middle(store):
    dataset = SliceDataset(store, BINNING, "train")
    options = {"lesion_share": 0.5, "seed": 4}
    whole = list(islice(BalancedBatches(dataset, 4, **options), 10))
    assert list(islice(BalancedBatches(dataset, 4, **options, first=6), 4)) == whole[6:]
    shared = [list(islice(BalancedBatches(dataset, 4, **options, first=rank, stride=2), 5)) for rank in (0, 1)]
    assert [batch for both in zip(*shared, strict=True) for batch in both] == whole
    assert whole[0] != whole[1]


def test_an_empty_split_is_refused(tmp_path):
    with new_store(tmp_path / "s", kind="real", n_slices=4, spacing=(1, 1, 1)) as writer:
        image = np.zeros((4, 8, 8), np.float32)
        writer.add(Shard("a", image, image > 0, {"z_index": np.arange(4), "split": 0}))
    with pytest.raises(JsddpmError, match=r"NO_SLICES"):
        SliceDataset(tmp_path / "s", ZBinning((0, 3), 2, n_slices=4), "val")


@pytest.mark.parametrize("residence", ["memory", "mapped"])
def test_where_slices_are_held_changes_nothing(store, residence):
    dataset = SliceDataset(store, BINNING, "train", residence=residence)
    items = [7, 0, 60, 7, 31]
    batch = dataset.batch(items)
    image, mask = store.images(dataset.rows[items]), store.masks(dataset.rows[items])
    assert np.array_equal(batch["x0"].numpy(), np.stack([image, mask], 1).astype(np.float32) * 2 - 1)
    assert batch["x0"].dtype == torch.float32
    if residence == "memory":
        assert torch.equal(dataset.to("cpu").batch(items)["x0"], batch["x0"])
    else:
        with pytest.raises(JsddpmError, match="RESIDENCE"):
            dataset.to("cpu")


@pytest.mark.parametrize("residence", ["memory", "mapped"])
def test_workers_make_the_same_batches(store, residence):
    def first(workers):
        module = SliceDataModule(
            store, BINNING, batch_size=4, lesion_share=0.5, seed=3, residence=residence, workers=workers
        )
        return [b["x0"] for b in islice(module.train_dataloader(), 6)]

    assert all(torch.equal(a, b) for a, b in zip(first(0), first(2), strict=True))


def test_the_effective_distribution_is_that_of_many_draws(store):
    dataset = SliceDataset(store, BINNING, "train")
    said = ClassDistribution.of(dataset, 0.4)
    drawn = np.array(list(islice(BalancedBatches(dataset, 100, lesion_share=0.4, seed=0), 400))).ravel()
    lesion = dataset.pathology.numpy()
    assert (said.slices, said.stored_lesion_share) == (len(dataset), pytest.approx(lesion.mean()))
    assert lesion[drawn].mean() == pytest.approx(said.lesion_share, abs=0.01)
    counts = np.bincount(drawn, minlength=len(dataset))
    assert counts.max() / counts.mean() == pytest.approx(said.most_frequent, rel=0.15)
    assert ClassDistribution.of(dataset, None).effective_slices == pytest.approx(len(dataset))
    assert said.effective_slices < len(dataset)
