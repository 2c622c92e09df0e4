"""A generated store as NIfTI stacks and PNG pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jsddpm.binning import PATHOLOGY_NAMES
from jsddpm.cohort.nifti import write_nifti
from jsddpm.cohort.orientation import centred_affine, to_volume
from jsddpm.errors import usage_error
from jsddpm.exports.cases import cases_of
from jsddpm.files import atomic_open
from jsddpm.publish import published_directory
from jsddpm.slices.store import SliceStore


def write_stacks(store: SliceStore, out: str | Path) -> Path:
    """Write NIfTI stacks: of the store's volumes, or of the samples of each condition.

    A volume, ``volume_0000_image.nii.gz`` and ``..._mask.nii.gz``, is ``(columns, rows, bins)``, its slices at the
    middle of their bins; where bins differ by a slice, on the even grid nearest to these positions. Samples that are in
    no volume make one stack per condition, ``z-027_lesion_image.nii.gz`` and ``..._mask.nii.gz``.

    A stack is ``(columns, rows, samples)`` in RAS+: the axes and voxel sizes of the training volumes, x = 0 and y = 0
    in the middle of the slice (a store keeps no origin), the first sample at the bin's middle slice. The third axis
    counts samples and has no anatomical direction.

    Args:
        store: A generated store.
        out: New folder.

    Raises:
        JsddpmError: ``EXISTS``, ``KIND`` (status 2).
    """
    whole = store.kind == "generated" and bool((store.groups >= 0).all())
    volumes = cases_of(store, "volumes", prefix="volume") if whole else []
    with published_directory(out) as folder:
        for case in volumes:
            case.write_image(folder / f"{case.name}_image.nii.gz")
            case.write_mask(folder / f"{case.name}_mask.nii.gz")
        for name, z, rows in () if whole else _conditions(store):
            affine = centred_affine(store.size, store.spacing)
            affine[2, 3] = store.spacing[2] * z
            write_nifti(folder / f"{name}_image.nii.gz", to_volume(store.images(rows)), affine)
            write_nifti(folder / f"{name}_mask.nii.gz", to_volume(store.masks(rows).astype(np.uint8)), affine)
    return Path(out)


def write_pngs(store: SliceStore, out: str | Path) -> Path:
    """Write every sample as 8-bit PNGs, ``z-027_lesion_0003_image.png`` and ``..._mask.png`` (0 or 255).

    Args:
        store: A generated store.
        out: New folder.

    Raises:
        JsddpmError: ``EXISTS``, ``KIND`` (status 2).
    """
    with published_directory(out) as folder:
        for name, _, rows in _conditions(store):
            images = np.rint(store.images(rows) * 255).astype(np.uint8)
            masks = store.masks(rows).astype(np.uint8) * 255
            for number, image, mask in zip(store.index["sample"][rows], images, masks, strict=True):
                for kind, picture in (("image", image), ("mask", mask)):
                    with atomic_open(folder / f"{name}_{number:04d}_{kind}.png") as stream:
                        Image.fromarray(picture).save(stream, "PNG")
    return Path(out)


def _conditions(store: SliceStore) -> Iterator[tuple[str, int, NDArray[np.intp]]]:
    """Name, z_index and index rows (by sample number) of every condition of a generated store."""
    if store.kind != "generated":
        raise usage_error("KIND", "is not a generated store", fix="give a store of jsddpm sample", file=store.path)
    index = store.index
    for z, pathology in np.unique(np.stack([index["z_index"], index["pathology"]]), axis=1).T:
        rows = np.flatnonzero((index["z_index"] == z) & (index["pathology"] == pathology))
        rows = rows[np.argsort(index["sample"][rows])]
        yield f"z-{z:03d}_{PATHOLOGY_NAMES[pathology]}", int(z), rows
