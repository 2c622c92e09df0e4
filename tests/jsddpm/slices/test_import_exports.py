"""What jsddpm exports is imported again: the same slices at the same places, with the same conditions."""

from __future__ import annotations

import numpy as np
import pytest

from calls import invoke
from jsddpm.binning import ZBinning
from jsddpm.cohort.nifti import write_nifti
from jsddpm.cohort.orientation import to_volume
from jsddpm.errors import JsddpmError
from jsddpm.exports.dataset import export_stores
from jsddpm.slices.imported import Facts, import_slices
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from synthetic import N_SLICES, SIZE, synthetic_slices

BINNING = ZBinning((5, 34), 3, n_slices=N_SLICES)


def generated(out, *, volumes):
    """Six samples of each of two conditions, out of order; or two volumes of slices 5 to 34."""
    image, mask, _ = synthetic_slices(np.random.default_rng(3), lesion=range(18, 23))
    with new_store(
        out, kind="generated", n_slices=N_SLICES, spacing=(3.0, 2.0, 1.5), binning=BINNING.to_dict(),
        **({"groups": ["a", "b"]} if volumes else {}),
    ) as writer:  # fmt: skip
        if volumes:
            z = np.r_[5:35, 5:35]
            rows = {
                "z_index": z,
                "pathology": mask[z].any((1, 2)),
                "sample": np.arange(60),
                "group": np.repeat([0, 1], 30),
            }
        else:
            z = np.repeat([19, 9], 6)
            sample = np.r_[3, 1, 0, 5, 4, 2, 0:6]
            rows = {"z_index": z, "pathology": np.repeat([1, 0], 6), "sample": sample, "seed": sample + 100}
        noise = np.random.default_rng(4).uniform(0, 0.05, (len(z), *SIZE))
        writer.add(Shard("part", (image[z] + noise).clip(0, 1).astype(np.float32), mask[z], rows))
    return SliceStore(out)


@pytest.mark.parametrize("form", ["nifti", "png", "bids", "nnunet"])
@pytest.mark.parametrize("volumes", [False, True], ids=["slices", "volumes"])
def test_an_export_is_read_as_it_was(store, tmp_path, form, volumes):
    """Stacks of samples were taken for volumes, patients for samples, and single slices could not be read."""
    made = generated(tmp_path / "made", volumes=volumes)
    unit = None if form == "nifti" else "volumes" if volumes else "slices"
    export_stores([made, store], tmp_path / "files", form, unit=unit)
    again = SliceStore(import_slices(tmp_path / "files", tmp_path / "out", binning=BINNING, real=store))
    assert again.info["provenance"]["imported"]["layout"] == "jsddpm"
    told = again.info["provenance"]["imported"]
    assert ("of patients, and left out" in told["notes"][0], told["files_left"]) == (True, [])
    same(made, again, form)


@pytest.mark.parametrize("form", ["nifti", "png", "bids", "nnunet"])
def test_volumes_of_a_slice_in_each_bin_are_read_where_they_were(store, tmp_path, form):
    """31 slices in 5 bins have their middles at uneven places; an integer step was required, or a whole volume."""
    binning = ZBinning((5, 35), 5, n_slices=N_SLICES)
    z = [binning.representative(b) for b in range(5)]
    assert len(set(np.diff(z))) > 1
    image, mask, _ = synthetic_slices(np.random.default_rng(3), lesion=z[2:4])
    with new_store(
        tmp_path / "made", kind="generated", n_slices=N_SLICES, spacing=(3.0, 2.0, 1.5), binning=binning.to_dict(),
        groups=["a", "b"],
    ) as writer:  # fmt: skip
        rows = {
            "z_index": z * 2,
            "pathology": mask[z * 2].any((1, 2)),
            "sample": np.arange(10),
            "group": [0] * 5 + [1] * 5,
        }
        noise = np.random.default_rng(4).uniform(0, 0.05, (10, *SIZE))
        writer.add(Shard("part", (image[z * 2] + noise).clip(0, 1).astype(np.float32), mask[z * 2], rows))
    export_stores([made := SliceStore(tmp_path / "made")], tmp_path / "files", form)
    same(made, SliceStore(import_slices(tmp_path / "files", tmp_path / "out", binning=binning, real=store)), form)


@pytest.mark.parametrize("step", [1, 5])
def test_the_command_says_that_slices_lie_at_several_distances(store, tmp_path, step):
    """Every fifth slice of 1.5 mm beside whole volumes of patients: nnU-Net resamples all to one distance."""
    z = list(range(5, 35, step))
    with new_store(
        tmp_path / "made", kind="generated", n_slices=N_SLICES, spacing=(3.0, 2.0, 1.5), groups=["a"]
    ) as writer:
        rows = {"z_index": z, "pathology": [0] * len(z), "sample": np.arange(len(z)), "group": [0] * len(z)}
        writer.add(Shard("part", np.full((len(z), *SIZE), 0.5, np.float32), np.zeros((len(z), *SIZE), bool), rows))
    words = ["export", "nnunet", store.path, tmp_path / "made", "--out", tmp_path / "files"]
    said = invoke(*words).err
    expected = "several distances: 1.5 mm (6 cases) and 7.5 mm (1 case)"
    assert (expected in " ".join(said.split()), "several" in said) == (step > 1, step > 1)


def test_older_tables_have_evenly_spaced_slices_alone(store, tmp_path):
    made = generated(tmp_path / "made", volumes=True)
    export_stores([made], tmp_path / "files", "nifti")
    table = tmp_path / "files" / "cases.csv"
    rows = [[c for i, c in enumerate(line.split(",")) if i != 11] for line in table.read_text().splitlines()]
    assert "positions" not in rows[0]
    table.write_text("\n".join(map(",".join, rows)))
    same(made, SliceStore(import_slices(tmp_path / "files", tmp_path / "out", binning=BINNING, real=store)), "nifti")
    table.write_text(table.read_text().replace("5,34,30", "5,34,5"))
    with pytest.raises(JsddpmError, match=r"TABLE.*line 2: 5 slices from 5 to 34 are not evenly spaced"):
        import_slices(tmp_path / "files", tmp_path / "bad", binning=BINNING, real=store)


@pytest.mark.parametrize(
    ("form", "layout"), [("nifti", "auto"), ("bids", "auto"), ("nnunet", "auto"), ("nnunet", "nnunet")]
)
def test_an_export_of_patients_alone_has_no_sample(store, tmp_path, form, layout):
    export_stores([store], tmp_path / "files", form)
    with pytest.raises(JsddpmError, match=r"EMPTY.*no generated case: all 6 are of patients"):
        import_slices(tmp_path / "files", tmp_path / "out", binning=BINNING, real=store, layout=layout)


def test_the_layouts_of_cohorts_leave_patients_out(store, tmp_path):
    """They took real patients for samples, which then count as copies or as perfect ones."""
    made = generated(tmp_path / "made", volumes=True)
    for form in ("bids", "nnunet"):
        export_stores([made, store], tmp_path / form, form)
        for name in ("code/provenance.json", "provenance.json"):
            (tmp_path / form / name).unlink(missing_ok=True)  # as in a copy of the images and the list of participants
        facts = Facts(controls=("*",))
        out = import_slices(tmp_path / form, tmp_path / f"{form}-out", binning=BINNING, real=store, facts=facts)
        again = SliceStore(out)
        told = again.info["provenance"]["imported"]
        assert (told["layout"], len(again.info["groups"]), len(again.index)) == (form, 2, 60)
        assert (told["notes"][0], told["files_left"]) == ("6 cases are of patients, and left out", [])


@pytest.mark.parametrize(("first", "begin"), [(None, 12), (9, 9)])
def test_a_volume_of_a_part_of_the_head_is_placed(store, tmp_path, first, begin):
    """17 of 40 slices: the grid outside of the volume became blank samples, 45 % of all."""
    image, mask, _ = synthetic_slices(np.random.default_rng(3), lesion=range(18, 23))
    folder = tmp_path / "files"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for name in ("a", "b"):
        write_nifti(folder / "images" / f"{name}.nii.gz", to_volume(image[9:26]), np.diag([2.0, 3.0, 1.5, 1.0]))
        write_nifti(
            folder / "masks" / f"{name}.nii.gz", to_volume(mask[9:26].astype(np.uint8)), np.diag([2.0, 3.0, 1.5, 1.0])
        )
    facts = Facts(first_slice=first)
    out = SliceStore(import_slices(folder, tmp_path / "out", binning=BINNING, real=store, facts=facts))
    rows = np.flatnonzero(out.groups == 0)
    assert out.index["z_index"][rows].tolist() == list(range(begin, begin + 17))
    assert np.abs(out.images(rows) - image[9:26]).max() < 1e-4
    assert np.array_equal(out.masks(rows), mask[9:26])
    [note] = out.info["provenance"]["imported"]["notes"]
    where = "slices 9 to 25" if first else "the middle, slices 12 to 28 (if they lie elsewhere"
    assert note.startswith(f"2 volumes have 17 of 40 slices: placed at {where}")
    assert note.endswith("; 26 slices of the z-range outside of them left out")  # 13 of 30 each


def same(made, again, form):
    rows = [np.lexsort((s.index["sample"], s.groups, s.index["seed"], s.index["z_index"])) for s in (made, again)]
    for name in ("z_index", "pathology", "seed"):
        assert made.index[name][rows[0]].tolist() == again.index[name][rows[1]].tolist(), name
    assert made.groups[rows[0]].tolist() == again.groups[rows[1]].tolist()
    assert np.abs(made.images(rows[0]) - again.images(rows[1])).max() < (1e-4 if form == "nifti" else 0.003)
    assert np.array_equal(made.masks(rows[0]), again.masks(rows[1]))
