"""Shapes in closed form, distances and contrasts against references and loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import rbf_kernel

from jsddpm_eval.functional.morphology import SHAPE, column_distance, contrasts, has_ring, lesion_shapes, rbf_distance


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


def test_only_masks_with_pixels_inside_and_around_have_a_contrast():
    """A mask that fills the slice has an empty ring: 0 / 0, and one NaN made every contrast NaN."""
    masks = torch.cat([blocks((4, 6, 3, 8)), blocks(), blocks((0, 0, 24, 30)), blocks((0, 0, 24, 29))])
    assert has_ring(masks).tolist() == [True, False, False, True]
    images = torch.rand((4, 24, 30), generator=torch.Generator().manual_seed(0))
    assert contrasts(images, masks[has_ring(masks)]).isfinite().all()
    assert has_ring(masks[:0]).tolist() == []
