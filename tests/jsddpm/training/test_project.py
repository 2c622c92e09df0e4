"""A folder with a jsddpm.yaml: what it chooses, and where it refuses to choose."""

from __future__ import annotations

import os
import shutil

import pytest

from jsddpm.config import load_config, write_config
from jsddpm.errors import JsddpmError
from jsddpm.files import write_json
from jsddpm.training.project import PROJECT, Project, found_store, write_project


def begun(folder, *, step, checkpoint=True, when=None, killed=False):
    """A run folder of two steps, as training leaves it, or a kill after the log of the last check."""
    (folder / "checkpoints").mkdir(parents=True)
    write_config(
        folder / "config.yaml",
        load_config("demo", ["trainer.max_steps=2", "trainer.check_every=1", "optimizer.warmup_steps=0"]),
    )
    done = {"steps": step} if step >= 2 and not killed else {}
    write_json(folder / "provenance.json", {"store": {"path": "../store"}, **done})
    (folder / "metrics.csv").write_text(f"epoch,step,train/loss\n0,{step - 1},1.0\n")
    if checkpoint:
        (folder / "checkpoints" / "last.ckpt").write_bytes(b"weights")
    for file in (folder / "metrics.csv", *folder.glob("checkpoints/*")):
        os.utime(file, (when or 0, when or 0))


@pytest.fixture
def project(tmp_path):
    (tmp_path / PROJECT).write_text("store: store\npreset: demo\ntrainer: {max_steps: 90, check_every: 30}\n")
    return Project.read(tmp_path)


def test_a_folder_without_the_file_is_no_project(tmp_path):
    assert Project.read(tmp_path) is None


def test_sections_change_the_preset_and_overrides_change_both(project):
    demo = load_config("demo")
    config = project.config(["trainer.check_every=15"])
    assert (config.trainer.max_steps, config.trainer.check_every) == (90, 15)
    assert config.model == demo.model
    assert project.config().trainer.check_every == 30


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("preset: demo\n", "store"),
        ("store: [1]\n", "store"),
        ("store: s\npreset: demmo\n", "preset"),
        ("store: s\ntrainer: {max_stps: 3}\n", "max_steps"),
        ("store: s\ntrainer: 3\n", "trainer"),
        ("store: [\n", "YAML"),
    ],
)
def test_a_file_with_a_mistake_is_refused_with_its_place(tmp_path, text, word):
    (tmp_path / PROJECT).write_text(text)
    with pytest.raises(JsddpmError) as refused:
        Project.read(tmp_path).config()
    assert (refused.value.code, refused.value.status) == ("CONFIG", 2)
    assert PROJECT in str(refused.value)
    assert word in str(refused.value)


def test_the_next_run_has_the_number_after_the_highest(project):
    assert project.next_run().name == "run-001"
    for name in ("run-002", "run-009", "run-x", "other"):
        (project.runs / name).mkdir(parents=True)
    assert project.next_run().name == "run-010"


def test_the_newest_finished_run_is_evaluated(project):
    with pytest.raises(JsddpmError, match="contains no finished run"):
        project.finished_run()
    begun(project.runs / "run-001", step=2, when=2000)
    begun(project.runs / "run-002", step=2, when=1000)
    begun(project.runs / "run-003", step=1, when=3000)
    assert project.finished_run().name == "run-001"


def test_a_run_killed_in_its_last_check_is_unfinished(project):
    begun(project.runs / "run-001", step=2, killed=True)
    assert project.unfinished_run().name == "run-001"
    with pytest.raises(JsddpmError, match=r"NO_RUN.*--resume"):
        project.finished_run()


def test_a_run_that_cannot_be_read_blocks_no_other(project):
    begun(project.runs / "run-001", step=2)
    begun(project.runs / "run-002", step=1)
    begun(project.runs / "run-003", step=2, when=3000)
    (project.runs / "run-003" / "config.yaml").write_text("trainer: {max_stps: 3}")
    begun(project.runs / "run-004", step=1)
    (project.runs / "run-004" / "provenance.json").write_text("{")
    skipped = []
    assert project.finished_run(skipped.append).name == "run-001"
    assert [error.code for error in skipped] == ["CONFIG", "JSON"]
    assert [f"run-00{k}" in str(error) for k, error in zip((3, 4), skipped, strict=True)] == [True, True]
    assert project.unfinished_run().name == "run-002"


def test_one_unfinished_run_is_resumed_two_are_asked_about(project):
    with pytest.raises(JsddpmError, match="no run is unfinished"):
        project.unfinished_run()
    begun(project.runs / "run-001", step=2)
    begun(project.runs / "run-002", step=1)
    assert project.unfinished_run().name == "run-002"
    begun(project.runs / "run-003", step=1)
    with pytest.raises(JsddpmError, match="2 runs are unfinished"):
        project.unfinished_run()


@pytest.mark.parametrize("name", ["store", "my store: 1", "it's", "-x"])
def test_what_is_written_is_read_again_with_the_stores_range(store, tmp_path, name):
    copy = tmp_path / name
    shutil.copytree(store.path, copy)
    file = write_project(tmp_path, os.path.relpath(copy), "zbins")
    project = Project.read(tmp_path)
    assert project.store.resolve() == copy.resolve()
    assert project.preset == "zbins"
    assert project.config().binning.z_range == (store.z_range or load_config("zbins").binning.z_range)
    with pytest.raises(JsddpmError, match="already"):
        write_project(tmp_path, copy, "zbins")
    assert file.read_text().startswith("#")


def test_the_one_store_of_a_folder_is_found(store, tmp_path):
    with pytest.raises(JsddpmError, match="no store"):
        found_store(tmp_path)
    shutil.copytree(store.path, tmp_path / "a")
    assert found_store(tmp_path) == tmp_path / "a"
    shutil.copytree(store.path, tmp_path / "b")
    with pytest.raises(JsddpmError, match="2 real stores"):
        found_store(tmp_path)


def test_a_folder_with_generated_stores_alone_is_said_to_have_no_real_one(generated, tmp_path):
    shutil.copytree(generated.path, tmp_path / "samples")
    with pytest.raises(JsddpmError, match=r"MISSING.*contains only generated stores: .*samples; fix: build one"):
        found_store(tmp_path)
