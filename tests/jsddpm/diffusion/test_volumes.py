"""Volumes of a 2D network: what their slices share, what the store says, and where they lie."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from jsddpm.binning import Condition
from jsddpm.diffusion.generate import generate_store
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.sampling import Noise, SampleId
from jsddpm.errors import JsddpmError
from jsddpm.exports.dataset import export_stores
from jsddpm.slices.store import SliceStore
from jsddpm.training.progress import last_checkpoint
from jsddpm_cli.commands.sample import run_sampling, sample
from jsddpm_eval.slice_table import SliceTable

SIZE = (100, 100)


def drawn(noise, steps=4):
    """The noise of every sample's first pixel at each step, ``(steps, samples)``."""
    return np.array([noise.of_step(step)[:, 0, 0, 0].tolist() for step in range(steps)])


def test_slices_of_a_volume_share_their_step_noise_in_the_first_steps():
    ids = [SampleId(Condition(k, 0), n, 0.5) for n in (0, 1) for k in (0, 1)]
    first, second, other, another = drawn(Noise(ids, 7, 4, SIZE)).T
    np.testing.assert_array_equal(first[:2], second[:2])
    np.testing.assert_array_equal(other[:2], another[:2])
    values = np.concatenate([first, second[2:], other, another[2:]])
    assert len(np.unique(values)) == len(values)


@pytest.mark.parametrize("coherence", [0.0, 0.3, 0.7, 1.0])
def test_starting_noise_of_a_volume_is_normal_and_as_correlated_as_asked(coherence):
    ids = [SampleId(Condition(k, 0), n, coherence) for n in (0, 1) for k in (0, 1, 2)]
    start = Noise(ids, 7, 4, SIZE).start().flatten(1).numpy()
    within = np.kron(np.eye(2), np.full((3, 3), coherence)) + (1 - coherence) * np.eye(6)
    np.testing.assert_allclose(np.corrcoef(start), within, atol=0.03)
    np.testing.assert_allclose(start.std(1), 1, atol=0.02)
    alone = Noise(ids[1:2], 7, 4, SIZE).start().flatten(1).numpy()
    np.testing.assert_array_equal(alone[0], start[1])


def test_without_coherence_samples_are_those_that_are_drawn_by_themselves(run):
    pipe = JointPipeline.from_checkpoint(last_checkpoint(run), device="cpu")
    alone = [SampleId(Condition(k, 0), 0) for k in (1, 2)]
    volume = [SampleId(Condition(k, 0), 0, coherence) for coherence in (0.0, 1.0) for k in (1, 2)]
    expected = pipe.sample(alone, pipe.sampling, 3)
    assert torch.equal(pipe.sample(volume[:2], pipe.sampling, 3), expected)
    assert not torch.equal(pipe.sample(volume[2:], pipe.sampling, 3), expected)


@pytest.fixture(scope="module")
def volumes(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("volumes") / "store"
    return SliceStore(run_sampling(run, out, {"per_condition": 3}, None, None, 0, brain=(1.0, "2,3")))


def test_the_store_says_which_slices_belong_together(volumes):
    assert volumes.info["groups"] == ["volume-0000", "volume-0001", "volume-0002"]
    assert volumes.info["coherence"] == 1.0
    table = SliceTable.from_store(volumes)
    assert (len(table), table.n_units) == (15, 3)
    for n in range(3):
        rows = volumes.index[volumes.groups == n]
        assert sorted(rows["z_index"]) == [7, 13, 19, 25, 31]  # middles of [5, 34] in five bins of six
        assert [int(z) for z in rows["z_index"][rows["pathology"] == 1]] == [19, 25]


def test_a_volume_lies_at_the_middles_of_its_bins(volumes, tmp_path):
    export_stores([volumes], tmp_path / "nifti", "nifti")
    assert len(list((tmp_path / "nifti").glob("*.nii.gz"))) == 6
    for kind in ("image", "mask"):
        volume = nib.load(tmp_path / "nifti" / f"synthetic_0001_{kind}.nii.gz")
        assert volume.shape == (24, 32, 5)
        height, width, dz = 3.0, 2.0, 1.5  # the fixture's spacing, in mm
        np.testing.assert_allclose(volume.header.get_zooms(), (width, height, 6 * dz))
        for k, z in enumerate((7, 13, 19, 25, 31)):
            np.testing.assert_allclose(volume.affine @ [11.5, 15.5, k, 1], [0, 0, z * dz, 1], atol=1e-6)
    rows = np.flatnonzero(volumes.groups == 1)
    rows = rows[np.argsort(volumes.index["z_index"][rows])]
    data = nib.load(tmp_path / "nifti" / "synthetic_0001_image.nii.gz").get_fdata()
    np.testing.assert_allclose(data[..., 2], volumes.images(rows)[2][::-1].T)


def test_another_coherence_does_not_go_on_with_a_begun_one(run, tmp_path):
    pipe = JointPipeline.from_checkpoint(last_checkpoint(run), device="cpu")
    pipe = replace(pipe, sampling=pipe.sampling_with(batch_size=4))
    begun = [False]

    def after_one(done, total):
        if begun[0]:
            raise KeyboardInterrupt
        begun[0] = done == pipe.sampling.steps

    of_volume = [Condition(k, 0) for k in range(5)]
    with pytest.raises(KeyboardInterrupt):
        generate_store(pipe, tmp_path / "out", conditions=of_volume, coherence=1.0, progress=after_one)
    with pytest.raises(JsddpmError, match=r"PLAN_DIFFERS.*coherence"):
        generate_store(pipe, tmp_path / "out", conditions=of_volume, coherence=0.5)


def test_options_that_mean_nothing_are_refused(run, tmp_path):
    for options in ({"lesion_bins": "1"}, {"coherence": 0.4}, {"volumes": 2, "pathology": "1"},
                    {"volumes": 2, "per_condition": 3}, {"volumes": 2, "bins": "0,1", "lesion_bins": "4"}):  # fmt: skip
        with pytest.raises(JsddpmError) as caught:
            sample(run, tmp_path / "out", **options)
        assert caught.value.status == 2
        assert not (tmp_path / "out").exists()
