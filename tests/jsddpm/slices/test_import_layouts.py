"""Every generator's output as it lies on disk becomes the same slices, with one command and no hand edit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from generators import EXAMPLES, N_BINS, ONE_BIN, SPACING, Z_RANGE, save_nifti, two
from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm.slices.imported import Facts, IntensityFormat, import_slices
from jsddpm.slices.importing.layouts import import_layouts, layout_of
from jsddpm.slices.store import SliceStore
from jsddpm_eval.slice_table import SliceTable


def binning_of(name, n_slices=40):
    return ZBinning(Z_RANGE, 1 if name in ONE_BIN else N_BINS, n_slices=n_slices)


def imported(name, example, store, out):
    made = import_slices(
        example.source, out, binning=binning_of(name), real=store, intensities=example.reading, facts=example.facts
    )
    return SliceStore(made)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_slices_are_those_that_the_generator_made(name, store, tmp_path):
    layout, write = EXAMPLES[name]
    example = write(tmp_path / "made")
    made = imported(name, example, store, tmp_path / "out")
    rows = np.arange(len(made.index))
    assert made.info["provenance"]["imported"]["layout"] == layout
    assert np.abs(made.images(rows) - example.images).max() < example.tolerance
    assert np.array_equal(made.masks(rows), example.masks)
    assert (made.index["z_index"].tolist(), made.index["pathology"].tolist()) == (example.z, example.pathology)
    names = [*made.info.get("groups", []), ""]
    assert [names[g] for g in made.groups] == example.group
    assert (made.has_masks, made.verify()) == (example.facts.masks, [])


def test_every_layout_has_an_example():
    assert {layout for layout, _ in EXAMPLES.values()} == set(import_layouts())


@pytest.mark.parametrize("name", ["volumes", "slimdiff", "wdm-3d", "monai-2d"])
def test_a_table_in_memory_holds_what_the_store_holds(name, store, tmp_path):
    example = EXAMPLES[name][1](tmp_path / "made")
    stored = SliceTable.from_store(imported(name, example, store, tmp_path / "out"))
    table = SliceTable.from_files(
        example.source, store, binning_of(name), intensities=example.reading, facts=example.facts
    )
    assert (table.has_masks, table.spacing, table.binning) == (stored.has_masks, stored.spacing, stored.binning)
    assert np.abs(table.images.numpy() - stored.images.numpy()).max() < 1e-4
    assert table.z_bin.tolist() == stored.z_bin.tolist()
    same = [t.unit[:, None] == t.unit[None] for t in (table, stored)]
    assert same[0].tolist() == same[1].tolist()


def without(example, **facts):
    return replace(example.facts, **facts)


@pytest.mark.parametrize(
    ("name", "facts", "reading", "message"),
    [
        ("wdm-3d", {"masks": True}, {}, r"IMPORT_FACTS.*makes no masks.*--without-masks"),
        ("wdm-3d", {"pathology": None}, {}, r"IMPORT_FACTS.*conditioned on is not given.*--pathology"),
        ("wdm-3d", {"axes": None}, {}, r"IMPORT_FACTS.*identity.*--axes LPS --spacing 1 1 1"),
        ("wdm-3d", {"spacing": None}, {}, r"IMPORT_FACTS.*identity.*--axes LPS --spacing 1 1 1"),
        ("wdm-3d", {"axes": "LPL"}, {}, r"AXES.*LPL"),
        ("wdm-3d", {}, {"clip": False}, r"SLICE_VALUES.*-0.02.*--clip"),
        ("volumes-beside", {}, {"value_range": None}, r"SLICE_VALUES.*--value-range"),
        ("volumes-beside", {}, {"mask_labels": ()}, r"MASK_LABELS.*0, 4.*--mask-label"),
        ("maisi", {}, {"mask_labels": ()}, r"MASK_LABELS.*0, 1, 2.*--mask-label"),
        ("nv-generate", {"masks": True}, {}, r"IMPORT_FACTS.*--without-masks"),
        ("med-ddpm-brats", {"modality": "t9"}, {}, r"EMPTY.*t9.*--modality"),
        ("monai-2d", {"masks": True}, {}, r"IMPORT_FACTS.*--without-masks"),
        ("images", {"fields": None}, {}, r"IMPORT_FACTS.*in which bin.*--fields"),
        ("images", {"fields": "bin{z_bin}_{}"}, {}, r"IMPORT_FACTS.*conditioned on is not given.*--fields"),
        (
            "images",
            {"fields": "b{z_bin}"},
            {},
            r"FIELDS.*bin0_control_0' does not match b{z_bin}.* 0, 1, control or lesion",
        ),
        ("images", {"fields": "{where}"}, {}, r"FIELDS.*{where}"),
        ("images", {"fields": "{z}{z}"}, {}, r"FIELDS.*twice"),
        ("images", {"pathology": "lesion"}, {}, r"OPTION.*leave out --pathology"),
        ("images", {"axes": "LS"}, {}, r"AXES.*rows and columns"),
        ("images", {"spacing": (1, 1, 1)}, {}, r"OPTION.*apply to volumes"),
        ("medigan", {}, {"mask_threshold": None}, r"SLICE_MASK.*12, 240.*--mask-threshold"),
        ("arrays-folder", {}, {"value_range": None}, r"SLICE_VALUES.*--value-range"),
        ("arrays-folder", {"image_key": "x"}, {}, r"IMPORT_FACTS.*image, mask.*--image-key"),
        ("arrays-folder", {"mask_key": "x"}, {}, r"IMPORT_FACTS.*--mask-key"),
        ("diffusers", {"root": Path("/nowhere")}, {}, r"OUTSIDE.*--root"),
    ],
)
def test_what_files_do_not_say_is_asked_for_by_name(name, facts, reading, message, store, tmp_path):
    example = EXAMPLES[name][1](tmp_path / "made")
    example.facts, example.reading = replace(example.facts, **facts), replace(example.reading, **reading)
    with pytest.raises(JsddpmError, match=re.compile(message, re.DOTALL)):
        imported(name, example, store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def alter(root, name, change):
    """One example with something wrong in its files."""
    example = EXAMPLES[name][1](root)
    change(root)
    return example


def replaced(file, old, new):
    def change(root):
        text = (root / file).read_text()
        assert old in text
        (root / file).write_text(text.replace(old, new))

    return change


def other_mask(root):
    save_nifti(root / "masks" / "case01.nii", two()[1][1], np.diag([2.0, 3.0, 1.6, 1.0]))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("volumes", lambda r: (r / "masks" / "case01.nii").unlink(), r"PAIRS.*case01.nii has no mask"),
        ("volumes", lambda r: (r / "images" / "case01.nii").unlink(), r"PAIRS.*case01.nii has no image"),
        ("volumes", lambda r: (r / "images").rename(r / "imgs"), ""),
        ("volumes", other_mask, r"MASK_AFFINE"),
        ("images", lambda r: (r / "masks").rename(r / "labels"), ""),
        ("slimdiff", replaced("generated_samples.csv", "c1_s0002,4,1,9", "c1_s0002,4,1,24"), r"TABLE.*several numbers"),
        ("slimdiff-replicas", replaced("replicas/replica_000_meta.json", '"z_bins": 5', '"z_bins": 30'), r"BIN.*30"),
        (
            "slimdiff-cache",
            replaced("test.csv", ",33,4,", ",33,3,"),
            r"BIN.*slice 33 is in bin 4.*in bin 3 by the files",
        ),
        ("slimdiff", replaced("generated_samples.csv", "samples/z00", "../z00"), r"OUTSIDE.*--root"),
        ("table", replaced("made.csv", "i0000.png", "/etc/passwd"), r"OUTSIDE.*/etc/passwd.*--root"),
        ("diffusers", replaced("metadata.jsonl", "images/0.png", "images/../../0.png"), r"OUTSIDE.*--root"),
        ("diffusers", replaced("metadata.jsonl", '"file_name": "images/3.png", ', ""), r"TABLE.*no file_name"),
        ("diffusers", replaced("metadata.jsonl", '{"file_name": "images/3.png"', '["file_name"'), r"TABLE.*line 4"),
        ("nnunet", lambda r: (r / "labelsTr" / "syn_000.nii.gz").unlink(), r"MASK_MISSING.*--controls"),
        ("arrays-npy", lambda r: (r / "masks.npy").unlink(), r"IMPORT_FACTS.*masks.npy.*--without-masks"),
        (
            "arrays-npy",
            lambda r: np.save(r / "z_bin.npy", [1, 2]),
            r"SLICE_SHAPE.*z_bin has the shape \(2,\), and there are 4 slices",
        ),
        ("arrays-npy", lambda r: np.save(r / "pathology.npy", [0, 1, 1, 2]), r"PATHOLOGY.*slice 3.*2"),
        ("arrays-npz", lambda r: (r / "made.npz").write_bytes(b"PK"), r"SLICE_FILE.*made.npz"),
        ("arrays-folder", lambda r: np.savez(r / "3.npz", images=np.zeros((2, 32, 24)), masks=0), r"SLICE_FILE.*3.npz"),
    ],
)
def test_one_wrong_file_is_named_or_makes_no_difference(name, change, message, store, tmp_path):
    example = alter(tmp_path / "made", name, change)
    if not message:
        assert len(imported(name, example, store, tmp_path / "out").index) == len(example.images)
        return
    with pytest.raises(JsddpmError, match=re.compile(message, re.DOTALL)):
        imported(name, example, store, tmp_path / "out")


def test_a_folder_that_two_layouts_fit_is_not_guessed(tmp_path):
    for name in ("nnunet", "bids"):
        EXAMPLES[name][1](tmp_path / "both")
    with pytest.raises(JsddpmError, match=r"LAYOUT.*bids and nnunet.*--layout"):
        layout_of(tmp_path / "both")
    assert layout_of(tmp_path / "both", "bids").name == "bids"
    for name in ("images", "volumes"):
        EXAMPLES[name][1](tmp_path / "kinds")
    with pytest.raises(JsddpmError, match=r"LAYOUT.*images and volumes"):
        layout_of(tmp_path / "kinds")


@pytest.mark.parametrize(
    ("source", "layout", "message"),
    [
        ("none", "auto", "MISSING"),
        (".", "auto", "EMPTY.*none of the layouts fits"),
        (".", "x", "LAYOUT.*unknown"),
        (".", "bids", "LAYOUT.*does not have the layout bids"),
    ],
)
def test_no_layout(source, layout, message, tmp_path):
    with pytest.raises(JsddpmError, match=message):
        layout_of(tmp_path / source, layout)


def test_files_that_are_not_taken_are_named(store, tmp_path):
    example = EXAMPLES["med-ddpm-brats"][1](tmp_path / "made")
    made = imported("med-ddpm-brats", example, store, tmp_path / "out")
    left = made.info["provenance"]["imported"]["files_left"]
    first = [f"t1/1_BraTS2021_0000{k}_t1.nii.gz" for k in range(2)]
    assert left == [*first, "t1ce/1_BraTS2021_00000_t1ce.nii.gz", "and 3 more"]


def test_volumes_of_another_grid_are_resampled_about_their_centre(store, tmp_path):
    """Half the voxel size and a margin all around: each voxel twice along each axis."""
    images, masks = two()
    fine = [np.pad(np.repeat(np.repeat(np.repeat(a[0], 2, 0), 2, 1), 2, 2), 6) for a in (images, masks)]
    fine[0][fine[0] > 0.3] = 1  # what interpolation makes of it may leave [0, 1] by a rounding
    affine = np.diag([-1.0, 1.5, 0.75, 1.0])
    save_nifti(tmp_path / "made" / "a_image.nii.gz", fine[0], affine, "LAS")
    save_nifti(tmp_path / "made" / "a_mask.nii.gz", fine[1], affine, "LAS", np.uint8)
    out = import_slices(tmp_path / "made", tmp_path / "out", binning=binning_of("volumes"), real=store.path)
    made = SliceStore(out)
    inside = slice(Z_RANGE[0], Z_RANGE[1] + 1)
    rows = np.arange(len(made.index))
    assert ((made.images(rows) > 0.3) == (images[0][inside] > 0.3)).mean() > 0.99
    assert (made.masks(rows) == masks[0][inside]).mean() > 0.999


def test_window_brings_volumes_to_the_intensities_of_real_ones(store, tmp_path):
    """Whatever the unit: percentiles inside the brain become 0 and 1, as when the store was built."""
    images, masks = two()
    for k, (gain, offset) in enumerate([(1.0, 0.0), (731.0, -40.0)]):
        save_nifti(tmp_path / "made" / "images" / f"{k}.nii.gz", images[0] * gain + offset)
        save_nifti(tmp_path / "made" / "masks" / f"{k}.nii.gz", masks[0], dtype=np.uint8)
    reading = IntensityFormat(window=True)
    out = import_slices(
        tmp_path / "made", tmp_path / "out", binning=binning_of("volumes"), real=store, intensities=reading
    )
    made = SliceStore(out)
    first, second = made.images(np.arange(30)), made.images(np.arange(30, 60))
    assert np.abs(first - second).max() < 1e-3
    assert (first.min(), first.max()) == (0, 1)


def test_volumes_without_an_affine_need_axes_and_spacing(store, tmp_path):
    """A header whose codes are 0 would be read as leading to the left, and the heads mirrored."""
    images, masks = two()
    for kind, volumes in (("images", images), ("masks", masks)):
        (tmp_path / "made" / kind).mkdir(parents=True)
        for k in range(2):
            array = volumes[k].transpose(2, 1, 0)[:, ::-1]  # columns to the right, rows to anterior, slices upwards
            nib.save(nib.Nifti1Image(array.astype(np.float32), None), tmp_path / "made" / kind / f"case0{k}.nii")
    told, inside = Facts(axes="RAS", spacing=SPACING), slice(Z_RANGE[0], Z_RANGE[1] + 1)
    for facts in (Facts(), Facts(axes="RAS"), Facts(spacing=SPACING)):
        with pytest.raises(JsddpmError, match=r"IMPORT_FACTS.*contains no affine.*--axes LPS --spacing 1 1 1"):
            import_slices(
                tmp_path / "made", tmp_path / "out", binning=binning_of("volumes"), real=store.path, facts=facts
            )
    out = import_slices(tmp_path / "made", tmp_path / "out", binning=binning_of("volumes"), real=store, facts=told)
    made = SliceStore(out)
    assert np.abs(made.images(np.arange(30)) - images[0][inside]).max() < 1e-4


def test_a_declared_control_needs_no_mask(store, tmp_path):
    example = EXAMPLES["nnunet"][1](tmp_path / "made")
    (tmp_path / "made" / "labelsTr" / "syn_000.nii.gz").unlink()
    example.facts = Facts(controls=("syn_000",))
    made = imported("nnunet", example, store, tmp_path / "out")
    assert made.index["pathology"].tolist() == [0] * 30 + example.pathology[30:]
    assert (store.spacing[1], store.spacing[0], store.spacing[2]) == SPACING
