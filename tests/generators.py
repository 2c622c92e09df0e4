"""What other people's generators leave, as their own code writes it: with NumPy, PIL and nibabel alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from jsddpm.slices.imported import Facts, IntensityFormat
from synthetic import synthetic_slices

Z_RANGE, N_BINS = (5, 34), 5
PLACES = [(7, 0), (20, 1), (33, 1), (20, 1)]
"""Slice and pathology of four slices; slices 7, 20 and 33 are the first, the third and the last bin."""
BINS = [0, 2, 4, 2]
SPACING = (2.0, 3.0, 1.5)
"""Of the real store's volumes along x, y and z."""
NO_MASKS = Facts(masks=False, pathology="lesion")


@dataclass
class Example:
    """A generator's folder, what its user has to say, and what is then to be found in the store."""

    source: Path
    images: np.ndarray
    masks: np.ndarray
    pathology: list[int]
    z: list[int] = field(default_factory=lambda: [z for z, _ in PLACES])
    group: list[str] = field(default_factory=lambda: [""] * 4)
    facts: Facts = field(default_factory=Facts)
    reading: IntensityFormat = field(default_factory=IntensityFormat)
    tolerance: float = 1e-3


def four():
    """Four slices ``(4, H, W)``, their masks."""
    image, mask, _ = synthetic_slices(np.random.default_rng(1), lesion=range(20, 34))
    at = [z for z, _ in PLACES]
    return image[at], mask[at]


def two():
    """Two heads ``(2, Z, H, W)`` with a lesion on some slices, their masks."""
    made = [synthetic_slices(np.random.default_rng(s), lesion=range(12 + s, 22)) for s in (1, 2)]
    return np.stack([m[0] for m in made]), np.stack([m[1] for m in made])


def sliced(source, facts=None, reading=None, tolerance=1e-3, masks=True, **more) -> Example:
    images, drawn = four()
    drawn = drawn if masks else np.zeros_like(drawn)
    pathology = [p for _, p in PLACES]
    return Example(
        source, images, drawn, pathology, facts=facts or Facts(), reading=reading or IntensityFormat(),
        tolerance=tolerance, **more,
    )  # fmt: skip


def stacked(source, names, facts=None, reading=None, tolerance=1e-3) -> Example:
    """The slices inside the range of two volumes."""
    facts = facts or Facts()
    (images, drawn), (first, last) = two(), Z_RANGE
    images, drawn = (a[:, first : last + 1].reshape(-1, *a.shape[2:]) for a in (images, drawn))
    shown = drawn.any(axis=(1, 2)).astype(int).tolist() if facts.masks else [int(facts.pathology == "lesion")] * 60
    drawn = drawn if facts.masks else np.zeros_like(drawn)
    z = [*range(first, last + 1)] * 2
    groups = [name for name in names for _ in range(first, last + 1)]
    return Example(source, images, drawn, shown, z, groups, facts, reading or IntensityFormat(), tolerance)


def ras(stack):
    """A stack of slices as a volume whose axes lead to the right, to anterior and up."""
    return np.ascontiguousarray(stack.transpose(2, 1, 0)[:, ::-1])


def save_nifti(path, stack, affine=None, axes="RAS", dtype=np.float32):
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = ras(np.asarray(stack))
    for axis, (letter, positive) in enumerate(zip(axes, "RAS", strict=True)):
        volume = volume if letter == positive else np.flip(volume, axis)
    nib.save(nib.Nifti1Image(volume.astype(dtype), np.diag([*SPACING, 1]) if affine is None else affine), path)


def save_png(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def grey(images):
    return np.round(images * 255).astype(np.uint8)


def colour(array):
    return np.repeat(array[..., None], 3, axis=-1)


def table(root):
    images, masks = four()
    lines = ["image,mask,z,pathology"]
    for k, (z, p) in enumerate(PLACES):
        save_png(root / f"i{k}.png", grey(images[k]))
        save_png(root / f"m{k}.png", masks[k].astype(np.uint8) * 255)
        lines.append(f"i{k}.png,m{k}.png,{z},{p}")
    (root / "made.csv").write_text("\n".join(lines))
    return sliced(root / "made.csv", tolerance=1 / 255)


def volumes(root):
    images, masks = two()
    for k in range(2):
        save_nifti(root / "images" / f"case{k}.nii.gz", images[k])
        save_nifti(root / "masks" / f"case{k}.nii.gz", masks[k], dtype=np.uint8)
    return stacked(root, ["case0", "case1"])


def volumes_beside(root):
    """Axes that lead left, to posterior and up, in steps of their own; numbers of a scanner."""
    images, masks = two()
    affine = np.diag([-2.0, -3.0, 1.5, 1.0])
    affine[:3, 3] = 11, -7, 40
    for k in range(2):
        save_nifti(root / f"{k}_flair.nii", images[k] * 800 - 100, affine, "LPS")
        save_nifti(root / f"{k}_seg.nii", masks[k] * 4, affine, "LPS", np.int16)
    return stacked(root, ["0", "1"], reading=IntensityFormat((-100, 700), mask_labels=(4,)))


def pictures(root):
    images, masks = four()
    for k, (b, (_, p)) in enumerate(zip(BINS, PLACES, strict=True)):
        name = f"bin{b}_{'lesion' if p else 'control'}_{k}"
        save_png(root / "images" / f"{name}.png", colour(grey(images[k])))
        save_png(root / "masks" / f"{name}.png", masks[k])
    facts = Facts(fields="bin{z_bin}_{pathology}_{seed}")
    example = sliced(root, facts, tolerance=1 / 255, z=[7, 19, 31, 19])
    return reordered(example, [0, 1, 3, 2])


def tiffs(root):
    """Sixteen bits, mask beside image."""
    images, masks = four()
    for k, (z, p) in enumerate(PLACES):
        save_png(root / f"s{k}-z{z}-{p}_image.tif", np.round(images[k] * 65535).astype(np.uint16))
        save_png(root / f"s{k}-z{z}-{p}_mask.tif", masks[k].astype(np.uint8))
    return sliced(root, Facts(fields="s{seed}-z{z}-{pathology}"), tolerance=1e-4)


def one_archive(root):
    images, masks = four()
    z, p = zip(*PLACES, strict=True)
    root.mkdir(parents=True, exist_ok=True)
    np.savez(
        root / "made.npz", images=images[:, None], masks=masks[:, None], z_index=z, pathology=p, group=list("abba")
    )
    return sliced(root / "made.npz", tolerance=1e-4, group=list("abba"))


def archives(root):
    images, masks = four()
    root.mkdir(parents=True, exist_ok=True)
    for k, (z, p) in enumerate(PLACES):
        np.savez(root / f"{k}.npz", image=images[k] * 2 - 1, mask=masks[k] * 1.0, z=z, pathology=p)
    return sliced(root, reading=IntensityFormat((-1, 1)), tolerance=1e-4)


def stack_files(root):
    images, masks = four()
    root.mkdir(parents=True, exist_ok=True)
    columns = {"images": images, "masks": masks, "z_bin": BINS, "pathology": [p for _, p in PLACES]}
    for name, values in columns.items():
        np.save(root / f"{name}.npy", np.asarray(values))
    return sliced(root, tolerance=1e-4, z=[7, 19, 31, 19])


def slimdiff_frame(stack):
    """Its slices are those of a volume in RAS, unturned: rows lead to the right, columns to anterior."""
    return np.ascontiguousarray(stack[:, ::-1].transpose(0, 2, 1))


def slimdiff(root):
    """generate.py of version 1.0.0: save_sample_npz, write_generation_index."""
    images, masks = (slimdiff_frame(a) for a in four())
    (root / "samples").mkdir(parents=True)
    rows = []
    for k, (b, (_, p)) in enumerate(zip(BINS, PLACES, strict=True)):
        of = {"sample_id": f"z{b:02d}_c{p}_s{k:04d}", "z_bin": b, "pathology_class": p, "token": b + p * N_BINS}
        of["sample_idx"] = k
        path = root / "samples" / f"{of['sample_id']}.npz"
        mask = np.where(masks[k], 0.93, -0.98)
        np.savez_compressed(path, image=(images[k] * 2 - 1).astype(np.float32), mask=mask.astype(np.float32), **of)
        rows.append(of | {"filepath": f"samples/{path.name}"})
    with open(root / "generated_samples.csv", "w", newline="") as f:
        writer = csv.DictWriter(f, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (root / "generation_config.yaml").write_text("seed: 42\ntotal_samples: 4\n")
    return sliced(root, tolerance=1e-4, z=[7, 19, 31, 19])


def slimdiff_replicas(root):
    """generate_replicas.py of commit 57f0ecd: save_replica, float16."""
    images, masks = (slimdiff_frame(a) for a in four())
    (root / "replicas").mkdir(parents=True)
    p = np.array([p for _, p in PLACES])
    arrays = {
        "images": (images * 2 - 1).astype(np.float16), "masks": np.where(masks, 1, -1).astype(np.float16),
        "zbin": np.array(BINS, np.int32), "lesion_present": p.astype(np.uint8), "domain": np.ones(4, np.uint8),
        "condition_token": np.array(BINS) + p * N_BINS, "seed": np.arange(4) + (1 << 40), "k_index": np.arange(4),
        "replica_id": np.zeros(4, np.int32),
    }  # fmt: skip
    np.savez_compressed(root / "replicas" / "replica_000.npz", **arrays)
    meta = {"replica_id": 0, "n_samples": 4, "config": {"z_bins": N_BINS, "output_dtype": "float16"}}
    (root / "replicas" / "replica_000_meta.json").write_text(json.dumps(meta, indent=2))
    return sliced(root, tolerance=1e-3, z=[7, 19, 31, 19])


def slimdiff_cache(root):
    """caching/base.py of version 1.0.0."""
    images, masks = (slimdiff_frame(a) for a in four())
    (root / "slices").mkdir(parents=True)
    names = ["filepath", "subject_id", "z_index", "z_bin", "pathology_class", "token", "source", "split", "has_lesion"]
    for split, picked in (("train", (0, 1)), ("test", (2, 3))):
        with open(root / f"{split}.csv", "w", newline="") as f:
            writer = csv.DictWriter(f, fieldnames=[*names, "lesion_area_px"])
            writer.writeheader()
            for k in picked:
                (z, p), b = PLACES[k], BINS[k]
                of = {"subject_id": f"MRIe_{k:03d}", "z_index": z, "z_bin": b, "pathology_class": p}
                of |= {"token": b + p * N_BINS, "source": "epilepsy", "split": split, "has_lesion": bool(p)}
                of["lesion_area_px"] = int(masks[k].sum())
                path = root / "slices" / f"{of['subject_id']}_z{z:03d}_bin{b:02d}_c{p}.npz"
                np.savez_compressed(path, image=images[k] * 2 - 1, mask=np.where(masks[k], 1.0, -1.0), **of)
                writer.writerow(of | {"filepath": f"slices/{path.name}"})
    (root / "cache_stats.yaml").write_text("n: 4\n")
    return sliced(root, tolerance=1e-4, group=[f"MRIe_{k:03d}" for k in range(4)])


def monai_volumes(root):
    """SaveImage of brats_mri_generative_diffusion: samples are counted, the affine is the identity."""
    for k, image in enumerate(two()[0]):
        save_nifti(root / f"{k}" / f"{k}_sample_20250101_12000{k}.nii.gz", image, np.eye(4), "LPS")
    facts = Facts(masks=False, pathology="control", axes="LPS", spacing=SPACING)
    return stacked(root, [f"{k}_sample_20250101_12000{k}" for k in range(2)], facts)


def monai_pictures(root):
    """brats_mri_axial_slices_generative_diffusion: 8-bit RGB, turned for a viewer; columns lead to the left."""
    images, _ = four()
    z, p = PLACES[1]
    save_png(root / "synimg_sample_20250101_120000.png", colour(grey(images[1][:, ::-1])))
    example = sliced(root, NO_MASKS, tolerance=1 / 255, masks=False)
    example.images, example.masks, example.pathology, example.z, example.group = (
        images[1:2], np.zeros_like(example.masks[:1]), [p], [19], [""],
    )  # fmt: skip
    assert z == 20
    return example


def maisi(root):
    """LDMSampler.sample_multiple_images: anatomies numbered in the order in which they were asked for."""
    images, masks = two()
    names = [f"sample_20250101_12000{k}_000{k}00" for k in range(2)]
    for name, image, mask in zip(names, images, masks, strict=True):
        save_nifti(root / f"{name}_image.nii.gz", image * 1000)
        save_nifti(root / f"{name}_label.nii.gz", np.where(mask, 2, (image > 0.3) * 1))
    return stacked(root, names, reading=IntensityFormat((0, 1000), mask_labels=(2,)))


def nv_generate(root):
    """diff_model_infer.py of da438fe: whole numbers from 0, no mask."""
    names = [f"unet_3d_seed{k}_size24x32x40_spacing2.00x3.00x1.50_2025010112000{k}_rank0_modality11" for k in range(2)]
    for name, image in zip(names, two()[0], strict=True):
        save_nifti(root / f"{name}.nii.gz", image * 1000, dtype=np.int16)
    return stacked(root, names, NO_MASKS, IntensityFormat((0, 1000)), tolerance=2e-3)


def med_ddpm(root):
    """sample.py: the mask it was given is saved again beside the image, 2 for tumour."""
    images, masks = two()
    for k in range(2):
        save_nifti(root / "image" / f"1_msk_{k}.nii.gz", images[k] * 2 - 1)
        save_nifti(root / "mask" / f"1_msk_{k}.nii.gz", np.where(masks[k], 2, images[k] > 0.3), dtype=np.uint8)
    return stacked(root, ["1_msk_0", "1_msk_1"])


def med_ddpm_brats(root):
    """sample_brats.py: four modalities, each scaled to [0, 1], parts of the tumour from 1."""
    images, masks = two()
    images = images / images.max(axis=(1, 2, 3), keepdims=True)
    for k in range(2):
        for modality in ("t1", "t1ce", "t2", "flair"):
            image = images[k] if modality == "flair" else 1 - images[k]
            save_nifti(root / modality / f"1_BraTS2021_0000{k}_{modality}.nii.gz", image)
        save_nifti(root / "seg" / f"1_BraTS2021_0000{k}_seg.nii.gz", masks[k] * 3.0)
    example = stacked(root, ["1_BraTS2021_00000", "1_BraTS2021_00001"], reading=IntensityFormat(mask_threshold=0))
    example.images = images[:, Z_RANGE[0] : Z_RANGE[1] + 1].reshape(example.images.shape)
    return example


def wdm_3d(root):
    """generation_sample.py: identity affine over arrays that lead as BraTS's do, a little beyond [0, 1]."""
    for k, image in enumerate(two()[0]):
        image = image.copy()
        image[0, 0, :4] = -0.02
        save_nifti(root / f"sample_{k}_0.nii.gz", image, np.eye(4), "LPS")
    facts = Facts(masks=False, pathology="lesion", axes="LPS", spacing=SPACING)
    return stacked(root, ["sample_0_0", "sample_1_0"], facts, IntensityFormat(clip=True))


def diffusers(root):
    """An image folder with the columns of ControlNet's training data and what the user knows."""
    images, masks = four()
    lines = []
    for k, (z, p) in enumerate(PLACES):
        save_png(root / "images" / f"{k}.png", grey(images[k]))
        save_png(root / "conditioning" / f"{k}.png", masks[k].astype(np.uint8) * 255)
        of = {"file_name": f"images/{k}.png", "conditioning_image_file_name": f"conditioning/{k}.png"}
        lines.append(json.dumps(of | {"text": "flair slice", "z": z, "pathology": p, "group": None}))
    (root / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return sliced(root, tolerance=1 / 255)


def medigan(root):
    """Version 1.1: the executor puts batch_N_ before N_img.png and N_mask.png, both in colours."""
    images, masks = four()
    for k in range(4):
        save_png(root / f"batch_{k // 2}_{k % 2}_img.png", colour(grey(images[k])))
        save_png(root / f"batch_{k // 2}_{k % 2}_mask.png", colour(np.where(masks[k], 240, 12).astype(np.uint8)))
    facts = Facts(pathology="mask")
    example = sliced(root, facts, IntensityFormat(mask_threshold=127), tolerance=1 / 255, z=[19] * 4)
    example.pathology = example.masks.any(axis=(1, 2)).astype(int).tolist()
    return example


def nnunet(root):
    images, masks = two()
    for k in range(2):
        save_nifti(root / "imagesTr" / f"syn_00{k}_0000.nii.gz", images[k])
        save_nifti(root / "labelsTr" / f"syn_00{k}.nii.gz", masks[k], dtype=np.uint8)
    about = {"channel_names": {"0": "FLAIR"}, "labels": {"background": 0, "lesion": 1}, "numTraining": 2}
    (root / "dataset.json").write_text(json.dumps(about | {"file_ending": ".nii.gz"}))
    return stacked(root, ["syn_000", "syn_001"])


def bids(root):
    images, masks = two()
    for k in range(2):
        folder = root / f"sub-syn{k}" / "anat"
        save_nifti(folder / f"sub-syn{k}_FLAIR.nii.gz", images[k])
        save_nifti(folder / f"sub-syn{k}_label-lesion_mask.nii.gz", masks[k], dtype=np.uint8)
    about = {"Name": "made", "BIDSVersion": "1.10.0", "DatasetType": "derivative", "GeneratedBy": [{"Name": "x"}]}
    (root / "dataset_description.json").write_text(json.dumps(about))
    return stacked(root, ["sub-syn0", "sub-syn1"])


def reordered(example, order):
    """The example in the order of its files' names."""
    example.images, example.masks = example.images[order], example.masks[order]
    example.pathology, example.z = ([v[i] for i in order] for v in (example.pathology, example.z))
    return example


EXAMPLES: dict[str, tuple[str, Callable[[Path], Example]]] = {
    "table": ("table", table),
    "volumes": ("volumes", volumes),
    "volumes-beside": ("volumes", volumes_beside),
    "images": ("images", pictures),
    "images-tif": ("images", tiffs),
    "arrays-npz": ("arrays", one_archive),
    "arrays-folder": ("arrays", archives),
    "arrays-npy": ("arrays", stack_files),
    "slimdiff": ("slimdiff", slimdiff),
    "slimdiff-replicas": ("slimdiff-replicas", slimdiff_replicas),
    "slimdiff-cache": ("slimdiff-cache", slimdiff_cache),
    "monai": ("monai", monai_volumes),
    "monai-2d": ("monai", monai_pictures),
    "maisi": ("maisi", maisi),
    "nv-generate": ("maisi", nv_generate),
    "med-ddpm": ("med-ddpm", med_ddpm),
    "med-ddpm-brats": ("med-ddpm", med_ddpm_brats),
    "wdm-3d": ("wdm-3d", wdm_3d),
    "diffusers": ("diffusers", diffusers),
    "medigan": ("medigan", medigan),
    "nnunet": ("nnunet", nnunet),
    "bids": ("bids", bids),
}
"""Name of an example: its layout, and who writes it."""
ONE_BIN = {"monai-2d", "medigan"}
"""Examples whose generator knows no bins: they are evaluated in one."""
