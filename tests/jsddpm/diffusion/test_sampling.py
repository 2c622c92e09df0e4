"""A sample depends on (seed, condition, number) alone; samplers reach a known distribution."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from jsddpm.binning import Condition, ZBinning
from jsddpm.config import DiffusionConfig, ModelConfig, SamplingConfig
from jsddpm.diffusion.denoiser import ConditionEmbedding, Denoiser
from jsddpm.diffusion.objective import alphas_cumprod
from jsddpm.diffusion.sampling import SampleId, sample
from jsddpm.errors import ExitStatus, JsddpmError

BINNING = ZBinning((0, 9), 3, n_slices=10)
DIFFUSION = DiffusionConfig(prediction_type="sample", beta_schedule="squaredcos_cap_v2")
IDS = [SampleId(Condition(k, p), n) for k in range(3) for p in (0, 1) for n in range(2)]


@pytest.fixture(scope="module")
def denoiser():
    torch.manual_seed(0)
    return Denoiser(ModelConfig(channels=(8, 16), norm_num_groups=4, patch_size=2), BINNING, (16, 12)).eval()


def draw(denoiser, ids, seed=7, **options):
    sampling = SamplingConfig(**({"sampler": "ddpm", "steps": 4} | options))
    return sample(
        denoiser, ids, binning=BINNING, diffusion=DIFFUSION, sampling=sampling, size=(16, 12), run_seed=seed
    )  # fmt: skip


@pytest.mark.parametrize("options", [{"sampler": "ddpm"}, {"sampler": "ddim"}, {"sampler": "ddim", "eta": 1.0}])
def test_batch_and_order_do_not_enter(denoiser, options):
    together = draw(denoiser, IDS, **options)
    alone = torch.cat([draw(denoiser, [i], **options) for i in IDS])
    backwards = draw(denoiser, IDS[::-1], **options).flip(0)
    assert (together - alone).abs().max() < 1e-4
    assert (together - backwards).abs().max() < 1e-4


def test_seed_condition_and_number_do_enter(denoiser):
    seeds = {i.seed(7) for i in IDS} | {i.seed(8) for i in IDS}
    assert len(seeds) == 2 * len(IDS)
    assert (draw(denoiser, IDS[:1]) - draw(denoiser, IDS[:1], seed=8)).abs().max() > 0.1


class GaussianDenoiser(nn.Module):
    """The exact x0 predictor for data ~ N(mean, variance), pixel by pixel."""

    def __init__(self, mean, variance):
        super().__init__()
        self.mean, self.variance = mean, variance
        self.anchor = nn.Parameter(torch.zeros(1))
        self.abar = alphas_cumprod(DIFFUSION)

    def forward(self, x, timesteps, tokens):
        abar = self.abar[timesteps].view(-1, 1, 1, 1)
        gain = abar.sqrt() * self.variance / (abar * self.variance + 1 - abar)
        return self.mean + gain * (x - abar.sqrt() * self.mean)


@pytest.mark.parametrize("options", [{"sampler": "ddpm"}, {"sampler": "ddim"}, {"sampler": "ddim", "eta": 1.0}])
def test_samplers_reach_a_known_gaussian(options):
    mean, deviation = 0.2, 0.1
    ids = [SampleId(Condition(0, 0), n) for n in range(64)]
    x = draw(GaussianDenoiser(mean, deviation**2), ids, steps=1000, **options)
    assert float(x.mean()) == pytest.approx(mean, abs=4 * deviation / (x.numel() ** 0.5) + 2e-3)
    assert float(x.std()) == pytest.approx(deviation, rel=0.05)


def test_guidance_moves_from_null_to_condition():
    class Told(nn.Module):
        def __init__(self):
            super().__init__()
            self.anchor = nn.Parameter(torch.zeros(1))

        def forward(self, x, timesteps, tokens):
            return torch.where(tokens == BINNING.null_token, 0.1, 0.3).view(-1, 1, 1, 1).expand_as(x)

    for weight, expected in ((0.0, 0.1), (1.0, 0.3), (2.0, 0.5)):
        x = draw(Told(), IDS[:2], sampler="ddim", steps=2, guidance=weight)
        assert torch.allclose(x, torch.tensor(expected), atol=1e-5)


def test_a_sample_that_is_not_finite_is_named():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.anchor = nn.Parameter(torch.zeros(1))

        def forward(self, x, timesteps, tokens):
            return torch.where((tokens == 4).view(-1, 1, 1, 1), torch.nan, x)

    with pytest.raises(JsddpmError, match="bin 1 lesion number 0") as caught:
        draw(Broken(), IDS)
    assert caught.value.status is ExitStatus.NON_FINITE


def test_factored_embedding_shares_what_a_lesion_is():
    embedding = ConditionEmbedding("factored", 3, 4)
    tokens = torch.arange(7)
    vectors = embedding(tokens)
    lesion_minus_control = vectors[3:6] - vectors[:3]
    assert torch.allclose(lesion_minus_control, lesion_minus_control[:1].expand(3, -1), atol=1e-6)
    assert torch.equal(vectors[6], embedding.z_bin.weight[3] + embedding.pathology.weight[2])
    assert len(ConditionEmbedding("token", 3, 4)(tokens).unique(dim=0)) == 7


def test_slices_that_cannot_be_divided_are_refused():
    with pytest.raises(JsddpmError, match=r"SIZE.*30x32.*4"):
        Denoiser(ModelConfig(channels=(8, 16), norm_num_groups=4, patch_size=2), BINNING, (30, 32))
