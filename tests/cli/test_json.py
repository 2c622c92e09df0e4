"""``--format json``: every command has it, and stdout is then one JSON object."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calls import call
from conftest import TINY
from jsddpm.cohort.nifti import write_nifti
from jsddpm.training.progress import last_checkpoint
from jsddpm_cli.commands import apps
from jsddpm_cli.usage import parameters
from synthetic import write_store

SETTINGS = [part for s in TINY for part in ("--set", s)]


def shown(*words):
    found = call(*words, "--format", "json")
    assert found.status == 0, found.err
    value = json.loads(found.out, parse_constant=pytest.fail)
    assert isinstance(value, dict)
    return value


def test_every_command_has_a_format():
    commands = {c.callback.__name__: c.callback for group in apps() for c in group.registered_commands}
    assert len(commands) > 20
    without = [n for n, f in commands.items() if not any(p.name.startswith("--format ") for p in parameters(f))]
    assert without == []


def test_a_project_and_its_training(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = shown("init", "--store", store.path, "--preset", "demo")
    assert made == {"out": "jsddpm.yaml", "store": str(store.path), "preset": "demo"}
    trained = shown("train", *SETTINGS)  # of four steps
    assert trained == {"run": "runs/run-001", "checkpoint": "runs/run-001/checkpoints/last.ckpt", "step": 4}
    assert shown("train", "--resume", "--out", "runs/run-001", "--store", store.path) == trained


def test_samples_and_their_parts(run, tmp_path):
    common = ["sample", run, "--out", tmp_path / "s", "--bins", "1,2", "--pathology", 0, "--per-condition", 40]
    first = shown(*common, "--share", "1/2")
    assert first == {"out": str(tmp_path / "s"), "complete": False, "part": 1, "parts": 2}
    whole = {"out": str(tmp_path / "s"), "complete": True, "samples": 80}
    assert shown(*common, "--share", "2/2") == whole
    assert shown(*common) == whole


def test_a_part_of_a_study(tmp_path):
    store = write_store(tmp_path / "store", patients=9)
    common = ["utility", store.path, "--preset", "quick", "--steps", 2, "--seeds", 1, "--folds", 1, "--jobs", 1]
    common += ["--arm", "real", "--arm", "real+copy-paste", "--z-range", 5, 34, "--bins", 2, "--network", "unet"]
    part = shown(*common, "--out", tmp_path / "u", "--share", "1/2")
    assert part == {"out": str(tmp_path / "u"), "complete": False, "part": 1, "parts": 2}


def test_cohorts_and_stores(store, tmp_path):
    made = shown("cohort", "phantom", tmp_path / "bids", "--subjects", 1, "--controls", 0, "--jobs", 1)
    assert made == {"out": str(tmp_path / "bids"), "subjects": 1, "controls": 0}
    rows = [f"{p},{('train', 'val', 'test')[n % 3]}" for n, p in enumerate(sorted(set(store.patients.tolist())))]
    (tmp_path / "fold.csv").write_text("\n".join(["patient,split", *rows]) + "\n")
    divided = shown("cache", "resplit", store.path, tmp_path / "fold.csv", "--out", tmp_path / "other")
    assert {name: part["patients"] for name, part in divided["slices"].items()} == {"train": 2, "val": 2, "test": 2}
    coded = shown("cache", "anonymise", store.path, "--out", tmp_path / "coded", "--key", tmp_path / "key.csv")
    assert coded == {"out": str(tmp_path / "coded"), "kind": "real", "subjects": 6, "slices": len(store.index)}


def test_checkpoints(run, tmp_path):
    last = last_checkpoint(run)
    assert shown("checkpoint", "export", last, tmp_path / "model")["out"] == str(tmp_path / "model")
    new = shown("checkpoint", "rebin", last, "--z-range", 5, 34, "--bins", 3, "--out", tmp_path / "start.ckpt")
    expected = {"out": str(tmp_path / "start.ckpt"), "z_range": [5, 34], "n_bins": 3, "without_trained_bin": []}
    assert new == expected


def test_pages(run, tmp_path):
    assert shown("report", run, "--out", tmp_path / "r.html") == {"out": [str(tmp_path / "r.html")], "figures": []}
    write_nifti(tmp_path / "a.nii.gz", np.ones((8, 9, 10), np.float32), np.eye(4))
    viewed = shown("view", tmp_path / "a.nii.gz", "--out", tmp_path / "v.html")
    assert viewed == {"out": str(tmp_path / "v.html"), "shape": [8, 9, 10], "mask": False}


def test_the_demo_prints_no_table_of_a_stage(tmp_path, monkeypatch):
    monkeypatch.setattr("jsddpm_cli.commands.demo._stage", lambda *_: None)  # the stages take minutes
    monkeypatch.setattr("jsddpm_reports.page.write_page", lambda _, page: page)
    place = tmp_path / "demo"
    assert shown("demo", "--out", place) == {"out": str(place), "report": str(place / "run/evaluation/report.html")}
