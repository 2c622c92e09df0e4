"""The commands of the mission as they are written, in a folder with a jsddpm.yaml and in one without."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from typer.testing import CliRunner

from conftest import TINY
from jsddpm.errors import JsddpmError
from jsddpm_cli.app import app


def jsddpm(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_init_train_and_eval_need_no_option(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = jsddpm("init", "--store", store.path, "--preset", "demo")
    assert found.exit_code == 0, found.stderr
    assert found.stdout == "jsddpm.yaml\n"
    settings = [part for s in TINY for part in ("--set", s)]
    trained = jsddpm("train", *settings)
    assert trained.exit_code == 0, trained.stderr
    assert "run runs/run-001" in " ".join(trained.stderr.split())
    again = jsddpm("train", *settings)
    assert "runs/run-002" in again.stderr
    evaluated = jsddpm("eval", "--format", "json")
    assert evaluated.exit_code == 0, evaluated.stderr
    assert "run runs/run-002" in " ".join(evaluated.stderr.split())
    assert json.loads(evaluated.stdout)["provenance"]["checkpoint"]["step"] == 4
    assert (tmp_path / "runs" / "run-002" / "evaluation" / "report.html").is_file()


def test_a_folder_with_an_interrupted_run_offers_to_continue_it(store, run, tmp_path, monkeypatch):
    """The metrics of the run end before its last step."""
    monkeypatch.chdir(tmp_path)
    jsddpm("init", "--store", store.path, "--preset", "demo")
    begun = tmp_path / "runs" / "run-001"
    shutil.copytree(run, begun)
    settings = (begun / "config.yaml").read_text()
    (begun / "config.yaml").write_text(re.sub(r"max_steps: \d+", "max_steps: 4000", settings))
    found = jsddpm("eval", "--bin-aware")
    assert found.exception.code == "NO_RUN"
    assert "jsddpm train --resume" in found.exception.fix


@pytest.mark.parametrize("command", [("train",), ("eval", "--bin-aware"), ("train", "--resume")])
def test_elsewhere_the_error_shows_what_is_missing(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    found = jsddpm(*command)
    assert isinstance(found.exception, JsddpmError)
    assert found.exception.status == 2
    assert "this folder has no jsddpm.yaml" in str(found.exception)
    assert "jsddpm " in found.exception.fix


def test_several_processes_are_told_to_name_the_run(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jsddpm("init", "--store", store.path, "--preset", "demo")
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "RANK": 1, "LOCAL_RANK": 1, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    for name, value in torchrun.items():
        monkeypatch.setenv(name, str(value))
    found = jsddpm("train")
    assert "--out" in str(found.exception)
    assert not (tmp_path / "runs").exists()


def test_the_store_chooses_the_preset_where_none_is_named(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = [part for s in TINY for part in ("--set", s)]
    trained = jsddpm("train", "--store", store.path, "--out", "run", *settings)
    assert trained.exit_code == 0, trained.stderr
    begun = jsddpm("init", "--store", store.path)
    assert "preset: real64\n" in (tmp_path / "jsddpm.yaml").read_text(encoding="utf-8")
    height, width = store.size
    for said in (begun.stderr, trained.stderr):
        assert f"preset real64, because its slices have {height}x{width} pixels" in " ".join(said.split())
