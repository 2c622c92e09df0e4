"""PSNR, SSIM and MS-SSIM against other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from draws import unit
from jsddpm_eval.functional.reconstruction import ms_ssim, ms_ssim_fits, psnr, ssim


def test_psnr_and_ssim_agree_with_scikit_image():
    a, b = unit(3, 20, 26), (unit(3, 20, 26) + 0.1 * unit(3, 20, 26, seed=1)).clamp(0, 1)
    for i in range(3):
        expected = peak_signal_noise_ratio(b[i].numpy(), a[i].numpy(), data_range=1)
        assert float(psnr(a, b, data_range=1.0)[i]) == pytest.approx(expected, abs=1e-5)
        expected = structural_similarity(
            a[i].double().numpy(), b[i].double().numpy(), data_range=1, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )  # fmt: skip
        assert float(ssim(a, b, data_range=1.0)[i]) == pytest.approx(expected, abs=1e-6)


def test_psnr_of_an_exact_match_is_infinite_and_shapes_must_agree():
    assert psnr(unit(2, 4), unit(2, 4), data_range=1.0).tolist() == [float("inf")] * 2
    with pytest.raises(ValueError, match="differ in shape"):
        psnr(unit(2, 4), unit(1, 4), data_range=1.0)


def test_scores_inside_a_mask():
    a, b = torch.rand(2, 2, 20, 24, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros_like(a, dtype=torch.bool)
    mask[0, 8:12, 8:12] = True
    assert float(psnr(a, b, data_range=1.0, mask=mask)[0]) == pytest.approx(
        float(psnr(a[:1, 8:12, 8:12], b[:1, 8:12, 8:12], data_range=1.0))
    )
    whole = torch.ones_like(mask)
    assert torch.allclose(ssim(a, b, data_range=1.0, mask=whole), ssim(a, b, data_range=1.0))
    assert torch.isnan(psnr(a, b, data_range=1.0, mask=mask)[1])
    assert torch.isnan(ssim(a, b, data_range=1.0, mask=mask)[1])


def test_ms_ssim_of_equals_is_one_and_small_slices_are_refused():
    a = unit(1, 176, 180)
    assert float(ms_ssim(a, a, data_range=1.0)) == pytest.approx(1)
    assert 0 < float(ms_ssim(a, (a + 0.1).clamp(0, 1), data_range=1.0)) < 1
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(a[:, :10], a[:, :10], data_range=1.0)


@pytest.mark.parametrize("side", [160, 161, 168, 175])
def test_slices_that_the_library_cannot_halve_four_times_have_no_ms_ssim(side):
    """Its own refusal is the reference: the sides that a rule of "more than 160" let through crashed."""
    a = unit(1, side, 180)
    assert not ms_ssim_fits((side, 180))
    with pytest.raises(ValueError, match="below 176"):
        ms_ssim(a, a, data_range=1.0)
    with pytest.raises(ValueError, match="image height must be larger"):
        multiscale_structural_similarity_index_measure(a[:, None], a[:, None], data_range=1.0)


def per_scale(a, b):
    """Luminance and contrast-structure of one scale (Wang et al. 2003), by correlation with a Gaussian window of 11."""
    kernel = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    mean_a, mean_b, aa, bb, ab = (fftconvolve(x, kernel, mode="valid") for x in (a, b, a * a, b * b, a * b))
    structure = (2 * (ab - mean_a * mean_b) + 0.03**2) / (aa - mean_a**2 + bb - mean_b**2 + 0.03**2)
    luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    return (luminance * structure).mean(), structure.mean()


def test_ms_ssim_is_the_paper_s_product_over_five_scales():
    smooth = gaussian_filter(unit(200, 190).double().numpy(), 3)
    a, b = (smooth + 0.05 * unit(200, 190, seed=s).double().numpy() for s in (1, 2))
    expected, x, y = 1.0, a, b
    for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
        whole, structure = per_scale(x, y)
        expected *= (whole if weight == 0.1333 else structure) ** weight
        x, y = (z[: len(z) // 2 * 2, : z.shape[1] // 2 * 2].reshape(len(z) // 2, 2, -1, 2).mean((1, 3)) for z in (x, y))
    images = (torch.from_numpy(z)[None].float() for z in (a, b))
    assert float(ms_ssim(*images, data_range=1.0)) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("size", [(176, 176), (177, 190)])
def test_ms_ssim_agrees_with_torchmetrics(size):
    a, b = unit(3, *size), (unit(3, *size) + 0.3 * unit(3, *size, seed=1)).clamp(0, 1)
    expected = [
        float(multiscale_structural_similarity_index_measure(x[None, None], y[None, None], data_range=1.0))
        for x, y in zip(a, b, strict=True)
    ]
    assert ms_ssim(a, b, data_range=1.0).tolist() == pytest.approx(expected, abs=1e-6)


def test_a_mask_of_another_shape_or_of_weights_is_refused():
    """One of 255 gave every pixel that weight, and one of a slice was taken for those of the batch."""
    a = unit(3, 12, 12)
    for wrong in (
        torch.ones((12, 12), dtype=torch.bool),
        torch.ones((1, 12, 12), dtype=torch.bool),
        torch.ones_like(a),
    ):
        for score in (psnr, ssim):
            with pytest.raises(ValueError, match="the mask is"):
                score(a, a, data_range=1.0, mask=wrong)


def test_ssim_stays_on_the_device_of_its_slices():
    a = torch.rand((2, 16, 16), device="meta")
    assert ssim(a, a, data_range=1.0).device.type == "meta"
