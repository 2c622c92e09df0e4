"""Faults planted into imports, each written as a tool would write it: refused, or named before any score."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.validity.importing.faults import FAULTS
from benchmarks.validity.importing.forms import FORMS
from benchmarks.validity.importing.tables import by_fault, by_form
from benchmarks.validity.importing.world import imported, outcome, world
from jsddpm.binning import ZBinning
from jsddpm.slices.importing.layouts import import_layouts
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm_cli.app import main
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.import_check.check import ImportCheck, suspicions
from jsddpm_eval.slice_table import SliceTable

DEPTH, SIZE, PEOPLE = 24, 32, 40


def head(rng, lesion):
    """A head that grows with z, brighter in front and on its right, with a dark hole on its left, and a lesion."""
    z, y, x = np.meshgrid(np.arange(DEPTH), np.linspace(-1, 1, SIZE), np.linspace(-1, 1, SIZE), indexing="ij")
    y, x = y + 0.03 * rng.standard_normal(), x + 0.03 * rng.standard_normal()
    radius = 0.45 + 0.4 * z / DEPTH + 0.02 * rng.standard_normal()
    inside = (y / 1.1) ** 2 + (x / 0.9) ** 2 < radius**2
    image = 0.45 - 0.12 * y + 0.05 * x + 0.03 * rng.standard_normal()
    image = np.where((y - 0.1) ** 2 + (x + 0.25) ** 2 < 0.02 * (1 + z / DEPTH), 0.15, image)
    mask = np.zeros(image.shape, bool)
    if lesion:
        at = rng.uniform(-0.3, 0.3), rng.choice([-1, 1]) * rng.uniform(0.15, 0.3)  # to one side
        mask = ((y - at[0]) ** 2 + (x - at[1]) ** 2 < 0.013) & inside & (z > 3) & (z < 20)
        image = np.where(mask, image + 0.25, image)
    image = np.where(inside, image, 0) + 0.02 * rng.random(image.shape)
    image[:, SIZE // 2, SIZE // 2] = 1  # the greatest value of a volume that some tools scale by
    return np.clip(image, 0, 1).astype(np.float32), mask


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    """Half of these people are real, the others are what a perfect generator shows."""
    path = tmp_path_factory.mktemp("heads") / "store"
    with new_store(path, kind="real", n_slices=DEPTH, spacing=(2.0, 2.0, 3.0)) as writer:
        for p in range(PEOPLE):
            image, mask = head(np.random.default_rng(p), lesion=p % 4 != 0)
            rows = {"z_index": np.arange(DEPTH), "pathology": mask.any(axis=(1, 2)), "split": 0}
            writer.add(Shard(f"sub-{p:02d}", image, mask, rows, {"patient": f"p{p:02d}", "split": "train"}))
    return world(path, 0, bins=4, slices=96, volumes=20)


@pytest.fixture(scope="module")
def faithful(at, tmp_path_factory):
    """What each layout's files become without a fault."""
    folder = tmp_path_factory.mktemp("faithful")
    return {n: imported(at, f, at.samples(f), folder) for n, f in FORMS.items()}


def test_every_layout_has_a_form():
    assert {form.layout for form in FORMS.values()} == set(import_layouts())


@pytest.mark.parametrize("form", FORMS)
def test_a_faithful_import_is_accused_of_nothing(form, at, faithful):
    assert at.side(FORMS[form]).names(faithful[form]) == []


UNSEEN = {
    "masks of the next slice",
    "slices numbered from 1",
    "half of the samples mirrored",
    "one sample of 20 of another contrast",
}
"""Faults by which these heads differ as well; the table of the docs says how often they are missed in patients."""


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=lambda n: FAULTS[n].name.replace(" ", "-"))
def test_a_planted_fault_is_refused_or_named(number, at, faithful, tmp_path):
    """Each in one form of each kind; the benchmark plants every one in every form."""
    fault = FAULTS[number]
    forms = [
        [n for n, f in FORMS.items() if f.volumes == volumes and f.facts.masks and f.binned]
        for volumes in (False, True)
    ]
    for kind, names in zip(("slices", "volumes"), forms, strict=True):
        if kind not in fault.kinds or fault.name in UNSEEN:
            continue
        name = names[number % len(names)]
        result, found = outcome(at, FORMS[name], fault, faithful[name], 0, tmp_path)
        assert result in ("refused", "named", "named otherwise", "no effect"), (name, found)


def test_the_tables_count_what_became_of_each_fault():
    results = {
        "inverted": ("named", "missed", "no effect"),
        "transposed": ("refused",),
    }
    rows = [{"fault": f, "form": "table", "outcome": o} for f, outcomes in results.items() for o in outcomes]
    faithful = [{"form": form, "outcome": o} for form, o in (("table", "calm"), ("bids", "false alarm"))]
    assert "| inverted | 2 | 0 | 1 | 0 | 0 | 1 | 1 |" in by_fault(rows)
    assert "| all | 3 | 1 | 1 | 0 | 0 | 1 | 1 |" in by_fault(rows)
    assert "| table | 3 | 1 | 1 | 0 | 0 | 1 | 1 | 1 | 0 |" in by_form(rows, faithful)
    assert "| all | 3 | 1 | 1 | 0 | 0 | 1 | 1 | 2 | 1 |" in by_form(rows, faithful)


def generated(at, images, masks=None):
    s = at.slices
    return SliceTable.from_arrays(
        images, masks, z_bin=s.z_bin, pathology=s.pathology, binning=at.binned.binning, spacing=(2.0, 2.0, 3.0)
    )


def test_what_is_suspected_stands_before_the_verdict(at):
    real = SliceTable.from_store(at.binned.store, at.binned.binning)
    turned = generated(at, at.slices.images[:, ::-1].copy(), at.slices.masks[:, ::-1].copy())
    first, *others = evaluate(real, turned, metrics=["head"], features=["radiomics"]).verdict
    assert first.startswith("Before any score: slices look mirrored front to back beside real ones of their bins; if")
    assert "--axes AR" in first
    assert "compared with slices of" in " ".join(others)


def test_moved_heads_are_neither_turned_nor_of_another_bin(at):
    """By 3 of 32 pixels up or down and left or right; every image is the perfect one."""
    rng = np.random.default_rng(1)
    images, masks = (
        np.stack([np.roll(x, tuple(move), (0, 1)) for x, move in zip(a, moves, strict=True)])
        for moves in [3 * rng.choice([-1, 1], (len(at.slices.images), 2))]
        for a in (at.slices.images, at.slices.masks)
    )
    found = {s.name for s in at.binned.check.suspicions(generated(at, images, masks))}
    assert not found & {"part turned", "order", "orientation"}


@pytest.mark.parametrize(("air", "said"), [(0.003, False), (0.02, True)])
def test_air_that_is_brighter_by_less_than_a_grey_level_is_no_suspicion(at, air, said):
    """Compression leaves traces of this size; more has noise, or compression, as a cause too."""
    real = SliceTable.from_store(at.binned.store, at.binned.binning)
    quiet = SliceTable.from_arrays(
        real.images * (real.images > 0.05), real.masks, z_bin=real.z_bin, pathology=real.pathology,
        patient=real.patient, binning=at.binned.binning,
    )  # fmt: skip
    faulty = np.where(at.slices.images > 0.05, at.slices.images, air).astype(np.float32)
    found = [str(s) for s in suspicions(quiet, generated(at, faulty), at.binned.binning) if s.name == "intensity"]
    assert [("outside the head" in s, "noise or lossy compression" in s) for s in found] == [(True, True)] * said


def test_what_cannot_be_told_is_said(at):
    few = generated(at, at.slices.images).where(torch.arange(2))
    assert "left and right" in at.binned.check.untold(few)[0]
    assert at.binned.check.untold(generated(at, at.slices.images)) == []
    controls = generated(at, at.slices.images, at.slices.masks).where(torch.from_numpy(at.slices.pathology == 0))
    assert "no slice is of a lesion" in at.binned.check.untold(controls)[-1]


def test_without_pixels_masks_or_patients_nothing_is_made_up(at):
    real = SliceTable.from_store(at.binned.store, at.binned.binning)
    nothing = SliceTable.from_arrays(None, z_bin=[0, 1], pathology=[0, 1], binning=at.binned.binning)
    assert suspicions(real, nothing, at.binned.binning) == []
    assert suspicions(real, generated(at, at.slices.images), at.binned.binning) == []
    two = real.where(real.patient < 2)
    assert ImportCheck(two, at.binned.binning).suspicions(generated(at, 1 - at.slices.images)) == []
    assert ImportCheck(two, at.binned.binning).untold(generated(at, at.slices.images)) != []
    noise = torch.rand((6, 16, 16), generator=torch.Generator().manual_seed(0))
    small = SliceTable.from_arrays(noise, z_bin=[0] * 6, pathology=[0] * 6, patient=[0, 1, 2, 3, 4, 5])
    blank = SliceTable.from_arrays(np.zeros((6, 16, 16)), z_bin=[0] * 6, pathology=[0] * 6)
    assert {s.name for s in suspicions(small, blank, ZBinning((0, 0), 1, n_slices=1))} == {"blank"}


def test_the_command_warns(at, monkeypatch, capsys, tmp_path):
    source = FORMS["arrays, npz"].write(tmp_path / "made", at.slices)
    with np.load(source) as arrays:
        np.savez(source, **dict(arrays) | {"images": 1 - arrays["images"]})
    asked = ["--real", at.binned.store.path, "--z-range", 0, DEPTH - 1, "--bins", 4]
    for name, more, warned in (("inverted", [], True), ("right", ["--value-range", 1, 0], False)):
        words = ["jsddpm", "cache", "import", source, *asked, "--out", tmp_path / name, *more]
        monkeypatch.setattr("sys.argv", [*map(str, words)])
        with pytest.raises(SystemExit, match="0"):
            main()
        said = capsys.readouterr().err
        assert ("warning: slices look inverted" in said, said.count("warning")) == (warned, 1)
        assert ("96 of 96 slices equal real ones" in said) != warned  # they are of patients of this store
        assert SliceStore(tmp_path / name).verify() == []


def test_what_jsddpm_drew_itself_was_not_imported(store, generated):
    """Samples of four steps look like nothing: suspected as arrays, and not in the store they were drawn into."""
    own, binning = SliceTable.from_store(generated), generated.binning
    real = SliceTable.from_store(store, binning)
    arrays = SliceTable.from_arrays(
        own.images, own.masks, pathology=own.pathology, z_index=own.z_index, binning=binning, spacing=own.spacing
    )
    assert suspicions(real, arrays, binning)
    assert suspicions(real, own, binning) == []
