"""Volumes as tools write them, with nibabel alone: one writer for each form, which returns the folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.validity.importing.samples import Samples, head, mask_values, whole


def save_nifti(path: Path, stack: np.ndarray, affine: np.ndarray, axes: str = "RAS") -> None:
    """Axial slices ``(Z, H, W)`` of a store as a volume whose axes lead where they are said to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = np.ascontiguousarray(stack.transpose(2, 1, 0)[:, ::-1])
    for axis, (letter, positive) in enumerate(zip(axes, "RAS", strict=True)):
        volume = volume if letter == positive else np.flip(volume, axis)
    nib.save(nib.Nifti1Image(volume, affine), path)


def affine_of(made: Samples) -> np.ndarray:
    """The affine of axes that lead right, to anterior and up."""
    row, column, z = made.spacing
    return np.diag([column, row, z, 1.0])


def _stacks(made: Samples, images: np.ndarray, masks: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Number, image and mask of each volume."""
    pair = made.pair(images, whole(masks))
    for number, first in enumerate(range(0, len(images), made.depth)):
        image, mask = (a[first : first + made.depth] for a in pair)
        yield number, image, mask


def volumes(root: Path, made: Samples) -> Path:
    for k, image, mask in _stacks(made, made.images, mask_values(made)):
        save_nifti(root / "images" / f"case{k:02d}.nii", image, affine_of(made))
        save_nifti(root / "masks" / f"case{k:02d}.nii", mask, affine_of(made))
    return root


def nnunet(root: Path, made: Samples) -> Path:
    """Raw data of nnU-Net v2."""
    for k, image, mask in _stacks(made, made.images, mask_values(made)):
        save_nifti(root / "imagesTr" / f"syn_{k:03d}_0000.nii.gz", image, affine_of(made))
        save_nifti(root / "labelsTr" / f"syn_{k:03d}.nii.gz", mask, affine_of(made))
    about = {"channel_names": {"0": "FLAIR"}, "labels": {"background": 0, "lesion": 1}}
    count = {"numTraining": len(made.images) // made.depth, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(about | count))
    return root


def bids(root: Path, made: Samples) -> Path:
    """A derivative of BIDS 1.10."""
    for k, image, mask in _stacks(made, made.images, mask_values(made)):
        start = root / f"sub-syn{k:02d}" / "anat" / f"sub-syn{k:02d}"
        save_nifti(start.with_name(f"{start.name}_FLAIR.nii.gz"), image, affine_of(made))
        save_nifti(start.with_name(f"{start.name}_label-lesion_mask.nii.gz"), mask, affine_of(made))
    about = {"Name": "made", "BIDSVersion": "1.10.0", "DatasetType": "derivative", "GeneratedBy": [{"Name": "x"}]}
    (root / "dataset_description.json").write_text(json.dumps(about))
    return root


def maisi(root: Path, made: Samples) -> Path:
    """LDMSampler.sample_multiple_images: anatomies numbered as they were asked for, the lesion second."""
    for k, image, mask in _stacks(made, made.images * 1000, mask_values(made, 2, head(made))):
        for role, stack in (("image", image), ("label", mask)):
            save_nifti(root / f"sample_20250101_{120000 + k}_{100 * k:06d}_{role}.nii.gz", stack, affine_of(made))
    return root


def nv_generate(root: Path, made: Samples) -> Path:
    """diff_model_infer.py of NV-Generate-CTMR da438fe: whole numbers from 0, no mask."""
    for k, image, _ in _stacks(made, np.rint(made.images * 1000).astype(np.int16), mask_values(made)):
        size = "x".join(map(str, (*image.shape[1:], len(image))))
        spacing = "x".join(f"{s:.2f}" for s in made.spacing)
        name = f"unet_3d_seed{k}_size{size}_spacing{spacing}_{20250101120000 + k}_rank0_modality11"
        save_nifti(root / f"{name}.nii.gz", image.astype(np.int16), affine_of(made))
    return root


def med_ddpm(root: Path, made: Samples) -> Path:
    """sample.py: the mask it was given is saved again beside the image, 2 for tumour."""
    for k, image, mask in _stacks(made, made.images * 2 - 1, mask_values(made, 2, head(made))):
        save_nifti(root / "image" / f"1_msk_{k}.nii.gz", image, affine_of(made))
        save_nifti(root / "mask" / f"1_msk_{k}.nii.gz", mask, affine_of(made))
    return root


def med_ddpm_brats(root: Path, made: Samples) -> Path:
    """sample_brats.py: each volume scaled to [0, 1], parts of the tumour from 1; of four modalities one."""
    stacks = made.images.reshape(-1, made.depth, *made.images.shape[1:])
    scaled = (stacks / np.maximum(stacks.max(axis=(1, 2, 3), keepdims=True), 1e-6)).reshape(made.images.shape)
    for k, image, mask in _stacks(made, scaled, mask_values(made, 3)):
        save_nifti(root / "flair" / f"1_BraTS2021_{k:05d}_flair.nii.gz", image, affine_of(made))
        save_nifti(root / "seg" / f"1_BraTS2021_{k:05d}_seg.nii.gz", mask, affine_of(made))
    return root


def wdm_3d(root: Path, made: Samples) -> Path:
    """generation_sample.py: identity affine over arrays that lead as BraTS's do, a little beyond [0, 1]."""
    images = made.images.copy()
    images[:: made.depth, 0, :4] = -0.02
    for k, image, _ in _stacks(made, images, mask_values(made)):
        save_nifti(root / f"sample_{k}_0.nii.gz", image, np.eye(4), "LPS")
    return root


def monai(root: Path, made: Samples) -> Path:
    """SaveImage of brats_mri_generative_diffusion: samples are counted, the affine is the identity."""
    for k, image, _ in _stacks(made, made.images, mask_values(made)):
        save_nifti(root / f"{k}" / f"{k}_sample_20250101_{120000 + k}.nii.gz", image, np.eye(4), "LPS")
    return root
