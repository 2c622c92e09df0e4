"""A sample depends on (seed, condition, number) alone; samplers reach a known distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from scipy.stats import kstest, norm
from torch import nn

from jsddpm.binning import Condition, ZBinning
from jsddpm.diffusion.conditioning import load_embedding
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.objective import add_noise, alphas_cumprod
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.sampling import SampleId
from jsddpm.diffusion.schedulers import make_scheduler
from jsddpm.diffusion.standalone import normal_noise, philox, sample_seed
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.registry import SAMPLERS
from jsddpm.sections import DiffusionConfig, ModelConfig, SamplingConfig

BINNING = ZBinning((0, 9), 3, n_slices=10)
DIFFUSION = DiffusionConfig(prediction_type="sample", beta_schedule="squaredcos_cap_v2")
SETTINGS = [*({"sampler": name} for name in SAMPLERS.names()), {"sampler": "ddim", "eta": 1.0}]
IDS = [SampleId(Condition(k, p), n) for k in range(3) for p in (0, 1) for n in range(2)]


@pytest.fixture(scope="module")
def denoiser():
    torch.manual_seed(0)
    return Denoiser(ModelConfig(channels=(8, 16), norm_num_groups=4, patch_size=2), BINNING, (16, 12)).eval()


def pipeline(denoiser, diffusion=DIFFUSION):
    every = tuple(Condition.from_token(t, BINNING.n_bins) for t in range(2 * BINNING.n_bins))
    return JointPipeline(
        denoiser=denoiser, binning=BINNING, diffusion=diffusion, size=(16, 12), spacing=(1.0, 1.0, 1.0),
        sampling=SamplingConfig(sampler="ddpm", steps=4), trained=every, guided=True, provenance={},
    )  # fmt: skip


def draw(denoiser, ids, seed=7, diffusion=DIFFUSION, **options):
    pipe = pipeline(denoiser, diffusion)
    return pipe.sample(ids, pipe.sampling_with(**options), seed)


@pytest.mark.parametrize("options", SETTINGS)
def test_batch_and_order_do_not_enter(denoiser, options):
    together = draw(denoiser, IDS, **options)
    alone = torch.cat([draw(denoiser, [i], **options) for i in IDS])
    backwards = draw(denoiser, IDS[::-1], **options).flip(0)
    assert (together - alone).abs().max() < 1e-4
    assert (together - backwards).abs().max() < 1e-4


def test_sixteen_bit_calls_of_the_network_change_samples_by_their_rounding(denoiser):
    exact = draw(denoiser, IDS)
    half = draw(denoiser, IDS, precision="bf16-mixed")
    assert half.dtype == torch.float32
    assert 1e-4 < float((half - exact).square().mean().sqrt()) < 0.02  # bfloat16 has 8 bits


def test_seed_condition_and_number_do_enter(denoiser):
    seeds = {i.seed(7) for i in IDS} | {i.seed(8) for i in IDS}
    assert len(seeds) == 2 * len(IDS)
    assert (draw(denoiser, IDS[:1]) - draw(denoiser, IDS[:1], seed=8)).abs().max() > 0.1


def test_samples_whose_seeds_agree_in_32_bits_differ(denoiser):
    """Among 10^5 samples some seeds share their low 32 bits; all 63 must count."""
    first, pairs = {}, []
    for number in range(150_000):
        i = SampleId(Condition(0, 1), number)
        other = first.setdefault(i.seed(7) & 0xFFFFFFFF, i)
        pairs += [(other, i)] if other != i else []
    assert pairs, "the birthday paradox: 2.6 pairs are expected"
    for a, b in pairs:
        for options in ({"sampler": "ddim", "steps": 1}, {"sampler": "ddpm"}):
            x = draw(denoiser, [a, b], **options)
            assert (x[0] - x[1]).abs().max() > 0.1


KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
"""Counter, key and words of the authors' library Random123 (kat_vectors, philox4x32 with 10 rounds)."""


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_words_are_those_of_the_authors_of_philox(counter, key, words):
    counter, key, words = ([int(word, 16) for word in text.split()] for text in (counter, key, words))
    answer = philox([torch.tensor([word]) for word in counter], [torch.tensor([word]) for word in key])
    assert [int(word) for word in answer] == words


def test_noise_is_standard_normal_and_independent():
    """Moments, tails, neighbours, draws and samples, by their standard errors; and by the Kolmogorov-Smirnov test."""
    seeds = [sample_seed(0, k, 1, 0) for k in range(50)]
    first, second = (normal_noise(seeds, draw, (2, 64, 64)).double() for draw in (0, 1))
    n = first.numel()
    assert abs(float(first.mean())) < 4 / n**0.5
    assert abs(float(first.var()) - 1) < 4 * (2 / n) ** 0.5
    assert abs(float((first**3).mean())) < 4 * (15 / n) ** 0.5
    assert abs(float((first**4).mean()) - 3) < 4 * (96 / n) ** 0.5
    assert kstest(first.flatten().numpy(), "norm").pvalue > 1e-3
    tail = 2 * norm.sf(4)
    assert abs(int((first.abs() > 4).sum()) - n * tail) < 4 * (n * tail) ** 0.5
    flat = first.flatten(1)
    for other in (second.flatten(1), flat.roll(1, 0), flat.roll(1, 1), flat.roll(2, 1), flat.roll(64, 1)):
        assert abs(float((flat * other).mean())) < 4 / n**0.5


def test_noise_of_a_size_that_four_does_not_divide():
    noise = normal_noise([3], 0, (5, 5))
    assert noise.shape == (1, 5, 5)
    assert len(noise.unique()) == 25
    assert torch.equal(noise.flatten(), normal_noise([3], 0, (28,)).flatten()[:25])


class GaussianDenoiser(nn.Module):
    """The exact x0 predictor for data ~ N(mean, covariance) of (image, mask), the same in every pixel.

    E[x0 | x_t] = mean + a C (a^2 C + s^2 I)^-1 (x_t - a mean), with a^2 = abar and s^2 = 1 - abar.
    """

    def __init__(self, mean, covariance, diffusion=DIFFUSION):
        super().__init__()
        self.mean, self.covariance = mean.view(1, 2, 1, 1), covariance
        self.anchor = nn.Parameter(torch.zeros(1))
        self.abar = alphas_cumprod(diffusion)

    def forward(self, x, timesteps, tokens):
        abar = self.abar[timesteps[0]]
        gain = abar.sqrt() * self.covariance @ torch.linalg.inv(abar * self.covariance + (1 - abar) * torch.eye(2))
        return self.mean + torch.einsum("ij,bjhw->bihw", gain, x - abar.sqrt() * self.mean)


MEAN, COVARIANCE = torch.tensor([0.2, -0.3]), torch.tensor([[0.010, 0.006], [0.006, 0.008]])


@pytest.mark.parametrize("options", SETTINGS)
@pytest.mark.parametrize("zero_snr", [False, True])
def test_samplers_reach_the_mean_and_covariance_of_a_gaussian(options, zero_snr):
    diffusion = DIFFUSION.model_copy(update={"rescale_zero_snr": zero_snr})
    ids = [SampleId(Condition(0, 0), n) for n in range(64)]
    x = draw(GaussianDenoiser(MEAN, COVARIANCE, diffusion), ids, diffusion=diffusion, steps=1000, **options)
    pixels = x.transpose(0, 1).flatten(1).double()
    n = pixels.shape[1]
    assert torch.allclose(pixels.mean(1), MEAN.double(), atol=4 * 0.1 / n**0.5 + 2e-3)
    assert torch.allclose(torch.cov(pixels), COVARIANCE.double(), rtol=0.06)


@pytest.mark.parametrize("sampler", ["dpmpp", "dpmpp_sde", "unipc"])
@pytest.mark.parametrize("deviation", [0.05, 0.2, 0.5])
def test_thirty_steps_keep_fine_texture(sampler, deviation):
    """Independent pixels of a known deviation, from fine noise to the spread of whole slices."""
    network = GaussianDenoiser(torch.zeros(2), torch.eye(2) * deviation**2)
    ids = [SampleId(Condition(0, 0), n) for n in range(64)]
    kept = {
        spacing: float(draw(network, ids, sampler=sampler, steps=30, spacing=spacing).std()) / deviation
        for spacing in ("karras", "trailing")
    }
    clipped = float(torch.randn(100_000).mul(deviation).clamp(-1, 1).std()) / deviation
    assert kept["karras"] == pytest.approx(clipped, abs=0.1)
    if deviation == 0.05:
        assert kept["trailing"] < 0.65


@pytest.mark.parametrize(("sampler", "order"), [("ddim", 1), ("dpmpp", 2), ("unipc", 3)])
def test_samplers_converge_at_their_order(sampler, order):
    """Against the exact probability flow of one-dimensional Gaussian data, from timestep 999 to 499.

    x(t) = a_t m + (x(T) - a_T m) sd_t / sd_T, with sd_t the deviation of the noisy data. UniPC's corrector adds one to
    the order 2 it is asked for (Zhao et al. 2023, arXiv 2302.04867).
    """
    diffusion = DiffusionConfig(prediction_type="sample", beta_schedule="linear")
    abar, mean, variance = alphas_cumprod(diffusion).double(), 0.2, 0.25
    start = torch.linspace(-2, 2, 9, dtype=torch.float64).view(1, 1, 3, 3)
    deviation = (abar * variance + 1 - abar).sqrt()
    exact = abar[499].sqrt() * mean + deviation[499] / deviation[999] * (start - abar[999].sqrt() * mean)
    errors = {}
    for steps in (20, 40, 50, 100):
        scheduler, x = make_scheduler(diffusion, SamplingConfig(sampler=sampler, steps=steps)), start
        for t in scheduler.timesteps[: steps // 2]:
            a = abar[t]
            x0 = mean + a.sqrt() * variance / (a * variance + 1 - a) * (x - a.sqrt() * mean)
            x = scheduler.step(x0, t, x).prev_sample
        assert int(scheduler.timesteps[steps // 2]) == 499
        errors[steps] = float((x - exact).abs().max())
    for coarse, fine in ((20, 40), (50, 100)):
        assert np.log2(errors[coarse] / errors[fine]) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp", "unipc"])  # the others add noise
@pytest.mark.parametrize("steps", [7, 30, 400, 600])
@pytest.mark.parametrize("spacing", ["karras", "trailing"])
def test_steps_end_at_the_noise_level_the_network_is_told(sampler, steps, spacing):
    """With one known x0 the exact path is a_t x0 + s_t noise: after every step, at the next timestep."""
    diffusion = DiffusionConfig(prediction_type="sample", beta_schedule="linear")
    settings = SamplingConfig(sampler=sampler, steps=steps, spacing=spacing)
    scheduler, abar = make_scheduler(diffusion, settings), alphas_cumprod(diffusion)
    x0, noise = torch.full((1, 1, 2, 2), 0.4), torch.tensor([[[[-1.5, 0.1], [0.7, 2.0]]]])
    x = add_noise(x0, noise, scheduler.timesteps[:1].long(), abar)
    following = [*scheduler.timesteps[1:].long(), None]
    for t, after in zip(scheduler.timesteps, following, strict=True):
        x = scheduler.step(x0, t, x).prev_sample
        expected = x0 if after is None else add_noise(x0, noise, after[None], abar)
        assert torch.allclose(x, expected, atol=2e-4)


@pytest.mark.parametrize("eta", [0.0, 0.4])
def test_ddim_is_the_librarys_where_the_library_is_exact(eta):
    ours = make_scheduler(DIFFUSION, SamplingConfig(sampler="ddim", steps=20))
    library = DDIMScheduler.from_config(ours.config, timestep_spacing="trailing")
    library.set_timesteps(20)
    assert torch.equal(ours.timesteps, library.timesteps)
    g = torch.Generator().manual_seed(0)
    x = y = torch.randn((2, 2, 4, 4), generator=g)
    for t in library.timesteps:
        x0, noise = torch.rand(x.shape, generator=g), torch.randn(x.shape, generator=g)
        x = ours.step(x0, t, x, eta=eta, variance_noise=noise).prev_sample
        y = library.step(x0, t, y, eta=eta, variance_noise=noise).prev_sample
        assert torch.allclose(x, y, atol=1e-5)


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("steps", [7, 20, 1000])
def test_ddpm_is_the_librarys(steps, zero_snr):
    diffusion = DIFFUSION.model_copy(update={"rescale_zero_snr": zero_snr})
    ours = make_scheduler(diffusion, SamplingConfig(sampler="ddpm", steps=steps))
    library = DDPMScheduler.from_config(ours.config)
    library.set_timesteps(timesteps=ours.timesteps.tolist())
    g = torch.Generator().manual_seed(0)
    x = torch.randn((2, 2, 4, 4), generator=g)
    for t in library.timesteps:
        x0, seed = torch.rand(x.shape, generator=g), int(t)
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
        own = ours.step(x0, t, x, noise).prev_sample
        x = library.step(x0, t, x, generator=torch.Generator().manual_seed(seed)).prev_sample
        # the library computes 1 - abar_t / abar_(t - 1) in float32, of which neighbouring levels keep few digits
        assert torch.allclose(own, x, atol=1e-6 if steps < 100 else 1e-4)


def test_more_steps_than_noise_levels_are_refused(denoiser):
    with pytest.raises(JsddpmError, match="STEPS"):
        draw(denoiser, IDS[:1], steps=1001)


class Saying(nn.Module):
    """A network whose output is a function of its input."""

    def __init__(self, output):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.forward = output


def test_guidance_moves_from_null_to_condition():
    def told(x, timesteps, tokens):
        return torch.where(tokens == BINNING.null_token, 0.1, 0.3).view(-1, 1, 1, 1).expand_as(x)

    for weight, expected in ((0.0, 0.1), (1.0, 0.3), (2.0, 0.5)):
        x = draw(Saying(told), IDS[:2], sampler="ddim", steps=2, guidance=weight)
        assert torch.allclose(x, torch.tensor(expected), atol=1e-5)


@pytest.mark.parametrize("options", SETTINGS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_sample_that_is_not_finite_is_named(value, options):
    """One pixel of the first step is enough; infinity was clipped to white."""

    def broken(x, timesteps, tokens):
        output = x.clone()
        output[(tokens == 4) & (timesteps == len(alphas_cumprod(DIFFUSION)) - 1), 0, 3, 5] = value
        return output

    with pytest.raises(JsddpmError, match=r"\(bin 1 lesion number 0, bin 1 lesion number 1\)") as caught:
        draw(Saying(broken), IDS, **options)
    assert caught.value.status is ExitStatus.NON_FINITE


@pytest.mark.parametrize("options", SETTINGS)
@pytest.mark.parametrize("steps", [50, 2000])
def test_samplers_reach_a_known_slice_from_a_level_without_signal(options, steps):
    """2000 linear levels, the second of which has less signal than the library gives the last."""

    def known(x, timesteps, tokens):
        return torch.full_like(x, 0.3)

    diffusion = DiffusionConfig(prediction_type="sample", num_train_timesteps=2000, rescale_zero_snr=True)
    x = draw(Saying(known), IDS[:2], diffusion=diffusion, steps=steps, **options)
    assert torch.allclose(x, torch.tensor(0.3), atol=1e-3)


def test_factored_embedding_shares_what_a_lesion_is():
    embedding = load_embedding("factored")(BINNING, 4)
    tokens = torch.arange(7)
    vectors = embedding(tokens)
    lesion_minus_control = vectors[3:6] - vectors[:3]
    assert torch.allclose(lesion_minus_control, lesion_minus_control[:1].expand(3, -1), atol=1e-6)
    assert torch.equal(vectors[6], embedding.z_bin.weight[3] + embedding.pathology.weight[2])
    assert len(load_embedding("token")(BINNING, 4)(tokens).unique(dim=0)) == 7


def test_sinusoidal_embedding_knows_the_place_and_no_binning():
    torch.manual_seed(0)
    one, other = ZBinning((0, 69), 10, n_slices=70), ZBinning((0, 69), 70, n_slices=70)
    a, b = (load_embedding("sinusoidal")(binning, 32) for binning in (one, other))
    b.load_state_dict(a.state_dict())  # no weight depends on the bins
    fine = b(torch.tensor([other.token(one.representative(k), 1) for k in range(10)]))
    assert torch.equal(a(torch.arange(10, 20)), fine)
    steps = (b(torch.arange(69)) - b(torch.arange(1, 70))).norm(dim=1)
    assert steps.max() < 0.5 * (b(torch.tensor([0])) - b(torch.tensor([69]))).norm()
    assert torch.equal(a(torch.tensor([20]))[0], a.pathology.weight[2])


def test_self_conditioning_sees_the_last_estimate():
    torch.manual_seed(0)
    config = ModelConfig(channels=(8, 16), norm_num_groups=4, patch_size=2, self_conditioning=0.5)
    network = Denoiser(config, BINNING, (16, 12)).eval()
    x, t, tokens = torch.randn(2, 2, 16, 12), torch.tensor([5, 500]), torch.tensor([0, 6])
    without = network(x, t, tokens)
    assert torch.equal(without, network(x, t, tokens, torch.zeros_like(x)))
    assert not torch.allclose(without, network(x, t, tokens, x))
    seen, made = [], []

    def keep(_, args, options, output):
        seen.append((*args, options.get("x0_hat")))
        made.append(output)

    network.register_forward_hook(keep, with_kwargs=True)
    diffusion = DIFFUSION.model_copy(update={"prediction_type": "v_prediction"})
    result = draw(network, IDS[:2], diffusion=diffusion, sampler="ddim", steps=3)
    assert len(seen) == 3
    assert seen[0][-1] is None
    abar = alphas_cumprod(DIFFUSION)
    for (x_t, timesteps, *_), v, (*_, x0_hat) in zip(seen[:-1], made[:-1], seen[1:], strict=True):
        signal = abar[timesteps].view(-1, 1, 1, 1)
        expected = (signal.sqrt() * x_t - (1 - signal).sqrt() * v).clamp(-1, 1)  # Salimans & Ho 2022, appendix D
        assert torch.allclose(x0_hat, expected, atol=1e-5)
    assert result.shape == (2, 2, 16, 12)


def test_patches_change_the_size_of_the_network_not_of_the_slices():
    for patch in (1, 2, 4):
        network = Denoiser(ModelConfig(channels=(8, 16), norm_num_groups=4, patch_size=patch), BINNING, (16, 24))
        out = network(torch.randn(3, 2, 16, 24), torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]))
        assert out.shape == (3, 2, 16, 24)
        assert network.unet.config.in_channels == 2 * patch**2


@pytest.mark.parametrize(
    ("channels", "patch", "said"),
    [
        ((8, 16), 2, "by 4 .*another shape, or use fewer levels .model.channels., or set a smaller model.patch_size$"),
        ((8,), 2, "by 2 .*another shape, or set a smaller model.patch_size$"),
        ((8, 16), 1, "by 2 .*another shape, or use fewer levels .model.channels.$"),
    ],
)
def test_slices_that_cannot_be_divided_are_refused(channels, patch, said):
    """The cure names only what can be lowered."""
    with pytest.raises(JsddpmError, match=f"SIZE.*17x23.*{said}"):
        Denoiser(ModelConfig(channels=channels, norm_num_groups=4, patch_size=patch), BINNING, (17, 23))
