"""A run can be looked at while it is written: what is whole counts, what is half written does not."""

from __future__ import annotations

import csv
import math
import shutil

import pytest
import torch

from conftest import TINY
from jsddpm.checksums import write_recorded
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import checkpoint_info
from jsddpm.errors import JsddpmError
from jsddpm.files import json_bytes, write_json
from jsddpm.training.progress import RunProgress, is_run, read_metrics
from jsddpm.training.run import train
from jsddpm_eval.metrics.reconstruction import slice_scores


def test_a_finished_run_is_read_as_it_was_trained(run, tiny_config):
    found = RunProgress.read(run)
    assert (found.state, found.step, list(found.pictures)) == ("finished", 4, [2, 4])
    assert {p.name for p in found.checkpoints} == {"last.ckpt"}
    assert [steps for steps, _ in found.metrics["val/mse"]] == [2, 4]
    rates = [value for _, value in found.metrics["train/learning_rate"]]
    highest, share = tiny_config.optimizer.learning_rate, tiny_config.optimizer.final_share
    done = [math.cos(math.pi * k / 3) for k in (0, 1, 2)]  # one step of warm-up, then three of decay
    expected = [highest / 2, *(highest * (share + (1 - share) * 0.5 * (1 + c)) for c in done)]
    logged = [steps for steps, _ in found.metrics["train/learning_rate"]]
    assert rates == pytest.approx([expected[steps - 1] for steps in logged])
    assert all(v > 0 for _, v in found.metrics["train/slices_per_second"])


def test_scores_by_timestep_average_to_the_score_over_all(store, tmp_path):
    config = load_config("demo", [*TINY, "evaluation.timesteps=[100,700]", "trainer.max_steps=2"])
    train(config, store, tmp_path / "run", validator=slice_scores)
    found = {name: values[-1][1] for name, values in RunProgress.read(tmp_path / "run").metrics.items()}
    for score in ("mse", "psnr", "ssim"):
        parts = [found[f"val/{score}_t{t}"] for t in (100, 700)]
        assert found[f"val/{score}"] == pytest.approx(sum(parts) / 2, rel=1e-5)
    assert found["val/mse_t100"] != found["val/mse_t700"]


def test_a_run_whose_last_step_is_not_logged_is_finished(store, tmp_path):
    config = load_config("demo", [*TINY, "trainer.max_steps=3", "trainer.check_every=2", "logging.every=2"])
    train(config, store, tmp_path / "run")
    found = RunProgress.read(tmp_path / "run")
    assert max(int(row["step"]) + 1 for row in read_metrics(tmp_path / "run" / "metrics.csv")) == 2
    assert (found.step, found.state) == (3, "finished")
    assert checkpoint_info(tmp_path / "run" / "checkpoints" / "last.ckpt").step == 3
    # a run of an earlier version records no step, and --resume finds nothing to do
    file = tmp_path / "run" / "provenance.json"
    write_recorded(file, json_bytes({k: v for k, v in found.provenance.items() if k != "steps"}))
    assert RunProgress.read(tmp_path / "run").state == "unfinished"
    train(config, store, tmp_path / "run", resume=True)
    assert RunProgress.read(tmp_path / "run").state == "finished"


def test_metrics_that_cannot_be_read_are_an_error_of_reading(tmp_path):
    (tmp_path / "metrics.csv").mkdir()
    with pytest.raises(JsddpmError) as refused:
        read_metrics(tmp_path / "metrics.csv")
    assert (refused.value.code, refused.value.status) == ("NOT_READABLE", 5)


def test_every_check_is_on_the_disk_when_it_is_told(store, tmp_path):
    seen = []

    def look():
        found = RunProgress.read(tmp_path / "run")
        seen.append((found.step, len(found.metrics["val/mse"]), len(found.metrics["val/psnr_t300"])))

    train(load_config("demo", TINY), store, tmp_path / "run", validator=slice_scores, checked=look)
    assert seen == [(2, 1, 1), (4, 2, 2)]


def test_looking_on_changes_no_weight(run, store, tiny_config, tmp_path):
    from jsddpm.diffusion.checkpoint import read_checkpoint

    last = train(tiny_config, store, tmp_path / "run", validator=slice_scores, checked=lambda: torch.rand(3))
    before, after = (read_checkpoint(p)["state_dict"] for p in (run / "checkpoints" / "last.ckpt", last))
    assert all(torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_a_row_that_is_being_written_is_left_out(run, tmp_path, cut):
    text = (run / "metrics.csv").read_bytes()
    with open(run / "metrics.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    (tmp_path / "metrics.csv").write_bytes(text[: len(text) - cut])
    found = read_metrics(tmp_path / "metrics.csv")
    missing = text[len(text) - cut :].count(b"\n")
    assert found == rows[: len(rows) - missing]
    assert read_metrics(tmp_path / "nothing.csv") == []


def test_files_under_other_names_are_no_pictures_and_no_steps(run, tmp_path):
    """As file managers and synchronised folders make them."""
    folder = shutil.copytree(run, tmp_path / "run")
    expected = RunProgress.read(folder).pictures
    assert list(expected) == [2, 4]
    for name in ("step-00000004 (copy).png", "step-X.png", "step-.png", "step-²²²²²²²².png"):
        shutil.copy(expected[4], folder / "pictures" / name)
    assert RunProgress.read(folder).pictures == expected
    (tmp_path / "metrics.csv").write_text("step,train/loss\n²,1\n3,2\n", encoding="utf-8")
    assert read_metrics(tmp_path / "metrics.csv") == [{"step": "3", "train/loss": "2"}]


def test_an_unfinished_run_and_one_that_was_stopped(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    config = (tmp_path / "run" / "config.yaml").read_text()
    assert "max_steps: 4" in config
    (tmp_path / "run" / "config.yaml").write_text(config.replace("max_steps: 4", "max_steps: 400"))
    assert RunProgress.read(tmp_path / "run").state == "unfinished"
    for stopped, state in ((None, "unfinished"), ("2 checks without a better one", "stopped early")):
        write_json(tmp_path / "run" / "choice.json", {"step": 2, "reason": "", "stopped": stopped})
        assert RunProgress.read(tmp_path / "run").state == state


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    assert not is_run(tmp_path)
    with pytest.raises(JsddpmError, match="NO_RUN"):
        RunProgress.read(tmp_path)
    with pytest.raises(JsddpmError, match="MISSING"):
        RunProgress.read(tmp_path / "nowhere")
