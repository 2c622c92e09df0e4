"""What the grid of a store leaves out of a head and its lesion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from jsddpm.cohort.nifti import Volume
from jsddpm.errors import JsddpmError
from jsddpm.wording import enumerated

_CUT = 0.1  # of the largest plane of the head along an axis: a head that the grid ends in has more on its last plane
_LOST = 0.1  # of a lesion
_SIDES = ("left", "right", "back", "front", "bottom", "top")
_OFTEN_CUT = "bottom"  # every head continues into a neck


def outside_grid(lesion: NDArray[np.bool_], image: Volume, shape: tuple[int, ...], place: NDArray[np.float64]) -> float:
    """Lesion volume outside of a grid, in mm^3.

    Args:
        lesion: Lesion voxels of the image, ``(X, Y, Z)``.
        image: The image.
        shape: Voxels of the grid.
        place: Affine of the grid, float64 ``(4, 4)``: voxel to world in mm.
    """
    places = apply_affine(np.linalg.inv(place) @ image.affine, np.argwhere(lesion))
    beyond = ((places < -0.5) | (places > np.array(shape) - 0.5)).any(axis=1)
    return float(beyond.sum() * abs(np.linalg.det(image.affine[:3, :3])))


def require_lesion(before: float, after: float, outside: float, path: Path) -> None:
    """Refuse a lesion of which the grid has no voxel: its slices would count as those of a control.

    Args:
        before: Lesion volume in the mask, in mm^3.
        after: Lesion volume on the grid.
        outside: The part of ``before`` that lies outside of the grid.
        path: The image.

    Raises:
        JsddpmError: ``LESION_LOST`` (status 3).
    """
    if not before or after:
        return
    what, cure = f"its lesion of {before:.0f} mm3 falls between the voxels of the grid", "give a finer --spacing"
    if 2 * outside > before:
        what = f"its lesion of {before:.0f} mm3 lies outside of the grid, which is centred in the volume"
        cure = "give a larger --shape, or crop the volume about the head"
    raise JsddpmError("LESION_LOST", what, fix=cure, file=path)


def lost_lesion_notes(before: float, after: float, voxel: float) -> tuple[str, ...]:
    """A note on a lesion of which the grid has lost a tenth, and more than chance takes from scattered voxels.

    A lesion of n voxels of the grid that was resampled has n on average; if all its voxels lie apart, the standard
    deviation is at most the root of n, of which three are chance.

    Args:
        before: Lesion volume in the mask, in mm^3.
        after: Lesion volume on the grid, above 0.
        voxel: Volume of a voxel of the grid.

    >>> lost_lesion_notes(7872, 1408, 64)
    ('the grid has 1408 of 7872 mm3 of its lesion: give a larger --shape, or a coarser --spacing',)
    >>> lost_lesion_notes(7872, 7300, 64), lost_lesion_notes(512, 320, 64)
    ((), ())
    """
    lost = before - after
    if not after or lost <= max(_LOST * before, 3 * (before * voxel) ** 0.5):
        return ()
    return (
        f"the grid has {after:.0f} of {before:.0f} mm3 of its lesion: give a larger --shape, or a coarser --spacing",
    )


def cut_notes(brain: NDArray[np.bool_], image: Volume, place: NDArray[np.float64]) -> tuple[str, ...]:
    """A note on the sides at which the grid cuts off a head that continues in its volume; below, every head does.

    Args:
        brain: The brain region on the grid, given or estimated, ``(X, Y, Z)``.
        image: The volume before it was cropped.
        place: Affine of the grid, float64 ``(4, 4)``: voxel to world in mm.
    """
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in image.data.shape], indexing="ij")).reshape(3, -1).T
    corners = apply_affine(np.linalg.inv(place) @ image.affine, ends)
    cut = []
    for axis in range(3):
        areas = brain.sum(axis=tuple(a for a in range(3) if a != axis))
        continues = corners[:, axis].min() <= -1, corners[:, axis].max() >= len(areas)
        for side, plane, more in zip(_SIDES[2 * axis : 2 * axis + 2], (0, -1), continues, strict=True):
            if more and areas[plane] > _CUT * areas.max() and side != _OFTEN_CUT:
                cut.append(side)
    return (f"the grid cuts off the head at the {enumerated(cut)}: give a larger --shape",) if cut else ()
