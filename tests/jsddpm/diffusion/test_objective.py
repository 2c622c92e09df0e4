"""The objective against diffusers' schedulers and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from jsddpm.config import load_config
from jsddpm.diffusion.objective import (
    add_noise,
    alphas_cumprod,
    channel_weights,
    focal_frequency,
    joint_loss,
    predict_x0,
    target,
    timestep_weights,
)
from jsddpm.diffusion.schedulers import make_scheduler
from jsddpm.errors import JsddpmError
from jsddpm.registry import SAMPLERS
from jsddpm.sections import DiffusionConfig, ObjectiveConfig, SamplingConfig

SCHEDULES = ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"]
TARGETS = ["epsilon", "sample", "v_prediction"]


@pytest.fixture
def draw():
    g = torch.Generator().manual_seed(0)
    return (
        torch.randn((5, 2, 6, 7), generator=g),
        torch.randn((5, 2, 6, 7), generator=g),
        torch.tensor([0, 10, 400, 900, 999]),
    )


def closed_form(schedule, n=1000, start=1e-4, end=0.02):
    """Schedules from their papers, in double precision: alphas_cumprod."""
    if schedule == "squaredcos_cap_v2":  # Nichol & Dhariwal 2021, equation 17, betas capped at 0.999
        f = np.cos((np.arange(n + 1) / n + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - f[1:] / f[:-1], 0.999)
    elif schedule == "sigmoid":
        betas = start + (end - start) / (1 + np.exp(-np.linspace(-6, 6, n)))
    elif schedule == "scaled_linear":
        betas = np.linspace(start**0.5, end**0.5, n) ** 2
    else:
        betas = np.linspace(start, end, n)
    return np.cumprod(1 - betas)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_agree_with_their_formulas(schedule):
    found = alphas_cumprod(DiffusionConfig(beta_schedule=schedule)).numpy()
    assert np.abs(found - closed_form(schedule)).max() < 1e-6
    other = alphas_cumprod(DiffusionConfig(beta_schedule=schedule, beta_start=0.0015, beta_end=0.0195)).numpy()
    assert np.abs(other - closed_form(schedule, start=0.0015, end=0.0195)).max() < 1e-6


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_zero_terminal_snr_ends_without_signal_and_starts_as_before(schedule):
    """Lin et al. 2023, algorithm 1: sqrt(abar) shifted to end at 0, scaled to keep its first value."""
    root = np.sqrt(closed_form(schedule))
    expected = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    config = DiffusionConfig(beta_schedule=schedule, rescale_zero_snr=True, prediction_type="v_prediction")
    found = alphas_cumprod(config)
    assert found[-1] == 0
    assert np.abs(found.numpy() - expected).max() < 1e-6
    with pytest.raises(JsddpmError, match=r"CONFIG.*rescale_zero_snr: the last noise level has no signal"):
        load_config(None, ["diffusion.rescale_zero_snr=true"])


@pytest.mark.parametrize(("kind", "more"), [("sample", 0), ("v_prediction", 1)])
def test_zero_terminal_snr_with_min_snr_needs_a_floor_which_trains_the_last_level(kind, more):
    """The weight of the last level is that of the floor: an error of x0 divided by SNR + 1 for the velocity."""
    settings = ["diffusion.rescale_zero_snr=true", f"diffusion.prediction_type={kind}", "objective.min_snr_gamma=5"]
    with pytest.raises(JsddpmError, match=r"objective.min_snr_gamma.*weight 0; fix: set objective.snr_floor"):
        load_config(None, settings)
    config = load_config(None, [*settings, "objective.snr_floor=1"])
    root = np.sqrt(closed_form("linear"))
    abar = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    snr = abar / (1 - abar)
    expected = np.maximum(np.minimum(snr, 5), 1) / (snr + 1 if more else 1)
    weights = timestep_weights(torch.arange(1000), alphas_cumprod(config.diffusion), kind, config.objective).numpy()
    assert weights[-1] == 1
    assert np.abs(weights / expected - 1).max() < 1e-3


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_samplers_run_on_the_schedule_of_training(schedule, sampler):
    for zero in (False, True):
        config = DiffusionConfig(beta_schedule=schedule, rescale_zero_snr=zero, prediction_type="sample")
        scheduler = make_scheduler(config, SamplingConfig(sampler=sampler, steps=10))
        assert torch.allclose(scheduler.alphas_cumprod, alphas_cumprod(config), atol=2**-23)


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


@pytest.mark.parametrize("kind", ["sample", "v_prediction"])
def test_x0_is_recovered_without_any_signal(kind, draw):
    x0, noise, t = draw
    abar = alphas_cumprod(DiffusionConfig(prediction_type=kind, rescale_zero_snr=True))
    x_t = add_noise(x0, noise, t, abar)
    assert torch.equal(x_t[4], noise[4])
    assert torch.allclose(predict_x0(target(x0, noise, t, abar, kind), x_t, t, abar, kind), x0, atol=1e-5)


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


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_every_loss_counts_like_that_of_x0(kind, draw):
    """Lp and frequency losses too: the same wrong x0 costs the same, whatever the network predicts."""
    x0, noise, t = (v.double() if v.is_floating_point() else v for v in draw)
    t = t.clamp(1, 990)
    abar = alphas_cumprod(DiffusionConfig(beta_schedule="linear")).double()
    x_t, wrong = add_noise(x0, noise, t, abar), x0 + 0.1 * torch.rand_like(x0)
    noise_of_wrong = (x_t - abar[t].sqrt().view(-1, 1, 1, 1) * wrong) / (1 - abar[t]).sqrt().view(-1, 1, 1, 1)
    config = ObjectiveConfig(min_snr_gamma=5.0, p_image=1.5, p_mask=3, frequency_weight=0.7)
    losses = {
        k: joint_loss(
            target(wrong, noise_of_wrong, t, abar, k), target(x0, noise, t, abar, k), x0,
            channel_weights(t, abar, k, config), config,
        )
        for k in (kind, "sample")
    }  # fmt: skip
    for part in ("image", "mask", "frequency", "total"):
        assert float(getattr(losses[kind], part)) == pytest.approx(float(getattr(losses["sample"], part)), rel=1e-6)


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


@pytest.mark.parametrize(("p_image", "p_mask"), [(1.0, 1.5), (1.5, 2.0), (2.25, 3.0)])
def test_lp_loss_is_the_mean_power_of_each_channel(p_image, p_mask):
    rng = np.random.default_rng(0)
    error = rng.normal(size=(3, 2, 4, 5))
    config = ObjectiveConfig(p_image=p_image, p_mask=p_mask)
    x0 = -torch.ones(3, 2, 4, 5, dtype=torch.float64)
    loss = joint_loss(x0 + torch.from_numpy(error), x0, x0, torch.ones(3), config)
    assert float(loss.image) == pytest.approx((np.abs(error[:, 0]) ** p_image).mean())
    assert float(loss.mask) == pytest.approx((np.abs(error[:, 1]) ** p_mask).mean())


@pytest.mark.parametrize("alpha", [0.0, 1.0, 1.75])
def test_focal_frequency_loss_agrees_with_a_plain_fourier_sum(alpha):
    error = np.random.default_rng(1).normal(size=(2, 3, 4))
    rows = np.exp(-2j * np.pi * np.outer(np.arange(3), np.arange(3)) / 3)
    columns = np.exp(-2j * np.pi * np.outer(np.arange(4), np.arange(4)) / 4)
    expected = []
    for e in error:
        size = np.abs(rows @ e @ columns) / np.sqrt(12)
        expected.append(((size / size.max()) ** alpha * size**2).mean())
    assert focal_frequency(torch.from_numpy(error), alpha).numpy() == pytest.approx(np.array(expected))
    if alpha == 0:
        assert np.mean(expected) == pytest.approx((error**2).mean())  # Parseval
    assert focal_frequency(torch.zeros(1, 4, 4), alpha).tolist() == [0]


def test_focal_weights_are_constants_of_the_gradient():
    error = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(focal_frequency(error, 1.0).sum(), error)
    transformed = np.fft.fft2(error.detach().numpy(), norm="ortho")
    focus = np.abs(transformed) / np.abs(transformed).max(axis=(1, 2), keepdims=True)
    expected = 2 / 24 * np.fft.ifft2(focus * transformed, norm="ortho").real
    assert gradient.numpy() == pytest.approx(expected)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"p_image": 1.5, "p_mask": 2.5},
        {"lesion_weight": 4, "mask_weight": 0.5, "min_snr_gamma": 5, "snr_floor": 1},
        {"frequency_weight": 2, "frequency_alpha": 0},
    ],
)
def test_gradients_agree_with_finite_differences(kind, options, draw):
    x0, noise, t = (v[:, :, :3, :3].double() if v.is_floating_point() else v.clamp(5, 990) for v in draw)
    abar, config = alphas_cumprod(DiffusionConfig()).double(), ObjectiveConfig(**options)
    wanted = target(x0, noise, t, abar, kind)
    prediction = (wanted + torch.randn_like(wanted)).requires_grad_()
    weights = channel_weights(t, abar, kind, config)
    assert torch.autograd.gradcheck(lambda p: joint_loss(p, wanted, x0, weights, config).total, prediction)
