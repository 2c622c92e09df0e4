"""Two processes with any number of samples give the result of one: nothing doubled by padding, nothing lost."""

from __future__ import annotations

import json

import pytest
import torch

from jsddpm.binning import ZBinning
from jsddpm_eval.torchmetric import BinAwareMetrics
from processes import two_processes

BINNING = ZBinning((0, 9), 2, n_slices=10)
GENERATOR = torch.Generator().manual_seed(0)
REAL = torch.rand((24, 12, 12), generator=GENERATOR)
MADE = torch.rand((8, 12, 12), generator=GENERATOR)
TOKENS, PATIENTS = torch.arange(24) % 4, torch.arange(24) // 4
METRICS = ["best_match", "diversity", "feature_distance", "manifold", "memorisation", "lesion_contrast", "obedience"]


def labels(tokens):
    return {"z_bin": tokens % 2, "pathology": tokens // 2}


def added(metrics, real, made):
    """The rows of this process."""
    masks = [(x > 0.9) & (torch.arange(12) > 6) for x in (REAL, MADE)]
    people = {"patient": PATIENTS[real], "held_out": PATIENTS[real] > 3}
    metrics.update(REAL[real], masks[0][real], **labels(TOKENS[real]), **people, real=True)
    if len(made):  # a process may have nothing of a kind
        metrics.update(MADE[made], masks[1][made], **labels(torch.arange(8)[made] % 4), real=False)


def evaluated(real, made, **settings):
    """Scores, as plain values."""
    metrics = BinAwareMetrics(BINNING, metrics=METRICS, **settings)
    added(metrics, real, made)
    pooled = {name: float(value) for name, value in metrics.compute().items()}
    return [c.model_dump(mode="json") for c in metrics.results().generation], str(pooled)


@pytest.mark.parametrize("count", [1, 3, 7, 8])
def test_two_processes_give_the_scores_of_one(tmp_path, count):
    def work(rank):
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
        share = [torch.arange(0, 17), torch.arange(17, 24)][rank]
        found = evaluated(share, torch.arange(count)[rank::2])
        (tmp_path / f"{rank}.json").write_text(json.dumps(found))
        torch.distributed.destroy_process_group()

    assert two_processes(work) == [0, 0]
    cells, pooled = evaluated(torch.arange(24), torch.cat([torch.arange(count)[k::2] for k in range(2)]))
    parts = [c for c in cells if None not in (c["z_bin"], c["pathology"])]
    assert sum(c["n_generated"] for c in parts) == count
    assert sum(c["scores"]["best_match_psnr"]["n_generated"] for c in parts) == count
    for rank in range(2):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == [cells, pooled]


@pytest.mark.parametrize("metrics", [None, METRICS])
def test_a_process_without_any_slice_takes_part(tmp_path, metrics):
    def work(rank):
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
        metric = BinAwareMetrics(BINNING, metrics=metrics)
        if rank == 0:
            added(metric, torch.arange(24), torch.arange(8))
        (tmp_path / f"{rank}.json").write_text(
            json.dumps([c.model_dump(mode="json") for c in metric.results().generation])
        )
        torch.distributed.destroy_process_group()

    assert two_processes(work) == [0, 0]
    assert (tmp_path / "0.json").read_text() == (tmp_path / "1.json").read_text() != "[]"
    cells = json.loads((tmp_path / "0.json").read_text())
    assert (cells[0]["n_real"], cells[0]["n_generated"]) == (24, 8)
