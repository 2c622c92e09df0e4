"""The commands of the mission as they are written, in a folder with a jsddpm.yaml and in one without."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from calls import invoke
from conftest import TINY
from jsddpm.config import load_config
from jsddpm.errors import JsddpmError


def test_init_train_and_eval_need_no_option(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = invoke("init", "--store", store.path, "--preset", "demo")
    assert found.status == 0, found.err
    assert found.out == "jsddpm.yaml\n"
    settings = [part for s in TINY for part in ("--set", s)]
    trained = invoke("train", *settings)
    assert trained.status == 0, trained.err
    assert "run runs/run-001" in " ".join(trained.err.split())
    again = invoke("train", *settings)
    assert "runs/run-002" in again.err
    evaluated = invoke("eval", "--format", "json")
    assert evaluated.status == 0, evaluated.err
    assert "run runs/run-002" in " ".join(evaluated.err.split())
    assert json.loads(evaluated.out)["provenance"]["checkpoint"]["step"] == 4
    assert (tmp_path / "runs" / "run-002" / "evaluation" / "report.html").is_file()


def test_a_folder_with_an_interrupted_run_offers_to_continue_it(store, run, tmp_path, monkeypatch):
    """The metrics of the run end before its last step."""
    monkeypatch.chdir(tmp_path)
    invoke("init", "--store", store.path, "--preset", "demo")
    begun = tmp_path / "runs" / "run-001"
    shutil.copytree(run, begun)
    settings = (begun / "config.yaml").read_text()
    (begun / "config.yaml").write_text(re.sub(r"max_steps: \d+", "max_steps: 4000", settings))
    found = invoke("eval", "--bin-aware")
    assert found.error.code == "NO_RUN"
    assert "jsddpm train --resume" in found.error.fix


@pytest.mark.parametrize("command", [("train",), ("eval", "--bin-aware"), ("train", "--resume")])
def test_elsewhere_the_error_shows_what_is_missing(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    found = invoke(*command)
    assert isinstance(found.error, JsddpmError)
    assert found.error.status == 2
    assert "this folder has no jsddpm.yaml" in str(found.error)
    assert "jsddpm " in found.error.fix


def test_several_processes_are_told_to_name_the_run(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    invoke("init", "--store", store.path, "--preset", "demo")
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "RANK": 1, "LOCAL_RANK": 1, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    for name, value in torchrun.items():
        monkeypatch.setenv(name, str(value))
    found = invoke("train")
    assert "--out" in str(found.error)
    assert not (tmp_path / "runs").exists()


def test_the_store_chooses_the_preset_where_none_is_named(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = [part for s in TINY for part in ("--set", s)]
    trained = invoke("train", "--store", store.path, "--out", "run", *settings)
    assert trained.status == 0, trained.err
    begun = invoke("init", "--store", store.path)
    assert "preset: real64\n" in (tmp_path / "jsddpm.yaml").read_text(encoding="utf-8")
    height, width = store.size
    for said in (begun.err, trained.err):
        assert f"preset real64, because its slices have {height}x{width} pixels" in " ".join(said.split())


def test_the_settings_of_a_project_are_for_its_store_alone(store, tmp_path, monkeypatch):
    """The project asks for 6 bins of slices 8 to 33; the preset real64 has 10, and the copy proposes no range."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(store.path, tmp_path / "other")
    binning = "binning: {z_range: [8, 33], n_bins: 6}"
    (tmp_path / "jsddpm.yaml").write_text(f"store: {store.path}\npreset: demo\n{binning}\n")
    settings = [part for s in TINY if not s.startswith("binning") for part in ("--set", s)]
    named = invoke("train", "--store", store.path, "--out", "mine", *settings)
    assert named.status == 0, named.err
    assert "jsddpm.yaml: preset demo with changed binning" in " ".join(named.err.split())
    binning = load_config("mine/config.yaml").binning
    assert (binning.z_range, binning.n_bins) == ((8, 33), 6)
    ranged = [*settings, "--set", "binning.z_range=[5,34]"]
    other = invoke("train", "--store", "other", "--out", "theirs", *ranged)
    assert other.status == 0, other.err
    said = " ".join(other.err.split())
    assert "the settings of jsddpm.yaml are not used" in said
    assert "preset real64, because" in said
    assert load_config("theirs/config.yaml").binning.n_bins == 10


def test_a_run_is_resumed_on_its_own_store(store, run, tmp_path):
    moved = tmp_path / "a" / "run"
    shutil.copytree(run, moved)
    beside = shutil.copytree(run, run.with_name("resumed"))  # the run names its store by the way from its folder
    found = invoke("train", "--resume", "--out", beside)
    assert found.status == 0, found.err
    assert f"store {store.path.resolve()}, on which {beside} was trained" in " ".join(found.err.split())
    lost = invoke("train", "--resume", "--out", moved)
    assert (lost.error.code, lost.error.status) == ("MISSING", 2)
    assert "--store STORE" in lost.error.fix
