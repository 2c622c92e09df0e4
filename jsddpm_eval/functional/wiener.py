"""The Wiener filter of slices: denoising with the mean and the spectrum of other patients' slices.

Slices of one bin are taken as a stationary Gaussian field around their mean image (Wiener 1949). The posterior mean of
a slice ``x`` given ``y = x + sigma n`` is then ``mean + F^-1[S / (S + sigma^2) F(y - mean)]``, with the orthonormal
Fourier transform ``F`` and the power spectrum ``S`` of the deviations. A fit rests on sums over slices, so that leaving
a patient out costs a subtraction.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over slices.

    Attributes:
        count: Slices of each bin, float64 ``(K,)``.
        total: Sum of the slices of each bin, float64 ``(K, C, H, W)``.
        power: Sum of the squared Fourier coefficients of all slices, float64 ``(C, H, W)``.
    """

    count: Tensor
    total: Tensor
    power: Tensor

    @classmethod
    def of(cls, x: Tensor, z_bin: Tensor, bins: int) -> Moments:
        """Sums over slices ``(n, C, H, W)`` of bins below ``bins``, int64 ``(n,)``."""
        x = x.double()
        count = torch.bincount(z_bin, minlength=bins).double()
        total = torch.zeros((bins, *x.shape[1:]), dtype=torch.float64).index_add_(0, z_bin, x)
        return cls(count, total, _power(x).sum(0))

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.power + other.power)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.count - other.count, self.total - other.total, self.power - other.power)

    def filter(self) -> WienerFilter:
        """The filter fitted to these slices; a bin without slices has the mean of all of them.

        The spectrum is the mean squared deviation from the bin's mean, with one slice of each bin less as divisor.
        """
        there = self.count > 0
        counts = self.count.clamp(min=1).view(-1, 1, 1, 1)
        overall = self.total.sum(0) / self.count.sum().clamp(min=1)
        mean = torch.where(there.view(-1, 1, 1, 1), self.total / counts, overall)
        of_means = (self.count.view(-1, 1, 1, 1) * _power(mean)).sum(0)
        divisor = (self.count.sum() - there.sum()).clamp(min=1)
        return WienerFilter(mean, ((self.power - of_means) / divisor).clamp(min=0))


@dataclass(frozen=True, eq=False)
class WienerFilter:
    """A fitted filter.

    Attributes:
        mean: Mean slice of each bin, float64 ``(K, C, H, W)``.
        spectrum: Power of the deviations, float64 ``(C, H, W)``.
    """

    mean: Tensor
    spectrum: Tensor

    def __call__(self, noisy: Tensor, z_bin: Tensor, sigma: float) -> Tensor:
        """The posterior mean of slices.

        Args:
            noisy: Slices with white noise added, ``(n, C, H, W)``.
            z_bin: Their bins, int64 ``(n,)``.
            sigma: Standard deviation of the noise, above 0.

        Returns:
            float64 ``(n, C, H, W)``.

        >>> bins = torch.zeros(3, dtype=torch.int64)
        >>> fitted = Moments.of(torch.ones(3, 1, 4, 4), bins, 1).filter()
        >>> restored = fitted(torch.zeros(3, 1, 4, 4), bins, 1.0)
        >>> bool((restored == 1).all())  # slices that never deviate are their mean, whatever was seen
        True
        """
        mean = self.mean[z_bin]
        gain = self.spectrum / (self.spectrum + sigma**2)
        spectrum = torch.fft.fft2(noisy.double() - mean, norm="ortho") * gain
        restored: Tensor = mean + torch.fft.ifft2(spectrum, norm="ortho").real
        return restored


def _power(x: Tensor) -> Tensor:
    transformed = torch.fft.fft2(x, norm="ortho")
    power: Tensor = transformed.real.square() + transformed.imag.square()
    return power
