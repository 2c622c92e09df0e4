"""A store to give away: the same pixels and splits under codes, and no name in any byte."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jsddpm.anonymise import Codes, codes_of
from jsddpm.binning import ZBinning
from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.records import Record
from jsddpm.errors import JsddpmError
from jsddpm.slices.anonymised import anonymised_store
from jsddpm.slices.build import build_slice_cache
from jsddpm.slices.description import Description, check_description
from jsddpm.slices.resplit import resplit
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from synthetic import write_bids

PEOPLE = [("Zoe_Meier", ""), ("Yusuf", "2019-03-11"), ("Yusuf", "2020-03-11"), ("Xaver", "")]


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A store built from files that are named after the patients."""
    folder = tmp_path_factory.mktemp("named")
    write_bids(folder / "bids", 4, lesion=(6, 20))
    records = []
    for number, (patient, session) in enumerate(PEOPLE):
        source, stem = folder / "bids" / f"sub-{number:02d}" / "anat", f"scan_of_{patient}{session}"
        files = [(source / f"sub-{number:02d}_{kind}.nii.gz").rename(folder / f"{stem}_{kind}.nii.gz")
                 for kind in ("FLAIR", "FLAIR_roi")]  # fmt: skip
        name = f"{patient}_{session}" if session else patient
        records.append(Record(name, patient, session, "control" if number % 2 else "patient", *files))
    spec = Preprocessing((24, 32, 28), (3.0, 3.0, 3.0))
    build_slice_cache(records, folder / "store", spec=spec, z_range=(6, 21))
    return SliceStore(folder / "store")


@pytest.fixture
def codes(named, tmp_path):
    return codes_of(tmp_path / "key.csv", named.subjects, shared=[])


def test_pixels_positions_and_splits_are_those_of_the_patient(named, codes, tmp_path):
    made = SliceStore(anonymised_store(named, codes, tmp_path / "made"))
    assert made.verify() == []
    assert (made.kind, made.size, made.spacing, made.z_range) == (named.kind, named.size, named.spacing, named.z_range)
    assert sorted(s["name"] for s in made.subjects) == [s["name"] for s in made.subjects]
    places = {s["name"]: i for i, s in enumerate(made.subjects)}
    for number, subject in enumerate(named.subjects):
        there = places[codes.images[subject["name"]]]
        rows, others = (np.flatnonzero(s.index["subject"] == i) for s, i in ((named, number), (made, there)))
        assert set(made.patients[others]) == {codes.patients[subject["patient"]]}
        assert made.subjects[there]["split"] == subject["split"]
        for column in set(named.index.dtype.names) - {"subject"}:
            assert np.array_equal(named.index[column][rows], made.index[column][others], equal_nan=True)
        assert np.array_equal(named.levels(rows), made.levels(others))
        assert np.array_equal(named.masks(rows), made.masks(others))


def test_no_byte_names_a_patient_a_session_or_a_file(named, codes, tmp_path):
    made = anonymised_store(named, codes, tmp_path / "made")
    words = [w.encode() for pair in PEOPLE for w in pair if w] + [b"scan_of", b"FLAIR", b"nii", str(tmp_path).encode()]
    hashes = [f["sha256"].encode() for s in named.subjects for f in s["source"].values() if f]
    assert len(hashes) == 2 * len(PEOPLE)
    plain = (named.path / "store.json").read_bytes()
    assert all(word in plain for word in [*words[:-1], *hashes])
    for path in made.rglob("*"):
        data = path.name.encode() + (path.read_bytes() if path.is_file() else b"")
        assert not [word for word in [*words, *hashes] if word in data]


def test_a_fold_does_not_name_its_table(named, codes, tmp_path):
    table = "patient,split\n" + "".join(f"{p},train\n" for p in sorted({p for p, _ in PEOPLE}))
    (tmp_path / "clinic.csv").write_text(table)
    fold = SliceStore(resplit(named, tmp_path / "clinic.csv", tmp_path / "fold"))
    made = anonymised_store(fold, codes, tmp_path / "made")
    assert "clinic" not in (made / "store.json").read_text()
    assert {s["split"] for s in SliceStore(made).subjects} == {"train"}


def test_of_a_generated_store_volumes_and_tables_lose_their_names(tmp_path):
    binning = ZBinning((0, 9), 2, n_slices=10)
    groups = [f"made_from_{name}" for name in ("Ada", "Bea", "Cid")]
    with new_store(
        tmp_path / "store", kind="generated", n_slices=10, spacing=(1, 1, 1), binning=binning.to_dict(), seed=3,
        groups=groups, provenance={"imported": {"table": "of_Ada.csv"}},
    ) as writer:  # fmt: skip
        columns = {"z_index": range(4), "pathology": 0, "sample": range(4), "group": [0, 0, 2, -1]}
        writer.add(Shard("imported-0000", np.zeros((4, 8, 8), np.float32), np.zeros((4, 8, 8), bool), columns))
    made = SliceStore(anonymised_store(SliceStore(tmp_path / "store"), Codes({}, {}), tmp_path / "made"))
    text = json.dumps(made.info)
    assert not [name for name in ("Ada", "Bea", "Cid", "table") if name in text]
    a, b, c, alone = made.groups.tolist()
    assert (a == b, a != c, alone) == (True, True, -1)
    assert len(made.info["groups"]) == 3
    assert made.binning == binning


MADE_ANEW = {"index", "subjects", "groups"}  # the order, names and volumes of the slices
GENERATED = {"kind": "generated", "n_slices": 10, "spacing": (1, 2, 3), "masks": False}


def test_every_field_of_a_store_that_is_read_is_carried_over(named, codes, tmp_path):
    """``masks`` was left out: the copy of a store without masks had empty ones, which were scored."""
    with new_store(
        tmp_path / "store", **GENERATED, binning=ZBinning((0, 9), 2, n_slices=10).to_dict(), groups=["of_Ada"],
        provenance={"imported": {"layout": "table", "table": "of_Ada.csv", "files_sha256": "ab"}},
    ) as writer:  # fmt: skip
        columns = {"z_index": range(4), "pathology": 0, "sample": range(4), "group": [0, 0, 0, -1]}
        writer.add(Shard("imported-0000", np.zeros((4, 8, 8), np.float32), np.zeros((4, 8, 8), bool), columns))
    store = SliceStore(tmp_path / "store")
    made = SliceStore(anonymised_store(store, Codes({}, {}), tmp_path / "made"))
    real = SliceStore(anonymised_store(named, codes, tmp_path / "real"))
    told = set()
    for before, after in ((store, made), (named, real)):
        first, second = (check_description(s.info, s.path) for s in (before, after))
        told |= first.model_fields_set
        fields = set(Description.model_fields) - MADE_ANEW
        assert {f: getattr(second, f) for f in fields} == {f: getattr(first, f) for f in fields}
    assert told == set(Description.model_fields)
    assert (made.has_masks, made.info["provenance"]) == (False, {"imported": {"layout": "table"}})


def test_an_image_without_a_code_is_refused(named, tmp_path):
    with pytest.raises(JsddpmError, match=r"KEY.*has no code"):
        anonymised_store(named, Codes({}, {}), tmp_path / "made")
    assert not (tmp_path / "made").exists()
