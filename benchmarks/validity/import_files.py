"""Slices and volumes written as generators leave them, for faults to be planted in: one writer for each layout."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from jsddpm.slices.imported import Facts, IntensityFormat


@dataclass
class Samples:
    """Samples of a generator: slices ``(N, H, W)``; of volumes, ``depth`` successive slices belong together."""

    images: np.ndarray
    masks: np.ndarray
    z_bin: np.ndarray
    pathology: np.ndarray
    spacing: tuple[float, float, float]
    n_bins: int
    depth: int = 1
    levels: int = 255
    labels: tuple[int, ...] = (0, 1)
    swapped: bool = False


@dataclass(frozen=True)
class Form:
    """Writer of a layout, and the options of its user."""

    write: Callable[[Path, Samples], Path]
    facts: Facts
    reading: IntensityFormat | None = None
    volumes: bool = False


def _png(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def _grey(made: Samples) -> np.ndarray:
    return np.rint(made.images * made.levels).astype(np.uint8)


def _labelled(made: Samples) -> np.ndarray:
    """Mask values: background, lesion, and with a third label part of the lesion."""
    values = np.asarray(made.labels, np.uint8)[made.masks.astype(int)]
    if len(made.labels) > 2:
        values[:, ::2] = np.where(made.masks[:, ::2], made.labels[2], values[:, ::2])
    return values


def table(root: Path, made: Samples) -> Path:
    grey, labelled = _grey(made), _labelled(made)
    rows = ["image,mask,z_bin,pathology"]
    for i in range(len(made.images)):
        pair = (labelled[i], grey[i]) if made.swapped else (grey[i], labelled[i])
        for kind, array in zip("im", pair, strict=True):
            _png(root / f"{kind}{i:04d}.png", array)
        rows.append(f"i{i:04d}.png,m{i:04d}.png,{made.z_bin[i]},{made.pathology[i]}")
    (root / "made.csv").write_text("\n".join(rows))
    return root / "made.csv"


def images(root: Path, made: Samples) -> Path:
    grey, labelled = _grey(made), _labelled(made)
    for i in range(len(made.images)):
        name = f"z{made.z_bin[i]:02d}_c{made.pathology[i]}_{i:04d}.png"
        for kind, array in zip(
            ("masks", "images") if made.swapped else ("images", "masks"), (grey[i], labelled[i]), strict=True
        ):
            _png(root / kind / name, array)
    return root


def diffusers(root: Path, made: Samples) -> Path:
    images(root, made)
    lines = [
        {"file_name": f"images/{p.name}", "mask_file_name": f"masks/{p.name}", "z_bin": int(p.name[1:3]),
         "pathology": int(p.name[5])}
        for p in sorted((root / "images").iterdir())
    ]  # fmt: skip
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return root


def arrays(root: Path, made: Samples) -> Path:
    root.mkdir(parents=True)
    image, mask = made.images * made.levels / 255, _labelled(made)
    pair = (mask, image) if made.swapped else (image, mask)
    np.savez(root / "made.npz", images=pair[0], masks=pair[1], z_bin=made.z_bin, pathology=made.pathology)
    return root / "made.npz"


def _slimdiff_pair(made: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Values in [-1, 1]; rows lead to the right, columns to anterior."""
    image = made.images * made.levels / 255 * 2 - 1
    mask = _labelled(made).astype(np.float32) * 2 - 1
    turned = [np.ascontiguousarray(a[:, ::-1].transpose(0, 2, 1)).astype(np.float32) for a in (image, mask)]
    return (turned[1], turned[0]) if made.swapped else (turned[0], turned[1])


def slimdiff(root: Path, made: Samples) -> Path:
    (root / "samples").mkdir(parents=True)
    image, mask = _slimdiff_pair(made)
    rows = []
    for i in range(len(image)):
        b, p = int(made.z_bin[i]), int(made.pathology[i])
        name = f"z{b:02d}_c{p}_s{i:04d}"
        np.savez(root / "samples" / f"{name}.npz", image=image[i], mask=mask[i], z_bin=b, pathology_class=p)
        rows.append({"sample_id": name, "z_bin": b, "pathology_class": p, "token": b + p * made.n_bins})
        rows[-1]["filepath"] = f"samples/{name}.npz"
    with open(root / "generated_samples.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


def replicas(root: Path, made: Samples) -> Path:
    root.mkdir(parents=True)
    image, mask = _slimdiff_pair(made)
    known = {"zbin": made.z_bin, "lesion_present": made.pathology, "seed": np.arange(len(image))}
    np.savez(root / "replica_000.npz", images=image, masks=mask, **known)
    (root / "replica_000_meta.json").write_text(json.dumps({"config": {"z_bins": made.n_bins}}))
    return root


def _volumes(made: Samples) -> list[tuple[nib.Nifti1Image, nib.Nifti1Image]]:
    image, mask = made.images * made.levels / 255, _labelled(made)
    affine = np.diag([made.spacing[1], made.spacing[0], made.spacing[2], 1.0])
    pairs = []
    for first in range(0, len(image), made.depth):
        both = [a[first : first + made.depth].transpose(2, 1, 0)[:, ::-1] for a in (image, mask)]
        both = both[::-1] if made.swapped else both
        pairs.append(
            (nib.Nifti1Image(both[0].astype(np.float32), affine), nib.Nifti1Image(both[1].astype(np.float32), affine))
        )
    return pairs


def _save(path: Path, volume: nib.Nifti1Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(volume, path)


def volumes(root: Path, made: Samples) -> Path:
    for k, (image, mask) in enumerate(_volumes(made)):
        _save(root / "images" / f"{k:02d}.nii", image)
        _save(root / "masks" / f"{k:02d}.nii", mask)
    return root


def nnunet(root: Path, made: Samples) -> Path:
    for k, (image, mask) in enumerate(_volumes(made)):
        _save(root / "imagesTr" / f"c{k:02d}_0000.nii.gz", image)
        _save(root / "labelsTr" / f"c{k:02d}.nii.gz", mask)
    (root / "dataset.json").write_text(json.dumps({"channel_names": {"0": "FLAIR"}}))
    return root


def bids(root: Path, made: Samples) -> Path:
    for k, (image, mask) in enumerate(_volumes(made)):
        folder = root / f"sub-{k:02d}" / "anat"
        _save(folder / f"sub-{k:02d}_FLAIR.nii.gz", image)
        _save(folder / f"sub-{k:02d}_label-lesion_mask.nii.gz", mask)
    return root


def maisi(root: Path, made: Samples) -> Path:
    for k, (image, mask) in enumerate(_volumes(made)):
        scaled = nib.Nifti1Image(np.asarray(image.dataobj) * (1 if made.swapped else 1000), image.affine)
        _save(root / f"sample_20250101_1200{k:02d}_000000_image.nii.gz", scaled)
        _save(root / f"sample_20250101_1200{k:02d}_000000_label.nii.gz", mask)
    return root


FORMS = {
    "table": Form(table, Facts()),
    "images": Form(images, Facts(fields="z{z_bin}_c{pathology}_{}")),
    "diffusers": Form(diffusers, Facts()),
    "arrays": Form(arrays, Facts()),
    "slimdiff": Form(slimdiff, Facts()),
    "slimdiff-replicas": Form(replicas, Facts()),
    "volumes": Form(volumes, Facts(), volumes=True),
    "nnunet": Form(nnunet, Facts(), volumes=True),
    "bids": Form(bids, Facts(), volumes=True),
    "maisi": Form(maisi, Facts(), IntensityFormat((0, 1000)), volumes=True),
}
"""Layouts that faults are planted in."""
