"""A page on which a volume and its mask are looked through, in three planes; it works offline."""

from __future__ import annotations

import re
import warnings
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from jsddpm.cohort.masks import MaskReading, binary_mask, check_same_grid
from jsddpm.cohort.nifti import Volume
from jsddpm.errors import require_package

_OUTSIDE = re.compile(r"<link[^>]*https?://[^>]*>")


def volume_page(image: Volume, mask: Volume | None = None, *, title: str = "") -> str:
    """HTML of nilearn's viewer: three planes that follow the pointer, and the mask over them at a chosen opacity.

    Args:
        image: The volume, shown from its smallest to its largest value.
        mask: Its mask on the same grid; values above 0 are lesion.
        title: A line above the planes.

    Raises:
        JsddpmError: ``MISSING_PACKAGE`` (status 5) without nilearn; ``MASK_SHAPE`` or ``MASK_AFFINE`` (status 3) for a
            mask on another grid.
    """
    require_package("nilearn", extra="phantom", why="the viewer")
    from nilearn.plotting import view_img

    lesion = np.zeros(image.data.shape, np.float32)
    if mask is not None:
        check_same_grid(image, mask)
        lesion[binary_mask(mask, MaskReading(threshold=0.0))] = 1
    places = np.argwhere(lesion) if lesion.any() else np.array(lesion.shape)[None] / 2
    centre = image.affine[:3] @ [*places.mean(0), 1.0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given float value must not exceed")  # said of an empty mask
        page = view_img(
            _as_nibabel(lesion, image), bg_img=_as_nibabel(image.data, image), threshold=0.5, vmin=0, vmax=1,
            opacity=0.5, cmap="autumn", symmetric_cmap=False, colorbar=False, black_bg=True, show_lr=True,
            resampling_interpolation="nearest", cut_coords=tuple(centre.tolist()), title=title or None,
        )  # fmt: skip
    return _OUTSIDE.sub("", page.get_standalone())  # the icon in the browser's tab would be fetched


def _as_nibabel(data: NDArray[np.float32], volume: Volume) -> Any:
    return nib.Nifti1Image(data, volume.affine)
