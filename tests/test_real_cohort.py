"""On real patients, where they are at hand: copies are found and named, slices of new patients are none, faults are.

A short form of ``benchmarks/validity``. ``JSDDPM_REAL_COHORT`` names their folder, a BIDS tree.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from benchmarks.validity.alterations import LISTED
from documented import ROOT
from jsddpm.binning import ZBinning
from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.sources import read_cohort
from jsddpm.slices.build import build_slice_cache
from jsddpm.slices.store import SliceStore
from jsddpm_eval.evaluation import evaluate, evaluate_in_detail
from jsddpm_eval.selftest.cohort import divided
from jsddpm_eval.selftest.fault import known_faults
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.through_plane import through_plane

COHORT = os.environ.get("JSDDPM_REAL_COHORT")
PATIENTS, TRAINING, HELD_OUT = 36, 14, 8
KINDS = ("mirrored", "turned 10 degrees", "moved 6 px along both axes", "gamma 0.7", "warped by at most 2 px")
METRICS = ("sharpness", "intensity", "outline", "lesion_contrast", "lesion_form")

pytestmark = pytest.mark.skipif(not COHORT, reason="JSDDPM_REAL_COHORT names no cohort of real patients")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    records = read_cohort(Path(COHORT)).require_clean()[:PATIENTS]
    out = tmp_path_factory.mktemp("real") / "store"
    build_slice_cache(records, out, spec=Preprocessing((64, 64, 88), (3.75, 3.75, 1.75)), z_range="auto")
    return SliceStore(out)


@pytest.fixture(scope="module")
def binning(store):
    return ZBinning(store.z_range, 10, n_slices=store.n_slices)


class Division:
    """Slices of training, held-out and unseen patients, each with a head in it."""

    def __init__(self, store, binning):
        self.rng = np.random.default_rng(0)
        rows = store.select(binning=binning)
        images = store.images(rows)
        rows = rows[(images > 0.05).mean((1, 2)) > 0.1]
        self.images, self.masks = store.images(rows), store.masks(rows)
        self.patient = store.patients[rows]
        self.z_bin = np.asarray(binning.index(store.index["z_index"][rows].astype(int)))
        people = self.rng.permutation(np.unique(self.patient))
        sides = np.split(people, [TRAINING, TRAINING + HELD_OUT])
        self.training, self.held_out, self.unseen = (np.flatnonzero(np.isin(self.patient, side)) for side in sides)
        self.real = self.table(np.concatenate([self.training, self.held_out]), self.held_out)

    def table(self, rows, held_out=()):
        pathology = self.masks[rows].any((1, 2)).astype(int)
        return SliceTable.from_arrays(
            self.images[rows], self.masks[rows], z_bin=self.z_bin[rows], pathology=pathology,
            patient=self.patient[rows], held_out=np.isin(rows, held_out),
        )  # fmt: skip

    def samples(self, copied, fresh):
        """Training slices, altered by one kind after another, and slices of unseen patients."""
        rows = self.rng.permutation(self.training)[:copied]
        parts = [
            LISTED[kind](self.images[r], self.masks[r], self.rng)
            for kind, r in zip(KINDS, np.array_split(rows, len(KINDS)), strict=True)
        ]
        new = self.rng.permutation(self.unseen)[:fresh]
        images, masks = (
            np.concatenate([*(part[k] for part in parts), whole[new]])
            for k, whole in enumerate((self.images, self.masks))
        )
        rows = np.concatenate([rows, new])
        asked = {"z_bin": self.z_bin[rows], "pathology": self.masks[rows].any((1, 2)).astype(int)}
        return SliceTable.from_arrays(images, masks, **asked), rows


@pytest.fixture(scope="module")
def division(store, binning):
    return Division(store, binning)


@pytest.mark.long
def test_copies_are_found_and_their_patients_named(division):
    samples, rows = division.samples(60, 60)
    detail = evaluate_in_detail(division.real, samples, metrics=["copies"], features=())
    copied = detail.per_slice["copy_score"].numpy()[:60] > 1
    place = detail.per_slice["copy_row"].numpy()[:60][copied].astype(int)
    named = np.array(division.real.patient_names)[place]
    assert copied.mean() >= 0.95
    assert (named == division.patient[rows[:60]][copied]).mean() >= 0.95
    assert (detail.per_slice["copy_score"].numpy()[60:] > 1).sum() <= 3


@pytest.mark.long
@pytest.mark.parametrize(("copied", "fresh"), [(20, 60), (10, 70)])
def test_a_quarter_and_an_eighth_of_copies_are_named(division, copied, fresh):
    samples, _ = division.samples(copied, fresh)
    results = evaluate(division.real, samples, metrics=["copies"], features=())
    (whole,) = (f for f in results.findings if (f.check, f.z_bin, f.pathology) == ("copied", None, None))
    low, high = results["copied_train_share"].interval
    assert whole.answer == "off"
    assert low <= copied / (copied + fresh) <= high


@pytest.fixture(scope="module")
def cohort(store, binning):
    return divided(store, binning, seed=0)


@pytest.mark.parametrize("name", [None, "blur", "masks_permuted"])
def test_a_fault_is_named_and_none_where_there_is_none(cohort, name):
    rng = np.random.default_rng(3)
    world = cohort.world(4, rng)
    fault = known_faults().get(name)
    made = fault.generate(world, fault.strengths[-1], rng) if fault else world.perfect
    results = evaluate(cohort.table, cohort.generated(made), metrics=METRICS, features=())
    off = {f.check for f in results.findings if f.answer == "off"}
    assert off & set(fault.expected) if fault else not off


@pytest.mark.parametrize("exchanged", [False, True])
def test_volumes_of_slices_of_several_patients_are_told_from_whole_ones(cohort, exchanged, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "validity"))
    stacks = import_module("benchmarks.validity.stacks")
    slices, rows = cohort.slices, cohort.source
    condition, among = 2 * slices.z_bin[rows] + slices.pathology[rows], np.full(len(rows), exchanged)
    volumes = stacks.volumes_of(cohort, rows, stacks.exchanged(rows, condition, among, np.random.default_rng(0)))
    off = {score.name for score in through_plane(cohort.table, volumes) if score.answer == "off"}
    assert off == ({"plane_gradient", "plane_ssim", "lesion_continuity"} if exchanged else set())
