"""Synthetic data of known content; shapes are unequal on purpose, so a swapped axis fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from jsddpm.binning import ZBinning
from jsddpm.cohort.nifti import write_nifti
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm_eval.real_slices import Slices

N_SLICES = 40
SIZE = (32, 24)
BINNING = ZBinning((5, 34), 5, n_slices=N_SLICES)
"""The bins of conftest.TINY."""


def synthetic_slices(rng, n_slices=N_SLICES, size=SIZE, lesion=range(0)):
    """A bright ellipse that grows with z, and a brighter square lesion on the slices named."""
    rows, columns = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]), indexing="ij")
    radius = 0.3 + 0.6 * np.arange(n_slices) / n_slices
    inside = (rows**2 + columns**2)[None] < radius[:, None, None] ** 2
    image = np.where(inside, 0.6, 0.0) + 0.05 * rng.random((n_slices, *size))
    mask = np.zeros(image.shape, bool)
    row, column = size[0] // 2 + rng.integers(-3, 4), size[1] // 2 + rng.integers(-3, 4)
    for z in lesion:
        mask[z, row : row + 4, column : column + 3] = True
    image[mask] = 0.9
    return image.astype(np.float32), mask, inside


def write_store(path: Path, *, patients: int = 6, held_out: int = 2, validation: int = 1, seed: int = 0) -> SliceStore:
    """A real store: patients 0, 2, 4 have a lesion on half of their slices; 4 and 5 are val and test.

    With more held-out patients the last ones are held out, the first of them (``validation``) val, the others test.
    """
    splits = [0] * (patients - held_out) + [1] * validation + [2] * (held_out - validation)
    with new_store(path, kind="real", n_slices=N_SLICES, spacing=(3.0, 2.0, 1.5)) as writer:
        for p in range(patients):
            rng = np.random.default_rng([seed, p])
            lesion = range(p % 4, N_SLICES, 2) if p % 2 == 0 or splits[p] == 2 else range(0)
            image, mask, inside = synthetic_slices(rng, lesion=lesion)
            rows = {
                "z_index": np.arange(N_SLICES),
                "pathology": mask.any(axis=(1, 2)),
                "split": splits[p],
                "brain_fraction": inside.mean(axis=(1, 2)),
            }
            info = {"patient": f"p{p}", "split": ("train", "val", "test")[splits[p]]}
            writer.add(Shard(f"sub-{p}", image, mask, rows, info))
    return SliceStore(path)


def stacked(rows, binning) -> Slices:
    """Slices in memory of rows (image, mask, axial slice, patient number); those with a lesion are lesion slices."""
    images, masks, places, owners = zip(*rows, strict=True)
    z_index, mask = np.array(places), np.array(masks)
    return Slices(
        np.array(images, np.float32), mask, z_index, np.asarray(binning.index(z_index)),
        mask.any((1, 2)).astype(np.int64), np.array(owners), np.array(owners),
    )  # fmt: skip


def write_bids(root: Path, subjects: int = 4, lesion: tuple[int, int] | None = None) -> Path:
    """A BIDS tree of small volumes (20 x 24 x 28 voxels of 3 mm): a bright ball; odd subjects are controls.

    Lesions reach over the slices named; over six slices, another six in each patient, when None.
    """
    grid = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in (20, 24, 28)], indexing="ij"))
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    rows = ["participant_id\tgroup"]
    for s in range(subjects):
        rng = np.random.default_rng(s)
        ball = np.sqrt((grid**2).sum(0)) < 9
        image = np.where(ball, 600, 0) + rng.integers(0, 60, ball.shape)
        mask = np.zeros(ball.shape, np.uint8)
        if s % 2 == 0:
            mask[9:12, 10:14, slice(*(lesion or (8 + s, 14 + s)))] = 1
        folder = root / f"sub-{s:02d}" / "anat"
        folder.mkdir(parents=True)
        write_nifti(folder / f"sub-{s:02d}_FLAIR.nii.gz", image.astype(np.int16), affine)
        write_nifti(folder / f"sub-{s:02d}_FLAIR_roi.nii.gz", mask, affine)
        rows.append(f"sub-{s:02d}\t{'hc' if s % 2 else 'fcd'}")
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    return root


def upright_heads(count, seed, side=40):
    """Ellipses longer than wide, with a bright forehead and a texture of their own, each of its own size and place."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    row, column, height, width = (
        rng.normal(mean, spread, (count, 1, 1)) for mean, spread in ((0, 2), (0, 2), (14, 0.8), (10, 0.6))
    )
    inside = ((y - row) / height) ** 2 + ((x - column) / width) ** 2 < 1
    texture = ndimage.gaussian_filter(rng.standard_normal((count, side, side)), (0, 1, 1))
    return (inside * (0.5 + 0.2 * (y < row - 5) + 0.1 * texture)).clip(0, 1).astype(np.float32)
