"""Shapes in closed form, distances and contrasts against references and loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import rbf_kernel

from jsddpm_eval.functional.masks import hausdorff95
from jsddpm_eval.functional.morphology import SHAPE, column_distance, contrasts, lesion_shapes, rbf_distance
from jsddpm_eval.functional.reconstruction import ms_ssim, psnr, ssim


def blocks(*boxes, size=(24, 30)):
    mask = torch.zeros((1, *size), dtype=torch.bool)
    for top, left, height, width in boxes:
        mask[0, top : top + height, left : left + width] = True
    return mask


def shape_of(mask, spacing=(2.0, 1.5)):
    return dict(zip(SHAPE, lesion_shapes(mask, spacing)[0].tolist(), strict=True))


def test_shapes_of_rectangles():
    found = shape_of(blocks((4, 6, 3, 8)))
    assert found["area"] == pytest.approx(3 * 8 * 2 * 1.5)
    assert (found["count"], found["solidity"]) == (1, pytest.approx(1))
    a, b = ((3 * 2) ** 2, (8 * 1.5) ** 2)
    assert found["eccentricity"] == pytest.approx(np.sqrt(1 - a / b), abs=0.05)  # of the pixels' second moments
    assert (found["row"], found["column"]) == pytest.approx(((5 - 11.5) * 2, (9.5 - 14.5) * 1.5))
    two = shape_of(blocks((4, 6, 3, 8), (15, 20, 2, 2)))
    assert (two["count"], two["area"]) == (2, pytest.approx(28 * 3))
    with pytest.raises(ValueError, match="no shape"):
        lesion_shapes(blocks(), (1.0, 1.0))


def test_distances_of_shapes_agree_with_references():
    rng = np.random.default_rng(0)
    x, y = (torch.from_numpy(rng.standard_normal((n, 3))) for n in (11, 7))
    assert column_distance(x, y, 1) == pytest.approx(stats.wasserstein_distance(x[:, 1], y[:, 1]))
    assert column_distance(x, x + 2.5, 0) == pytest.approx(2.5)
    both = np.concatenate([x, y])
    width = float(
        torch.tensor(cdist(both, both, "sqeuclidean")[np.triu_indices(18, 1)]).median()
    )  # torch's lower median
    k = rbf_kernel(both, gamma=1 / width)
    xx, yy = (m[~np.eye(len(m), dtype=bool)].mean() for m in (k[:11, :11], k[11:, 11:]))
    assert rbf_distance(x, y) == pytest.approx(xx + yy - 2 * k[:11, 11:].mean(), abs=1e-12)


def test_contrast_is_inside_less_ring():
    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.random((3, 24, 30)))
    masks = torch.cat([blocks((4, 6, 3, 8)), blocks((0, 0, 2, 2)), blocks((15, 20, 2, 2), (4, 4, 1, 1))])
    found = contrasts(images, masks)
    for j, mask in enumerate(masks.numpy()):
        ring = ndimage.binary_dilation(mask, np.ones((7, 7))) & ~mask
        for i, image in enumerate(images.numpy()):
            assert float(found[i, j]) == pytest.approx(image[mask].mean() - image[ring].mean(), abs=1e-6)


def test_hausdorff95_is_the_percentile_of_surface_distances():
    rng = np.random.default_rng(2)
    a, b = (ndimage.gaussian_filter(rng.standard_normal((20, 26)), 2) > 0.1 for _ in range(2))
    spacing = (2.0, 1.5)
    surfaces = [np.argwhere(m & ~ndimage.binary_erosion(m)) * spacing for m in (a, b)]
    between = cdist(*surfaces)
    expected = max(np.percentile(between.min(1), 95), np.percentile(between.min(0), 95))
    found = hausdorff95(*(torch.from_numpy(m)[None] for m in (a, b)), spacing)
    assert float(found) == pytest.approx(expected)
    assert float(hausdorff95(torch.from_numpy(a)[None], torch.from_numpy(a)[None], spacing)) == 0
    assert torch.isnan(hausdorff95(torch.from_numpy(a)[None], torch.zeros((1, 20, 26), dtype=torch.bool), spacing))


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
    a = torch.rand(1, 176, 180, generator=torch.Generator().manual_seed(0))
    assert float(ms_ssim(a, a, data_range=1.0)) == pytest.approx(1)
    assert 0 < float(ms_ssim(a, (a + 0.1).clamp(0, 1), data_range=1.0)) < 1
    with pytest.raises(ValueError, match="more than 160"):
        ms_ssim(a[:, :160], a[:, :160], data_range=1.0)
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(a[:, :10], a[:, :10], data_range=1.0)
