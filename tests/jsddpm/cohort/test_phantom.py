"""The demo cohort: same seed, same bytes; anatomy, contrast and lesions as promised."""

from __future__ import annotations

import json
import sys

import nibabel as nib
import numpy as np
import pytest

from jsddpm.cohort.phantom import make_phantom_cohort
from jsddpm.cohort.sources import read_cohort
from jsddpm.errors import ExitStatus, JsddpmError


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_phantom_cohort(tmp_path_factory.mktemp("phantom") / "a", subjects=2, controls=1, seed=5)


@pytest.mark.long
def test_same_seed_same_bytes_whatever_the_number_of_processes(cohort, tmp_path):
    again = make_phantom_cohort(tmp_path / "b", subjects=2, controls=1, seed=5, jobs=2)
    files = sorted(p.relative_to(cohort) for p in cohort.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert all((cohort / f).read_bytes() == (again / f).read_bytes() for f in files)


def test_is_a_bids_tree_that_reads_back(cohort):
    assert [(r.subject, r.group) for r in read_cohort(cohort).require_clean()] == [
        ("sub-001", "patient"), ("sub-002", "control"),
    ]  # fmt: skip
    assert json.loads((cohort / "dataset_description.json").read_text())["BIDSVersion"]


def test_the_lesion_is_one_small_bright_cortical_region(cohort):
    def load(name):
        return nib.load(cohort / "sub-001" / "anat" / f"sub-001_{name}.nii.gz").get_fdata()

    image, mask = load("FLAIR"), load("FLAIR_roi") > 0
    volume = mask.sum() * 1.5**3
    assert 500 < volume < 15000
    brain = image > np.percentile(image, 75)
    ring = np.zeros_like(mask)
    at = np.argwhere(mask)
    low, high = at.min(0) - 4, at.max(0) + 5
    ring[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    ring &= ~mask & brain
    assert 1.05 < np.median(image[mask]) / np.median(image[ring]) < 1.8


def test_controls_have_an_empty_mask(cohort):
    mask = nib.load(cohort / "sub-002" / "anat" / "sub-002_FLAIR_roi.nii.gz").get_fdata()
    assert not mask.any()


def test_a_missing_template_is_named_with_its_cure(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nilearn", None)
    with pytest.raises(JsddpmError, match=r"MISSING_PACKAGE.*nilearn; fix: pip install 'jsddpm\[phantom\]'") as caught:
        make_phantom_cohort(tmp_path / "x")
    assert caught.value.status is ExitStatus.ENVIRONMENT
    assert not list(tmp_path.iterdir())


def test_impossible_counts_are_refused(tmp_path):
    with pytest.raises(JsddpmError, match="PHANTOM"):
        make_phantom_cohort(tmp_path / "x", subjects=2, controls=3)
