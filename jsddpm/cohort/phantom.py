"""A demo cohort that can be made offline: FLAIR-like volumes of a real anatomy, with cortical lesions.

The anatomy is the MNI152 template that nilearn ships. Each subject gets its own affine and smooth elastic
deformation, bias field, Rician noise, intensity scale and, for patients, one lesion that looks like a focal cortical
dysplasia: at the cortex, mildly hyperintense, with a blurred grey-white border. The cohort is for trying and testing
the tools; it does not replace patients.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from jsddpm.cohort.nifti import write_nifti
from jsddpm.errors import require_package, usage_error
from jsddpm.files import make_directory, write_json, write_text
from jsddpm.parallel import in_processes
from jsddpm.progress import Progress
from jsddpm.publish import published_directory

Array = NDArray[np.float32]

SHAPE = (128, 152, 112)
SPACING_MM = 1.5
_CENTRE_MM = (0.0, -17.0, 5.0)  # of the template's brain, in MNI space
_LESION_CENTRES_MM = (-42.0, 38.0)  # axial extent over which lesion centres are spread
_LESION_RADII_MM = (7.0, 13.0)
_GREY, _WHITE, _FLUID = 1.0, 0.72, 0.18  # FLAIR: grey brighter than white, fluid suppressed
_LESION_GAIN = (0.25, 0.45)
_BORDER_BLUR_MM = 3.0


def make_phantom_cohort(
    out: str | Path,
    *,
    subjects: int = 12,
    controls: int = 4,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a BIDS tree of phantom subjects; the same arguments give the same bytes.

    Args:
        out: New folder.
        subjects: Number of subjects, controls included.
        controls: How many of them have no lesion (and an empty mask).
        seed: Seed of everything random; each subject depends on (seed, its number) alone.
        jobs: Processes to use; the bytes do not depend on it.
        progress: Called with (done, total) after each subject.

    Returns:
        The folder: ``sub-*/anat/*_FLAIR.nii.gz`` (int16), ``*_FLAIR_roi.nii.gz`` (uint8 0/1), ``participants.tsv``
        and ``dataset_description.json``.

    Raises:
        JsddpmError: ``PHANTOM`` for impossible counts, ``EXISTS`` when ``out`` exists,
            ``MISSING_PACKAGE`` (status 5) without nilearn.
    """
    if subjects < 1 or not 0 <= controls <= subjects:
        cure = "give at least 1 subject, and 0 to all of them as controls"
        raise usage_error("PHANTOM", f"{controls} controls among {subjects} subjects are impossible", fix=cure)
    require_package("nilearn", extra="phantom", why="the demo cohort")
    patients = subjects - controls
    heights = (np.random.default_rng([seed, subjects]).permutation(patients) + 0.5) / max(patients, 1)
    with published_directory(out) as root:
        heights_or_none = [float(h) for h in heights] + [None] * controls
        calls = ((root, number, seed, heights_or_none[number]) for number in range(subjects))
        for done, _ in enumerate(in_processes(_write_subject, calls, jobs=jobs), start=1):
            if progress:
                progress(done, subjects)
        rows = [f"{_name(number)}\t{'fcd' if number < patients else 'hc'}" for number in range(subjects)]
        write_text(root / "participants.tsv", "\n".join(["participant_id\tgroup", *rows]) + "\n")
        description = {
            "Name": "Phantom FLAIR cohort with cortical lesions",
            "BIDSVersion": "1.9.0",
            "DatasetType": "raw",
            "GeneratedBy": [{"Name": "jsddpm cohort phantom", "Description": f"seed {seed}"}],
            "SourceDatasets": [{"URL": "https://nist.mni.mcgill.ca/icbm-152-nonlinear-atlases-2009/"}],
        }
        write_json(root / "dataset_description.json", description)
    return Path(out)


@cache
def _load_template() -> tuple[list[Array], NDArray[np.float64]]:
    """Grey matter, white matter and brain in [0, 1] on one grid, and the world position of voxel 0 in mm."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template

    head, grey, white = (
        load(resolution=1) for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)
    )
    brain = ndimage.binary_fill_holes(head.get_fdata(dtype=np.float32) > 0)
    maps = [grey.get_fdata(dtype=np.float32), white.get_fdata(dtype=np.float32), brain.astype(np.float32)]
    return maps, head.affine[:3, 3]


def _name(number: int) -> str:
    return f"sub-{number + 1:03d}"


def _write_subject(root: Path, number: int, seed: int, height: float | None) -> None:
    """One subject; ``height`` in [0, 1] is the axial place of the lesion, None for a control."""
    name, (maps, origin), rng = _name(number), _load_template(), np.random.default_rng([seed, number])
    coordinates = _deformed_coordinates(rng) - origin[:, None, None, None]
    grey, white, brain = (
        ndimage.map_coordinates(m, coordinates, order=1, mode="constant", output=np.float32) for m in maps
    )
    lesion, mask = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, bool)
    if height is not None:
        low, high = _LESION_CENTRES_MM
        lesion, mask = _lesion(grey, white, brain, low + height * (high - low), rng)
    signal = _acquire(_flair(grey, white, brain, lesion, rng), rng)
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = _grid_origin()
    if number % 3 == 1:  # some scanners write left and front first
        signal, mask = signal[::-1, ::-1], mask[::-1, ::-1]
        turn = np.diag([-1.0, -1.0, 1.0, 1.0])
        turn[:2, 3] = np.array(SHAPE[:2]) - 1
        affine = affine @ turn
    folder = make_directory(root / name / "anat")
    write_nifti(folder / f"{name}_FLAIR.nii.gz", signal.astype(np.int16), affine)
    write_nifti(folder / f"{name}_FLAIR_roi.nii.gz", mask.astype(np.uint8), affine)


def _grid_origin() -> NDArray[np.float64]:
    return np.array(_CENTRE_MM) - SPACING_MM * (np.array(SHAPE) - 1) / 2


def _deformed_coordinates(rng: np.random.Generator) -> Array:
    """World position in the template of each voxel of the subject, float32 ``(3, X, Y, Z)`` in mm."""
    axes = [SPACING_MM * (np.arange(n, dtype=np.float32) - (n - 1) / 2) for n in SHAPE]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    turn = Rotation.from_euler("XYZ", rng.normal(0, np.radians(2.5), 3) * (1, -1, 1)).as_matrix()
    linear = turn @ np.diag(rng.normal(1, 0.03, 3))
    moved = np.tensordot(linear, grid, axes=1) + (np.array(_CENTRE_MM) + rng.normal(0, 1.5, 3))[:, None, None, None]
    for axis in range(3):
        moved[axis] += _smooth_field(rng, knots=6) * 5.0
        moved[axis] += _smooth_field(rng, knots=14) * 1.2
    return moved.astype(np.float32)


def _smooth_field(rng: np.random.Generator, *, knots: int) -> Array:
    """A smooth random field over the grid with values around ±1: a coarse one, interpolated by cubic splines."""
    field = rng.normal(0, 0.6, (knots,) * 3)
    for axis, n in enumerate(SHAPE):  # splines are separable: one small matrix per axis
        weights = CubicSpline(np.arange(knots), np.eye(knots))(np.linspace(0, knots - 1, n))
        field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
    return field.astype(np.float32)


def _lesion(
    grey: Array, white: Array, brain: Array, height_mm: float, rng: np.random.Generator
) -> tuple[Array, NDArray[np.bool_]]:
    """Soft weight in [0, 1] and binary mask of one lesion centred on the cortex at an axial height."""
    depth = ndimage.distance_transform_edt(brain > 0.5, sampling=SPACING_MM)
    k = round((height_mm - _grid_origin()[2]) / SPACING_MM)
    cortex = np.argwhere((grey[:, :, k] > 0.5) & (depth[:, :, k] > 2) & (depth[:, :, k] < 8))
    centre = np.append(cortex[rng.integers(len(cortex))], k)
    radii = rng.uniform(*_LESION_RADII_MM, 3)
    offsets = [SPACING_MM * (np.arange(n) - c) for n, c in zip(SHAPE, centre, strict=True)]
    x, y, z = np.meshgrid(*offsets, indexing="ij", sparse=True)
    distance = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2)
    distance = distance * (1 + 0.15 * _smooth_field(rng, knots=20))
    mask = (distance < 1) & (grey + white > 0.4)
    weight = np.clip((1.15 - distance) / 0.3, 0, 1) * (grey + white)
    return weight.astype(np.float32), mask


def _flair(grey: Array, white: Array, brain: Array, lesion: Array, rng: np.random.Generator) -> Array:
    """Noise-free signal: tissue contrast, with the lesion's grey-white border blurred and its signal raised."""
    sigma = _BORDER_BLUR_MM / SPACING_MM
    grey = (1 - lesion) * grey + lesion * ndimage.gaussian_filter(grey, sigma)
    white = (1 - lesion) * white + lesion * ndimage.gaussian_filter(white, sigma)
    fluid = np.clip(brain - grey - white, 0, 1)
    contrast = rng.normal(0, 0.03, 2)
    tissue = (_GREY + contrast[0]) * grey + (_WHITE + contrast[1]) * white + _FLUID * fluid
    raised: Array = tissue + rng.uniform(*_LESION_GAIN) * lesion * np.clip(grey + white, 0, 1)
    return raised


def _acquire(signal: Array, rng: np.random.Generator) -> Array:
    """Bias field, Rician noise and an arbitrary intensity scale, in integers from 0."""
    biased = signal * np.exp(0.15 * _smooth_field(rng, knots=4))
    sigma = rng.uniform(0.02, 0.04)
    real, imaginary = rng.normal(0, sigma, (2, *SHAPE)).astype(np.float32)
    magnitude = np.sqrt((biased + real) ** 2 + imaginary**2)
    scaled: Array = np.rint(magnitude * rng.uniform(300, 1200))
    return scaled
