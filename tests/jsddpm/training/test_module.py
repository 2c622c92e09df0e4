"""What one step and one check compute, against planted networks and the rates that the configuration asks for."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from scipy.stats import fisher_exact
from torch import nn

from conftest import TINY
from jsddpm.config import load_config
from jsddpm.diffusion.reconstruct import fixed_noise
from jsddpm.slices.dataset import BalancedBatches, SliceDataset
from jsddpm.training.module import JointDDPM


class Planted(nn.Module):
    """A network that answers with a given tensor, or a number."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x_t, timesteps, tokens, x0_hat=None, amounts=None):
        return torch.as_tensor(self.answer, dtype=x_t.dtype).expand_as(x_t)


def module_of(store, *settings):
    config = load_config("demo", [*TINY, *settings])
    return JointDDPM(config, config.binning.for_store(store.n_slices), store.size)


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_self_conditioning_sees_the_clean_slices_that_the_network_predicts(store, kind):
    """The planted network predicts exactly; from noisy slices, its estimate is then the clean ones."""
    settings = ("model.self_conditioning=0.999", f"diffusion.prediction_type={kind}", "objective.snr_floor=null")
    module, rng = module_of(store, *settings), torch.Generator().manual_seed(0)
    x0 = torch.rand((3, 2, 8, 6), generator=rng) * 2 - 1
    noise, timesteps = torch.randn(x0.shape, generator=rng), torch.tensor([10, 300, 600])
    signal = module.abar[timesteps].view(-1, 1, 1, 1)
    x_t = signal.sqrt() * x0 + (1 - signal).sqrt() * noise
    module.denoiser = Planted(
        {"epsilon": noise, "sample": x0, "v_prediction": signal.sqrt() * noise - (1 - signal).sqrt() * x0}[kind]
    )
    tokens = torch.zeros(3, dtype=torch.int64)
    assert torch.allclose(module._own_estimate(x_t, timesteps, tokens, None, 0), x0, atol=1e-4)
    module.denoiser = Planted({"epsilon": -99.0, "sample": 99.0, "v_prediction": -99.0}[kind])
    assert torch.equal(module._own_estimate(x_t, timesteps, tokens, None, 0), torch.ones_like(x0)), "clipped"


def coins(module, steps):
    """In which steps the network sees its own estimate."""
    module.denoiser = Planted(0.0)
    x, t = torch.zeros((1, 2, 8, 8)), torch.zeros(1, dtype=torch.int64)
    return np.array([module._own_estimate(x, t, t, None, step) is not None for step in range(steps)])


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_self_conditioning_has_its_share_of_the_steps(store, share):
    count = 2000
    found = coins(module_of(store, f"model.self_conditioning={share}"), count).sum()
    assert abs(found - share * count) <= 4 * np.sqrt(count * share * (1 - share))


@pytest.mark.parametrize("seed", [0, 5])
def test_the_coin_of_self_conditioning_does_not_choose_patients(store, seed):
    """One random number drew the coin and the first slice of the batch: half of the patients never had an estimate."""
    module = module_of(store, "model.self_conditioning=0.5", f"seed={seed}")
    dataset = SliceDataset(store, module.binning, "train")
    batches = islice(BalancedBatches(dataset, 4, lesion_share=0.5, seed=seed), 1000)
    first, coin = np.array([items[0] for items in batches]), coins(module, 1000)
    patients = store.patients[dataset.rows][first]
    assert len(set(patients)) > 2
    for patient in set(patients):
        table = [[int((coin[patients == patient] == side).sum()) for side in (True, False)]]
        table += [[int((coin[patients != patient] == side).sum()) for side in (True, False)]]
        assert fisher_exact(table).pvalue > 1e-3, (patient, table)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
def test_conditions_are_dropped_at_their_rate(store, share):
    module, count = module_of(store, f"unconditional_share={share}"), 20_000
    given = torch.arange(count) % 7
    tokens = module.draw({"x0": torch.zeros((count, 2, 1, 1)), "token": given}).tokens
    dropped = tokens == module.binning.null_token
    assert abs(int(dropped.sum()) - share * count) <= 4 * np.sqrt(count * share * (1 - share))
    assert torch.equal(tokens[~dropped], given[~dropped])


def test_the_averaged_network_is_validated(store, monkeypatch):
    """Networks that answer with a constant; the error of the averaged one is known."""
    module, logged = module_of(store, "evaluation.timesteps=[100,700]"), {}
    module.denoiser, module.ema.module = Planted(0.9), Planted(0.25)
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: float(value)}))
    batch = SliceDataset(store, module.binning, "val").batch([0, 9, 21])
    module.validation_step(batch, 0)
    expected = float(((0.25 - batch["x0"].double()) ** 2).mean())
    assert logged == {name: pytest.approx(expected) for name in ("val/mse", "val/mse_t100", "val/mse_t700")}


def test_the_noise_of_a_check_belongs_to_seed_and_slice():
    shape = torch.Size((2, 40, 30))
    noise = {seed: fixed_noise(torch.tensor([3, 9, 3, 0, 1]), shape, seed) for seed in (0, 1)}
    assert torch.equal(noise[0][0], noise[0][2])
    assert torch.equal(fixed_noise(torch.tensor([9]), shape, 1)[0], noise[1][1]), "other slices do not matter"
    different = torch.cat([noise[seed][[0, 1, 3, 4]] for seed in (0, 1)]).flatten(1)
    correlation = torch.corrcoef(different) - torch.eye(8)
    assert correlation.abs().max() < 5 / np.sqrt(different.shape[1])
    assert abs(float(different.mean())) < 0.03
    assert abs(float(different.std()) - 1) < 0.03
