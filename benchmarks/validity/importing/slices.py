"""Slices as tools write them, with NumPy and PIL alone: one writer for each form, which returns what is imported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.validity.importing.samples import Samples, colour, grey, mask_values, whole


def save_png(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def _label_maps(made: Samples) -> np.ndarray:
    """Masks in 8 bits; a soft edge is stretched over all of them."""
    values = mask_values(made)
    return np.rint(values * 255).astype(np.uint8) if made.soft else values.astype(np.uint8)


def table(root: Path, made: Samples) -> Path:
    """A table of pictures with their bins."""
    return _table(root, made, "z_bin")


def table_of_positions(root: Path, made: Samples) -> Path:
    """A table of pictures with their axial slices."""
    return _table(root, made, "z")


def _table(root: Path, made: Samples, column: str) -> Path:
    images, masks = made.pair(grey(made.images), _label_maps(made))
    rows = [f"image,mask,{column},pathology"]
    for i, place in enumerate(getattr(made, column)):
        save_png(root / f"i{i:04d}.png", images[i])
        save_png(root / f"m{i:04d}.png", masks[i])
        rows.append(f"i{i:04d}.png,m{i:04d}.png,{place},{made.pathology[i]}")
    (root / "made.csv").write_text("\n".join(rows))
    return root / "made.csv"


def pictures(root: Path, made: Samples) -> Path:
    """PNG in two folders, whose names contain bin and pathology."""
    images, masks = made.pair(grey(made.images), _label_maps(made))
    for i in range(len(images)):
        name = f"bin{made.z_bin[i]:02d}_{'lesion' if made.pathology[i] else 'control'}_{i}.png"
        save_png(root / "images" / name, images[i])
        save_png(root / "masks" / name, masks[i])
    return root


def exported(root: Path, made: Samples) -> Path:
    """Pictures, cases and origin as ``jsddpm export png`` writes them."""
    images, masks = made.pair(grey(made.images), _label_maps(made))
    rows = ["case,synthetic,pathology,z_first,z_last,slices,sample,seed"]
    for i, (z, kind) in enumerate(zip(made.z, made.pathology, strict=True)):
        save_png(root / f"c{i:04d}_image.png", images[i])
        save_png(root / f"c{i:04d}_mask.png", masks[i])
        rows.append(f"c{i:04d},true,{'lesion' if kind else 'control'},{z},{z},1,{i},{i}")
    (root / "cases.csv").write_text("\n".join(rows))
    (root / "provenance.json").write_text(json.dumps({"stores": [{"binning": {"n_bins": made.n_bins}}]}))
    return root


def diffusers(root: Path, made: Samples) -> Path:
    """An image folder with the columns of ControlNet's training data and what the user knows."""
    images, masks = made.pair(grey(made.images), _label_maps(made))
    lines = []
    for i in range(len(images)):
        save_png(root / "images" / f"{i}.png", images[i])
        save_png(root / "conditioning" / f"{i}.png", masks[i])
        files = {"file_name": f"images/{i}.png", "conditioning_image_file_name": f"conditioning/{i}.png"}
        known = {"z": int(made.z[i]), "pathology": int(made.pathology[i]), "group": None}
        lines.append(json.dumps(files | {"text": "flair slice"} | known))
    (root / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return root


def archive(root: Path, made: Samples) -> Path:
    """One npz of everything."""
    root.mkdir(parents=True)
    images, masks = made.pair(made.images, mask_values(made))
    np.savez(root / "made.npz", images=images, masks=masks, z_bin=made.z_bin, pathology=made.pathology)
    return root / "made.npz"


def archives(root: Path, made: Samples) -> Path:
    """A folder of npz, one for each slice, with its axial slice."""
    root.mkdir(parents=True)
    images, masks = made.pair(made.images, mask_values(made))
    for i in range(len(images)):
        np.savez(root / f"{i:04d}.npz", image=images[i], mask=masks[i], z=made.z[i], pathology=made.pathology[i])
    return root


def stacks(root: Path, made: Samples) -> Path:
    """npy of images, masks and every column."""
    root.mkdir(parents=True)
    images, masks = made.pair(made.images, mask_values(made))
    columns = {"images": images, "masks": masks, "z_bin": made.z_bin, "pathology": made.pathology}
    for name, values in columns.items():
        np.save(root / f"{name}.npy", values)
    return root


def _in_slimdiff(made: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Values in [-1, 1] in SLIM-Diff's frame, masks near its ends: rows lead to the right, columns to anterior."""
    image, mask = made.images * 2 - 1, mask_values(made, 0.965, 0.01) * 2 - 1
    turned = [np.ascontiguousarray(a[:, ::-1].transpose(0, 2, 1)).astype(np.float32) for a in (image, mask)]
    return made.pair(*turned)


def slimdiff(root: Path, made: Samples) -> Path:
    """generate.py of version 1.0.0: save_sample_npz, write_generation_index."""
    (root / "samples").mkdir(parents=True)
    image, mask = _in_slimdiff(made)
    rows = []
    for i in range(len(image)):
        b, p = int(made.z_bin[i]), int(made.pathology[i])
        known = {"sample_id": f"z{b:02d}_c{p}_s{i:04d}", "z_bin": b, "pathology_class": p}
        known |= {"token": b + p * made.n_bins, "sample_idx": i}
        path = root / "samples" / f"{known['sample_id']}.npz"
        np.savez_compressed(path, image=image[i], mask=mask[i], **known)
        rows.append(known | {"filepath": f"samples/{path.name}"})
    _write_rows(root / "generated_samples.csv", rows)
    (root / "generation_config.yaml").write_text(f"seed: 42\ntotal_samples: {len(image)}\n")
    return root


def slimdiff_replicas(root: Path, made: Samples) -> Path:
    """generate_replicas.py of commit 57f0ecd: save_replica, float16."""
    (root / "replicas").mkdir(parents=True)
    image, mask = _in_slimdiff(made)
    n, bins, pathology = len(image), made.z_bin.astype(np.int32), made.pathology.astype(np.uint8)
    arrays = {
        "images": image.astype(np.float16), "masks": mask.astype(np.float16), "zbin": bins,
        "lesion_present": pathology, "domain": np.ones(n, np.uint8), "condition_token": bins + pathology * made.n_bins,
        "seed": np.arange(n) + (1 << 40), "k_index": np.arange(n), "replica_id": np.zeros(n, np.int32),
    }  # fmt: skip
    np.savez_compressed(root / "replicas" / "replica_000.npz", **arrays)
    meta = {"replica_id": 0, "n_samples": n, "config": {"z_bins": made.n_bins, "output_dtype": "float16"}}
    (root / "replicas" / "replica_000_meta.json").write_text(json.dumps(meta, indent=2))
    return root


def slimdiff_cache(root: Path, made: Samples) -> Path:
    """caching/base.py of version 1.0.0: the first half of the slices is the training split, each of its own subject."""
    (root / "slices").mkdir(parents=True)
    image, mask = _in_slimdiff(made)
    rows: dict[str, list[dict[str, object]]] = {"train": [], "test": []}
    for i in range(len(image)):
        z, b, p = int(made.z[i]), int(made.z_bin[i]), int(made.pathology[i])
        split = "train" if 2 * i < len(image) else "test"
        known = {"subject_id": f"MRIe_{i:03d}", "z_index": z, "z_bin": b, "pathology_class": p}
        known |= {"token": b + p * made.n_bins, "source": "epilepsy", "split": split, "has_lesion": bool(p)}
        known["lesion_area_px"] = int(made.masks[i].sum())
        path = root / "slices" / f"{known['subject_id']}_z{z:03d}_bin{b:02d}_c{p}.npz"
        np.savez_compressed(path, image=image[i], mask=mask[i], **known)
        rows[split].append({"filepath": f"slices/{path.name}"} | known)
    for split, of_split in rows.items():
        _write_rows(root / f"{split}.csv", of_split)
    (root / "cache_stats.yaml").write_text(f"n: {len(image)}\n")
    return root


def medigan(root: Path, made: Samples) -> Path:
    """Version 1.1: the executor puts batch_N_ before N_img.png and N_mask.png, both in colours, masks not quite 0."""
    values = np.clip(mask_values(made, 240, 12), 0, 255)
    images, masks = made.pair(colour(grey(made.images)), colour(np.rint(values).astype(np.uint8)))
    for i in range(len(images)):
        for role, array in (("img", images[i]), ("mask", masks[i])):
            save_png(root / f"batch_{i // 2}_{i % 2}_{role}.png", array)
    return root


def monai_pictures(root: Path, made: Samples) -> Path:
    """brats_mri_axial_slices_generative_diffusion: 8-bit RGB, turned for a viewer; columns lead to the left."""
    shown = made.pair(grey(made.images), whole(mask_values(made)).astype(np.uint8))[0][:, :, ::-1]
    for i in range(len(shown)):
        save_png(root / f"synimg_sample_20250101_{i:06d}.png", colour(shown[i]))
    return root


def _write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
