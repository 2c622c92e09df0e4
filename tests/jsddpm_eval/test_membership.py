"""Measured losses are those of training, on fixed noise; a network that was overfitted is found, a new one is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conftest import TINY
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import load_denoiser
from jsddpm.diffusion.objective import add_noise, alphas_cumprod, channel_weights, joint_loss, slice_losses, target
from jsddpm.slices.dataset import SliceDataset
from jsddpm.training.run import train
from jsddpm_eval.functional.wiener import Moments
from jsddpm_eval.membership import NOISE, level_noise, measure
from jsddpm_eval.membership_statement import statement
from synthetic import write_store

SETTINGS = [
    *TINY, "model.channels=[32,64]", "model.patch_size=2", "binning.z_range=[6,9]", "binning.n_bins=2",
    "data.batch_size=5", "logging.grid=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def measured(run, store):
    return measure(run / "checkpoints" / "last.ckpt", store, slices=3, seed=5)


def test_levels_are_the_nearest_of_the_schedule(measured):
    """Of the cosine schedule, cos^2 up to its offset: the noise of step t is the tangent of the angle."""
    angle = (np.array(measured.timesteps) / 1000 + 0.008) / 1.008 * np.pi / 2
    np.testing.assert_allclose(measured.noise, np.tan(angle), rtol=0.03)
    np.testing.assert_allclose(measured.noise, NOISE, rtol=0.02)


def test_a_loss_is_the_training_loss_of_the_slice_alone(measured, run, store):
    denoiser, info = load_denoiser(run / "checkpoints" / "last.ckpt")
    dataset = SliceDataset(store, info.binning)
    abar, kind = alphas_cumprod(info.config.diffusion), info.config.diffusion.prediction_type
    for place in (0, 7, 17):
        batch = dataset.batch(np.flatnonzero(dataset.rows == measured.rows[place]))
        for level, timestep in enumerate(measured.timesteps):
            t = torch.tensor([timestep])
            noise = level_noise(batch["row"], batch["x0"].shape[1:], 5, timestep)
            x_t = add_noise(batch["x0"], noise, t, abar)
            with torch.no_grad():
                prediction = denoiser(x_t, t, batch["token"])
            weights = channel_weights(t, abar, kind, info.config.objective)
            wanted = target(batch["x0"], noise, t, abar, kind)
            loss = joint_loss(prediction, wanted, batch["x0"], weights, info.config.objective)
            assert measured.network[place, level] == pytest.approx(float(loss.total), rel=1e-4)


@pytest.mark.parametrize("frequency", [0.0, 0.5])
def test_losses_of_slices_have_the_loss_as_their_mean(frequency):
    config = load_config("demo", [f"objective.frequency_weight={frequency}", "objective.p_image=1.5"]).objective
    generator = torch.Generator().manual_seed(0)
    prediction, wanted, x0 = torch.randn((3, 5, 2, 6, 8), generator=generator)
    weights = torch.rand((5, 3), generator=generator)
    each = slice_losses(prediction, wanted, x0, weights, config)
    assert float(each.mean()) == pytest.approx(float(joint_loss(prediction, wanted, x0, weights, config).total))


def test_the_filter_of_a_patient_has_not_seen_them(measured, store):
    """It has seen all others, trained on or not, so that it says the same of a patient however they are divided."""
    info = measured.info
    dataset = SliceDataset(store, info.binning)
    names = store.patients[dataset.rows]
    others = dataset.batch(np.flatnonzero(names != "p0"))
    wiener = Moments.of(others["x0"], others["z_bin"], info.binning.n_bins).filter()
    place = int(np.flatnonzero(measured.patient == 0)[1])
    batch = dataset.batch(np.flatnonzero(dataset.rows == measured.rows[place]))
    abar, t = alphas_cumprod(info.config.diffusion), torch.tensor([measured.timesteps[3]])
    noise = level_noise(batch["row"], batch["x0"].shape[1:], 5, measured.timesteps[3])
    x_t = add_noise(batch["x0"], noise, t, abar)
    restored = wiener(x_t / abar[t].sqrt(), batch["z_bin"], measured.noise[3]).float()
    weights = channel_weights(t, abar, "sample", info.config.objective)
    loss = joint_loss(restored, batch["x0"], batch["x0"], weights, info.config.objective)
    assert measured.filter[place, 3] == pytest.approx(float(loss.total), rel=1e-4)


def test_noise_is_of_the_slice_and_the_level_alone():
    shape = torch.Size((2, 4, 5))
    first = level_noise(torch.tensor([3, 8]), shape, 1, 100)
    torch.testing.assert_close(level_noise(torch.tensor([8]), shape, 1, 100)[0], first[1])
    for other in (level_noise(torch.tensor([3]), shape, 1, 101), level_noise(torch.tensor([3]), shape, 2, 100)):
        assert not torch.equal(other[0], first[0])


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A store of five training and seven held-out patients, and networks trained on it for so many steps."""
    root = tmp_path_factory.mktemp("few")
    store = write_store(root / "store", patients=12, held_out=7)

    def trained(steps):
        settings = [f"trainer.max_steps={steps}", f"trainer.check_every={steps}"]
        train(load_config("demo", [*SETTINGS, *settings]), store, root / f"run{steps}")
        return root / f"run{steps}" / "checkpoints" / "last.ckpt"

    return store, trained


@pytest.mark.long
def test_an_overfitted_network_is_found_and_an_untrained_one_is_not(few):
    store, trained = few
    new, _ = statement(measure(trained(1), store), store)
    assert new["answer"] == "unknown"
    last = trained(500)
    old, rows = statement(measure(last, store), store)
    assert old["answer"] == "off", old["sentences"]
    assert old["attack"]["area"] > 0.9
    assert len(rows) == 12 * 4
    means = {name: np.mean([r["score"] for r in rows if r["patient"] == name]) for name in ("p0", "p11")}
    scores = {p["patient"]: p["score"] for p in old["by_patient"]}
    assert means == pytest.approx({name: scores[name] for name in means}, abs=1e-3)
