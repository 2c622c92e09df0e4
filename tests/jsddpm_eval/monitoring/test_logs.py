"""What is logged, read back by the tools that it is for; tools that are not installed are skipped."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure

from evaluations import made_up
from jsddpm.errors import JsddpmError
from jsddpm_eval.monitoring.logs import log_figure, log_to

RESULTS = made_up(n_bins=2).results


def figure():
    drawn = Figure(figsize=(1, 1))
    drawn.subplots().plot([0, 1])
    return drawn


def expected():
    pooled = {f"eval/{name}": s.value for name, s in RESULTS.pooled.items() if s.value is not None}
    (cell,) = [c for c in RESULTS.generation if (c.z_bin, c.pathology) == (1, 1)]
    return pooled | {f"eval/bin-1-lesion/{n}": s.value for n, s in cell.scores.items() if s.value is not None}


def test_every_defined_score_is_in_a_csv_log_which_takes_no_figure(tmp_path):
    logger = CSVLogger(tmp_path, name="", version="")
    log_to(logger, RESULTS, step=7)
    logger.save()
    with open(tmp_path / "metrics.csv", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["step"] == "7"
    assert {name: float(row[name]) for name in expected()} == pytest.approx(expected())
    assert not any(score.value is None and f"eval/{n}" in row for n, score in RESULTS.pooled.items())
    assert not log_figure(logger, "drawn", figure(), 7)


@pytest.mark.parametrize("raw", [False, True])
def test_tensorboard_has_scores_and_figures(tmp_path, raw):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path, name="", version="")
    log_to(logger.experiment if raw else logger, RESULTS, step=7)
    logger.experiment.flush()
    found = EventAccumulator(str(tmp_path)).Reload()
    for name, value in expected().items():
        (event,) = found.Scalars(name)
        assert (event.step, event.value) == (7, pytest.approx(value, rel=1e-6))
    assert "eval/kid_radiomics" in found.Tags()["images"]


def test_a_score_that_no_bin_has_is_logged_without_a_curve(tmp_path):
    writer = pytest.importorskip("torch.utils.tensorboard", reason="tensorboard is not installed").SummaryWriter(
        tmp_path
    )
    whole = RESULTS.model_copy(update={"generation": RESULTS.generation[:1]})
    log_to(writer, whole, step=7)
    writer.flush()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tags = EventAccumulator(str(tmp_path)).Reload().Tags()
    assert (set(tags["scalars"]) >= {"eval/kid_radiomics"}, tags["images"]) == (True, [])


@pytest.mark.parametrize("raw", [False, True])
def test_weights_and_biases_has_scores_and_figures(tmp_path, raw, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = WandbLogger(project="p", save_dir=tmp_path)
    log_to(logger.experiment if raw else logger, RESULTS, step=7, figures={"drawn": figure()})
    logger.experiment.log({"next": 1}, step=8)  # a step is written when the next one begins
    assert logger.experiment.summary["eval/kid_radiomics"] == pytest.approx(RESULTS.pooled["kid_radiomics"].value)
    folder = logger.experiment.dir
    wandb.finish()
    assert [f for _, _, files in os.walk(folder) for f in files if f.endswith(".png")]


@pytest.mark.parametrize("raw", [False, True])
def test_mlflow_has_scores_and_figures(tmp_path, raw, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # newer versions ask for it
    mlflow.set_tracking_uri(f"file:{tmp_path}/runs")
    if raw:
        with mlflow.start_run() as run:
            log_to(mlflow, RESULTS, step=7, figures={"drawn": figure()})
            number = run.info.run_id
    else:
        logger = MLFlowLogger(tracking_uri=f"file:{tmp_path}/runs", artifact_location=str(tmp_path / "files"))
        log_to(logger, RESULTS, step=7, figures={"drawn": figure()})
        number = logger.run_id
    client = mlflow.MlflowClient()
    for name, value in expected().items():
        (point,) = client.get_metric_history(number, name)
        assert (point.step, point.value) == (7, pytest.approx(value))
    assert client.list_artifacts(number, "eval")[0].path == "eval/drawn-00000007.png"


def test_anything_else_is_refused():
    with pytest.raises(JsddpmError, match=r"LOGGER.*object is not a known logger"):
        log_to(object(), {"kid": 1.0})
    for path in ("logs", Path("logs")):
        with pytest.raises(JsddpmError, match=r"LOGGER.*'logs' is a path, and a logger is needed; fix:.*CSVLogger"):
            log_to(path, {"kid": 1.0})
    with pytest.raises(JsddpmError, match=r"OPTION.*the results are a str; fix: give Results"):
        log_to(object(), "evaluation/results.json")
