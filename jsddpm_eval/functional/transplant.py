"""A lesion of one slice in another slice: carved out with its surroundings, or blended into them. NumPy and SciPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

_MARGIN = 2
"""Pixels around a lesion that are blended in with it."""


def carved(host: Image, host_mask: Mask, donor: Image, lesion: Mask, rng: np.random.Generator) -> tuple[Image, Mask]:
    """The donor's lesion pasted into the host with a random margin (CarveMix; Zhang and others 2021, 2108.06883).

    The region taken from the donor ends at a random signed distance to the outline of its lesion: with equal chances
    inside, by at most half of the lesion's depth, or outside, by at most that depth.

    Args:
        host: Image that receives, float32 ``(H, W)``.
        host_mask: Its lesion mask, boolean ``(H, W)``.
        donor: Image that gives, float32 ``(H, W)``.
        lesion: Its lesion mask, boolean ``(H, W)``, not empty.
        rng: Source of randomness.

    Returns:
        Image and lesion mask.

    >>> host, donor, lesion = np.zeros((9, 9), np.float32), np.ones((9, 9), np.float32), np.zeros((9, 9), bool)
    >>> lesion[3:6, 3:6] = True
    >>> image, mask = carved(host, np.zeros((9, 9), bool), donor, lesion, np.random.default_rng(0))
    >>> bool(image[4, 4]), bool(image[0, 0]), bool(mask[4, 4])
    (True, False, True)
    """
    distance = ndimage.distance_transform_edt(~lesion) - ndimage.distance_transform_edt(lesion)
    depth = float(-distance.min())
    margin = rng.uniform(0, depth) if rng.random() < 0.5 else rng.uniform(-depth / 2, 0)
    region = distance <= margin
    return np.where(region, donor, host).astype(np.float32), np.where(region, lesion, host_mask)


def blended(host: Image, host_mask: Mask, donor: Image, lesion: Mask) -> tuple[Image, Mask]:
    """The donor's lesion in the host with the host's brightness around it (Perez, Gangnet and Blake 2003).

    Inside the lesion and two pixels around it the image has the gradients of the donor, and at the edge of that region
    the values of the host: the solution of Poisson's equation. Intensities stay in [0, 1].

    Args:
        host: Image that receives, float32 ``(H, W)``.
        host_mask: Its lesion mask, boolean ``(H, W)``.
        donor: Image that gives, float32 ``(H, W)``.
        lesion: Its lesion mask, boolean ``(H, W)``.

    Returns:
        Image and lesion mask.

    >>> host = np.linspace(0, 1, 81, dtype=np.float32).reshape(9, 9)
    >>> lesion = np.zeros((9, 9), bool)
    >>> lesion[4, 4] = True
    >>> image, _ = blended(host, lesion, host - 0.5, lesion)  # the same gradients
    >>> bool(np.allclose(image, host, atol=1e-6))
    True
    """
    region = ndimage.binary_dilation(lesion, iterations=_MARGIN)
    region[[0, -1], :] = region[:, [0, -1]] = False  # the edge of the picture has no neighbours to fit
    inside = np.argwhere(region)
    number = np.full(region.shape, -1)
    number[region] = np.arange(len(inside))
    known = np.zeros(len(inside))
    rows, columns = [np.arange(len(inside))], [np.arange(len(inside))]
    weights = [np.full(len(inside), 4.0)]
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        here, there = tuple(inside.T), tuple((inside + step).T)
        known += donor[here].astype(np.float64) - donor[there]
        neighbour = number[there]
        known += np.where(neighbour < 0, host[there], 0.0)
        within = np.flatnonzero(neighbour >= 0)
        rows.append(within)
        columns.append(neighbour[within])
        weights.append(np.full(len(within), -1.0))
    image = host.astype(np.float64)
    if len(inside):
        laplacian = sparse.csr_matrix(
            (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(len(inside),) * 2
        )
        image[region] = spsolve(laplacian, known)
    return np.clip(image, 0, 1).astype(np.float32), (host_mask & ~region) | (lesion & region)
