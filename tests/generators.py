"""What other people's generators leave, as their own code writes it: with NumPy, PIL and nibabel alone.

Forms in which faults of an import are planted have their writers in ``benchmarks/validity/importing``; the others are
here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.validity.importing import slices as written
from benchmarks.validity.importing import volumes as written_volumes
from benchmarks.validity.importing.samples import Samples, colour, grey
from benchmarks.validity.importing.slices import save_png
from jsddpm.slices.imported import Facts, IntensityFormat
from synthetic import synthetic_slices

Z_RANGE, N_BINS = (5, 34), 5
PLACES = [(7, 0), (20, 1), (33, 1), (20, 1)]
"""Slice and pathology of four slices; slices 7, 20 and 33 are the first, the third and the last bin."""
BINS = [0, 2, 4, 2]
SPACING = (2.0, 3.0, 1.5)
"""Of the real store's volumes along x, y and z."""
STORE_SPACING = (3.0, 2.0, 1.5)
"""The same along rows, columns and slices."""
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


def made_slices():
    """The four slices, for a writer."""
    images, masks = four()
    z, pathology = (np.array(column) for column in zip(*PLACES, strict=True))
    return Samples(images, masks, z, np.array(BINS), pathology, STORE_SPACING, N_BINS)


def made_volumes():
    """The two heads, for a writer."""
    images, masks = (a.reshape(-1, *a.shape[2:]) for a in two())
    n, depth = len(images), len(images) // 2
    z = np.tile(np.arange(depth), 2)
    return Samples(images, masks, z, np.zeros(n, int), masks.any(axis=(1, 2)), STORE_SPACING, N_BINS, depth=depth)


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


def save_nifti(path, stack, affine=None, axes="RAS", dtype=np.float32):
    affine = np.diag([*SPACING, 1]) if affine is None else affine
    written_volumes.save_nifti(path, np.asarray(stack).astype(dtype), affine, axes)


def table(root):
    return sliced(written.table_of_positions(root, made_slices()), tolerance=1 / 255)


def volumes(root):
    return stacked(written_volumes.volumes(root, made_volumes()), ["case00", "case01"])


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


def slimdiff(root):
    return sliced(written.slimdiff(root, made_slices()), tolerance=1e-4, z=[7, 19, 31, 19])


def slimdiff_replicas(root):
    return sliced(written.slimdiff_replicas(root, made_slices()), tolerance=1e-3, z=[7, 19, 31, 19])


def slimdiff_cache(root):
    """The names of its files do not tell their order, its tables do."""
    made = written.slimdiff_cache(root, made_slices())
    return sliced(made, tolerance=1e-4, group=[f"MRIe_{k:03d}" for k in range(4)])


def monai_volumes(root):
    facts = Facts(masks=False, pathology="control", axes="LPS", spacing=SPACING)
    made = written_volumes.monai(root, made_volumes())
    return stacked(made, [f"{k}_sample_20250101_12000{k}" for k in range(2)], facts)


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
    names = [f"sample_20250101_12000{k}_000{k}00" for k in range(2)]
    made = written_volumes.maisi(root, made_volumes())
    return stacked(made, names, reading=IntensityFormat((0, 1000), mask_labels=(2,)))


def nv_generate(root):
    names = [f"unet_3d_seed{k}_size32x24x40_spacing3.00x2.00x1.50_2025010112000{k}_rank0_modality11" for k in range(2)]
    made = written_volumes.nv_generate(root, made_volumes())
    return stacked(made, names, NO_MASKS, IntensityFormat((0, 1000)), tolerance=2e-3)


def med_ddpm(root):
    return stacked(written_volumes.med_ddpm(root, made_volumes()), ["1_msk_0", "1_msk_1"])


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
    facts = Facts(masks=False, pathology="lesion", axes="LPS", spacing=SPACING)
    made = written_volumes.wdm_3d(root, made_volumes())
    return stacked(made, ["sample_0_0", "sample_1_0"], facts, IntensityFormat(clip=True))


def diffusers(root):
    return sliced(written.diffusers(root, made_slices()), tolerance=1 / 255)


def medigan(root):
    made = written.medigan(root, made_slices())
    example = sliced(made, Facts(pathology="mask"), IntensityFormat(mask_threshold=127), tolerance=1 / 255, z=[19] * 4)
    example.pathology = example.masks.any(axis=(1, 2)).astype(int).tolist()
    return example


def nnunet(root):
    return stacked(written_volumes.nnunet(root, made_volumes()), ["syn_000", "syn_001"])


def bids(root):
    return stacked(written_volumes.bids(root, made_volumes()), ["sub-syn00", "sub-syn01"])


def jsddpm(root):
    """jsddpm export nifti: samples of a condition are a stack; cases.csv says which, provenance.json in which bins."""
    images, masks = four()
    stacks = {(z, p): [k for k, place in enumerate(PLACES) if place == (z, p)] for z, p in PLACES}
    lines = ["case,synthetic,pathology,z_first,z_last,slices,sample,seed"]
    for (z, p), members in stacks.items():
        name, pathology = f"synthetic_z{z:03d}_{'lesion' if p else 'control'}", "lesion" if p else "control"
        save_nifti(root / f"{name}_image.nii.gz", images[members])
        save_nifti(root / f"{name}_mask.nii.gz", masks[members])
        lines += [f"{name}_{n:04d},true,{pathology},{z},{z},1,{n},{n}" for n in range(len(members))]
    (root / "cases.csv").write_text("\n".join([*lines, "sub-01,false,lesion,0,39,40,,"]) + "\n")
    (root / "provenance.json").write_text(json.dumps({"stores": [{"binning": {"n_bins": N_BINS}}]}))
    return sliced(root, tolerance=1e-4)


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
    "jsddpm": ("jsddpm", jsddpm),
}
"""Name of an example: its layout, and who writes it."""
ONE_BIN = {"monai-2d", "medigan"}
"""Examples whose generator knows no bins: they are evaluated in one."""
