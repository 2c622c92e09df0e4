"""The Wiener filter against the posterior mean of a Gaussian, solved as a linear system; leaving out is refitting."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm_eval.functional.wiener import Moments, WienerFilter

SHAPE = (2, 6, 5)


def slices(count, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal((count, *SHAPE))), torch.from_numpy(rng.integers(0, 3, count))


def test_it_is_the_posterior_mean_of_a_stationary_gaussian():
    """Each channel's covariance is circulant: F^H diag(S) F with the orthonormal Fourier matrix of a slice."""
    rng, sigma = np.random.default_rng(1), 0.7
    even = np.abs(np.fft.fft2(rng.standard_normal(SHAPE))) ** 2  # of a real field, hence symmetric
    mean = rng.standard_normal((1, *SHAPE))
    noisy = rng.standard_normal((1, *SHAPE))
    fitted = WienerFilter(torch.from_numpy(mean), torch.from_numpy(even))
    got = fitted(torch.from_numpy(noisy), torch.tensor([0]), sigma)[0].numpy()
    fourier = np.kron(np.fft.fft(np.eye(6), norm="ortho"), np.fft.fft(np.eye(5), norm="ortho"))
    for channel in range(2):
        covariance = (fourier.conj().T @ np.diag(even[channel].ravel()) @ fourier).real
        deviation = (noisy - mean)[0, channel].ravel()
        wanted = mean[0, channel].ravel() + covariance @ np.linalg.solve(covariance + sigma**2 * np.eye(30), deviation)
        np.testing.assert_allclose(got[channel].ravel(), wanted, atol=1e-10)


def test_the_spectrum_of_white_noise_is_flat_and_its_variance():
    x, _ = slices(4000)
    fitted = Moments.of(3 * x, torch.zeros(len(x), dtype=torch.int64), 1).filter()
    assert float(fitted.spectrum.mean()) == pytest.approx(9, rel=0.01)
    assert float(fitted.spectrum.std() / fitted.spectrum.mean()) < 3 * np.sqrt(2 / len(x))


def test_leaving_slices_out_is_fitting_without_them():
    (x, bins), (more, others) = slices(20), slices(7, seed=2)
    both = Moments.of(torch.cat([x, more]), torch.cat([bins, others]), 3)
    left, fitted = (both - Moments.of(more, others, 3)).filter(), Moments.of(x, bins, 3).filter()
    torch.testing.assert_close(left.mean, fitted.mean)
    torch.testing.assert_close(left.spectrum, fitted.spectrum)


@pytest.mark.parametrize("count", [0, 1])
def test_with_hardly_a_slice_it_is_the_mean(count):
    x, bins = slices(count)
    fitted = Moments.of(x, bins, 3).filter()
    restored = fitted(torch.ones(3, *SHAPE), torch.arange(3), 1.0)
    wanted = x.sum(0).expand(3, *SHAPE)  # a bin without slices has the mean of all
    torch.testing.assert_close(restored, wanted)
