"""Noise levels that samplers visit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st

from jsddpm.diffusion.objective import alphas_cumprod
from jsddpm.diffusion.schedulers import make_scheduler
from jsddpm.diffusion.standalone import LEAST, NOISIEST, RHO, visited_timesteps
from jsddpm.sections import DiffusionConfig, SamplingConfig

SCHEDULES = ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"]


@given(
    levels=st.integers(2, 300),
    share=st.floats(0, 1),
    schedule=st.sampled_from(SCHEDULES),
    zero=st.booleans(),
    spacing=st.sampled_from(["karras", "trailing"]),
)
def test_any_number_of_steps_visits_levels_once_from_the_last_down(levels, share, schedule, zero, spacing):
    steps = 1 + round(share * (levels - 1))
    abar = alphas_cumprod(DiffusionConfig(beta_schedule=schedule, num_train_timesteps=levels, rescale_zero_snr=zero,
                                          prediction_type="sample"))  # fmt: skip
    visited = visited_timesteps(abar, steps, spacing)
    assert len(visited) == steps
    assert visited[0] == levels - 1
    assert visited[-1] >= 0
    assert all(later < earlier for earlier, later in pairwise(visited))
    if spacing == "karras" and steps >= LEAST:
        assert visited[-1] == 0


@pytest.mark.parametrize("steps", [7, 20, 50, 1000])
def test_trailing_steps_are_the_librarys(steps):
    library = DPMSolverMultistepScheduler(timestep_spacing="trailing")
    library.set_timesteps(steps)
    assert visited_timesteps(library.alphas_cumprod, steps, "trailing") == library.timesteps.tolist()


def test_karras_steps_are_spread_as_the_paper_spreads_them():
    """Equation 5 of arXiv 2206.00364, to the nearest of many levels."""
    sigma = np.geomspace(0.002, 400, 20_001)
    visited = visited_timesteps(torch.from_numpy(1 / (1 + sigma**2)), 19, "karras")
    i = np.arange(18)
    expected = (NOISIEST ** (1 / RHO) + i / 17 * (0.002 ** (1 / RHO) - NOISIEST ** (1 / RHO))) ** RHO
    assert np.allclose(sigma[visited[1:]], expected, rtol=1e-3)
    assert visited[0] == 20_000


@pytest.mark.parametrize("sampler", ["dpmpp", "dpmpp_sde", "unipc"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("levels", [1000, 2000, 4000])
def test_noise_falls_from_a_level_without_signal(sampler, schedule, levels):
    """The library gives this level a ratio of 4096, less than that of the second level where levels are many."""
    diffusion = DiffusionConfig(
        beta_schedule=schedule, num_train_timesteps=levels, rescale_zero_snr=True, prediction_type="sample"
    )
    abar = alphas_cumprod(diffusion).double()
    for steps in (50, 300, levels):
        scheduler = make_scheduler(diffusion, SamplingConfig(sampler=sampler, steps=steps))
        sigmas, visited = scheduler.sigmas.double(), abar[scheduler.timesteps[1:].long()]
        assert bool((sigmas.diff() < 0).all())
        assert torch.allclose(sigmas[1:-1], ((1 - visited) / visited).sqrt(), rtol=1e-3)
        if sigmas[1] < 4096:  # then samples are those of the library
            assert sigmas[0] == pytest.approx(4096, rel=1e-6)
