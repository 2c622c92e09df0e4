"""What a slice looks like, on pictures of known answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from jsddpm_eval.functional import appearance
from jsddpm_eval.functional.appearance import (
    DETAIL,
    INTENSITY,
    OUTLINE,
    TEXTURE,
    detail,
    head,
    intensity,
    outline,
    texture,
)

PLACE = np.mgrid[:48, :40]


def disc(value=0.6, centre=(24, 20), radii=(15, 12)):
    inside = ((PLACE[0] - centre[0]) / radii[0]) ** 2 + ((PLACE[1] - centre[1]) / radii[1]) ** 2 <= 1
    return np.where(inside, value, 0).astype(np.float32)


def grainy(count=6, seed=0):
    rng = np.random.default_rng(seed)
    tissue = ndimage.gaussian_filter(rng.standard_normal((count, 48, 40)), (0, 1, 1))
    soft = ndimage.gaussian_filter(disc(radii=(21, 17)), 1.5)
    return np.clip(soft[None] * (1 + 0.3 * tissue), 0, 1).astype(np.float32)


def column(values, names, name):
    return values[:, names.index(name)]


def test_every_function_gives_a_finite_row_for_every_slice():
    slices = np.concatenate([grainy(2), np.zeros((1, 48, 40), np.float32), np.ones((1, 48, 40), np.float32)])
    for function, names in ((detail, DETAIL), (texture, TEXTURE), (intensity, INTENSITY), (outline, OUTLINE)):
        assert function(slices).shape == (4, len(names))
        assert np.isfinite(function(slices)).all()
        assert function(slices[:0]).shape == (0, len(names))
        assert function(slices).dtype == np.float64


def test_blur_lowers_every_band_by_what_its_transfer_function_says():
    """White noise blurred in the frequency domain: log power of a band falls by its mean attenuation."""
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((400, 32, 32))
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(32), np.fft.fftfreq(32), indexing="ij"))
    transfer = np.exp(-2 * (np.pi * 0.7 * radius) ** 2)
    blurred = np.fft.ifft2(np.fft.fft2(noise) * transfer).real
    change = (detail(blurred.astype(np.float32)) - detail(noise.astype(np.float32)))[:, :4].mean(0)
    edges = (0.12, 0.2, 0.3, 0.4, 0.5, 0.71)
    power = [np.log((transfer[(radius >= a) & (radius < b)] ** 2).mean()) for a, b in itertools.pairwise(edges)]
    assert change == pytest.approx(np.diff(power), abs=0.03)


def test_gain_leaves_detail_and_texture_as_they_are():
    images = grainy() * 0.5
    for function, count in ((detail, 4), (texture, 6)):
        assert function(2 * images)[:, :count] == pytest.approx(function(images)[:, :count], abs=1e-4)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (np.sin(2 * np.pi * PLACE[0] / 4), "axis_mid"),
        (np.sin(2 * np.pi * (PLACE[0] + 0.6 * PLACE[1]) / 4.3), "peak"),
        ((-1.0) ** (PLACE[0] + PLACE[1]), "nyquist"),
        (np.kron(np.random.default_rng(5).standard_normal((6, 5)), np.ones((8, 8))), "blocks"),
    ],
)
def test_each_pattern_raises_its_own_number_most(pattern, name):
    clean, inside = grainy(40), disc(radii=(22, 18)) > 0
    marked = np.clip(clean + 0.03 * pattern * inside, 0, 1).astype(np.float32)
    before, after = texture(clean), texture(marked)
    change = (after - before).mean(0) / before.std(0)
    assert change[TEXTURE.index(name)] > 1
    assert change[TEXTURE.index(name)] == change.max()


def test_blur_raises_no_sign_of_a_pattern():
    images = grainy(40)
    blurred = ndimage.gaussian_filter(images, (0, 0.7, 0.7))
    change = (texture(blurred) - texture(images)).mean(0) / texture(images).std(0)
    assert change[TEXTURE.index("peak")] < 0.5  # the margin of the check


def test_brightness_of_a_flat_head_is_its_value():
    values = intensity(np.stack([disc(0.6), disc(0.3)]))
    assert column(values, INTENSITY, "q50") == pytest.approx([0.6, 0.3])
    assert column(values, INTENSITY, "top") == pytest.approx([0.6, 0.3])


def test_a_slope_is_read_along_its_axis_alone():
    slope = disc() * (1 + 0.02 * (PLACE[0] - 24)).astype(np.float32)
    values = intensity(np.stack([slope, slope[::-1]]))
    assert column(values, INTENSITY, "front_back")[0] > 0.05
    assert column(values, INTENSITY, "front_back")[1] < -0.05
    assert column(values, INTENSITY, "left_right") == pytest.approx([0, 0], abs=0.01)


def test_size_and_place_of_an_ellipse():
    """Standard deviation of a full ellipse along an axis is half its radius; smoothing adds half a pixel."""
    values = outline(disc(centre=(26, 17))[None])
    assert column(values, OUTLINE, "row")[0] * 48 == pytest.approx(26, abs=0.3)
    assert column(values, OUTLINE, "column")[0] * 40 == pytest.approx(17, abs=0.3)
    assert column(values, OUTLINE, "height")[0] * 48 == pytest.approx(7.5, abs=0.5)
    assert column(values, OUTLINE, "width")[0] * 40 == pytest.approx(6, abs=0.5)
    assert column(values, OUTLINE, "area")[0] == pytest.approx((np.pi * 15.5 * 12.5 / (48 * 40)) ** 0.5, abs=0.02)


def test_aspect_of_an_ellipse_does_not_depend_on_its_size():
    """The deviations of a full ellipse have the ratio of its axes; smoothing adds half a pixel to each."""
    wide, long = (((PLACE[0] - 24) / a) ** 2 + ((PLACE[1] - 20) / b) ** 2 < 1 for a, b in ((9.5, 15.5), (19.5, 15.5)))
    values = column(outline(np.stack([wide, long]).astype(np.float32)), OUTLINE, "aspect")
    assert values == pytest.approx(np.log([10 / 16, 20 / 16]), abs=0.02)
    assert column(outline(np.zeros((1, 48, 40), np.float32)), OUTLINE, "aspect")[0] == 0


@pytest.mark.parametrize("degrees", [-30, 0, 6])
def test_tilt_of_a_rotated_ellipse(degrees):
    """Variances a^2 / 4 and b^2 / 4 along the axes of a full ellipse give the covariance of its rows and columns."""
    a, b, angle = 15.5, 10.5, np.radians(degrees)
    y, x = PLACE[0] - 24, PLACE[1] - 20
    along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
    rotated = ((along / (a - 0.5)) ** 2 + (across / (b - 0.5)) ** 2 < 1).astype(np.float32)  # smoothing adds the rest
    sine, cosine = np.sin(angle), np.cos(angle)
    rows, columns = (a * cosine) ** 2 + (b * sine) ** 2, (a * sine) ** 2 + (b * cosine) ** 2
    expected = (a**2 - b**2) * sine * cosine / (rows * columns) ** 0.5
    assert column(outline(rotated[None]), OUTLINE, "tilt")[0] == pytest.approx(expected, abs=0.01)


def test_noise_outside_the_head_is_no_head():
    noisy = np.clip(disc() + 0.03 * np.random.default_rng(2).standard_normal((48, 40)), 0, 1).astype(np.float32)
    clean = head(disc()[None])
    assert (head(noisy[None]) ^ clean).sum() <= 0.03 * clean.sum()


def test_masked_quantiles_are_numpys():
    values, inside = np.random.default_rng(3).random((4, 9, 9)).astype(np.float32), np.zeros((4, 9, 9), bool)
    inside[:, 2:7, 1:8] = True
    inside[3] = False
    (by_order,) = appearance._quantiles(values, inside, (0.5,))
    assert by_order[:3] == pytest.approx([np.quantile(v[i], 0.5) for v, i in zip(values[:3], inside[:3], strict=True)])
    assert by_order[3] == 0
