"""A transplanted lesion is the donor's, its surroundings are the host's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from jsddpm_eval.functional.transplant import blended, carved

SIZE = (24, 20)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    host, donor = (ndimage.gaussian_filter(rng.random(SIZE), 2).astype(np.float32) for _ in range(2))
    lesion = np.zeros(SIZE, bool)
    lesion[9:15, 8:12] = True
    return host, donor, lesion


def test_a_carved_lesion_takes_the_donors_pixels_and_leaves_the_hosts(pair):
    host, donor, lesion = pair
    own = np.zeros(SIZE, bool)
    own[2:4, 2:4] = True
    wider = 0
    for seed in range(40):
        image, mask = carved(host, own, donor, lesion, np.random.default_rng(seed))
        taken = image == donor
        assert np.array_equal(image[~taken], host[~taken])
        assert mask[11, 10]  # the middle always comes along
        assert not (mask & ~lesion & ~own).any()
        assert np.array_equal(mask[2:4, 2:4], own[2:4, 2:4])
        distance = ndimage.distance_transform_edt(~lesion)
        assert distance[taken].max() <= 2.0  # the lesion is four pixels wide: its depth is two
        wider += bool((taken & ~lesion).any())
    assert 8 <= wider <= 32  # about half of the margins lie outside


def test_a_blended_lesion_has_the_donors_gradients_and_the_hosts_edge(pair):
    host, donor, lesion = pair
    host, donor = 0.3 + 0.4 * host, 0.3 + 0.4 * donor  # far from 0 and 1, so that nothing is clipped
    image, mask = blended(host, np.zeros(SIZE, bool), donor, lesion)
    changed = image != host
    assert np.array_equal(mask, lesion)
    assert changed[lesion].all()
    assert not changed[[0, -1]].any()
    inside = ndimage.binary_erosion(changed)
    laplacian = [ndimage.laplace(x.astype(np.float64)) for x in (image, donor)]
    assert np.allclose(laplacian[0][inside], laplacian[1][inside], atol=1e-5)


def test_a_lesion_at_the_edge_of_the_picture_is_blended_too(pair):
    host, donor, _ = pair
    corner = np.zeros(SIZE, bool)
    corner[:3, :3] = True
    image, mask = blended(host, np.zeros(SIZE, bool), donor, corner)
    assert np.array_equal(image[[0, -1]], host[[0, -1]])
    assert mask[1, 1]
    assert not mask[0].any()
