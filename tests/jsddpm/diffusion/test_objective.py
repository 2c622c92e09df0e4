"""The objective against diffusers' schedulers and closed forms."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler

from jsddpm.config import DiffusionConfig, ObjectiveConfig
from jsddpm.diffusion.objective import add_noise, alphas_cumprod, joint_loss, predict_x0, target, timestep_weights

SCHEDULES = ["linear", "scaled_linear", "squaredcos_cap_v2"]
TARGETS = ["epsilon", "sample", "v_prediction"]


@pytest.fixture
def draw():
    g = torch.Generator().manual_seed(0)
    return (
        torch.randn((5, 2, 6, 7), generator=g),
        torch.randn((5, 2, 6, 7), generator=g),
        torch.tensor([0, 10, 400, 900, 999]),
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noise_and_velocity_agree_with_the_library(schedule, draw):
    x0, noise, t = draw
    library = DDPMScheduler(beta_schedule=schedule)
    abar = alphas_cumprod(DiffusionConfig(beta_schedule=schedule))
    assert torch.allclose(add_noise(x0, noise, t, abar), library.add_noise(x0, noise, t), atol=1e-6)
    assert torch.allclose(target(x0, noise, t, abar, "v_prediction"), library.get_velocity(x0, noise, t), atol=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", TARGETS)
def test_the_exact_target_gives_back_x0(schedule, kind, draw):
    x0, noise, t = (v.double() if v.is_floating_point() else v for v in draw)
    abar = alphas_cumprod(DiffusionConfig(beta_schedule=schedule)).double()
    x_t = add_noise(x0, noise, t, abar)
    assert torch.allclose(predict_x0(target(x0, noise, t, abar, kind), x_t, t, abar, kind), x0, atol=1e-6)


def test_min_snr_weights_make_the_targets_equivalent(draw):
    """Each target's squared error, times its weight, is the same multiple of the error in x0."""
    x0, noise, t = (v.double() if v.is_floating_point() else v for v in draw)
    t = t.clamp(1, 990)
    abar = alphas_cumprod(DiffusionConfig(beta_schedule="linear")).double()
    x_t, wrong = add_noise(x0, noise, t, abar), x0 + 0.1
    noise_of_wrong = (x_t - abar[t].sqrt().view(-1, 1, 1, 1) * wrong) / (1 - abar[t]).sqrt().view(-1, 1, 1, 1)
    errors = {}
    for kind in TARGETS:
        difference = target(wrong, noise_of_wrong, t, abar, kind) - target(x0, noise, t, abar, kind)
        errors[kind] = difference.square().mean((1, 2, 3)) * timestep_weights(
            t, abar, kind, ObjectiveConfig(min_snr_gamma=5.0)
        )
    snr = abar[t] / (1 - abar[t])
    assert torch.allclose(errors["sample"], 0.01 * snr.clamp(max=5.0), rtol=1e-9)
    assert torch.allclose(errors["epsilon"], errors["sample"], rtol=1e-6)
    assert torch.allclose(errors["v_prediction"], errors["sample"], rtol=1e-6)


def test_without_limits_every_timestep_counts_alike():
    assert timestep_weights(torch.tensor([1, 2]), torch.rand(5), "epsilon", ObjectiveConfig()).tolist() == [1, 1]


def test_floor_and_gamma_bound_the_weight():
    abar = torch.tensor([0.99, 0.75, 0.5, 0.1], dtype=torch.float64)  # SNR 99, 3, 1, 1/9
    both = timestep_weights(torch.arange(4), abar, "sample", ObjectiveConfig(snr_floor=1, min_snr_gamma=5))
    assert both.tolist() == pytest.approx([5, 3, 1, 1])
    floor = timestep_weights(torch.arange(4), abar, "v_prediction", ObjectiveConfig(snr_floor=1))
    assert floor.tolist() == pytest.approx([99 / 100, 3 / 4, 1 / 2, 1 / (1 + 1 / 9)])


def test_loss_counts_lesion_pixels_and_the_mask_as_told():
    x0 = -torch.ones(1, 2, 4, 4)
    x0[0, 1, 0, 0] = 1  # one lesion pixel of sixteen
    off = x0 + 1
    loss = joint_loss(off, x0, x0, torch.ones(1), ObjectiveConfig(lesion_weight=5, mask_weight=2))
    assert float(loss.image) == pytest.approx((15 + 5) / 16)
    assert float(loss.mask) == pytest.approx(2 * (15 + 5) / 16)
    assert float(loss.total) == pytest.approx(float(loss.image + loss.mask))


def test_loss_is_zero_only_for_the_exact_slice():
    x0 = torch.rand(2, 2, 4, 4) * 2 - 1
    assert float(joint_loss(x0, x0, x0, torch.ones(2), ObjectiveConfig()).total) == 0
    assert float(joint_loss(x0.flip(0), x0, x0, torch.ones(2), ObjectiveConfig()).total) > 0
