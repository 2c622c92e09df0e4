"""Two processes with any number of samples give the result of one: nothing doubled by padding, nothing lost."""

from __future__ import annotations

import json

import pytest
import torch

from jsddpm.binning import ZBinning
from jsddpm_eval.binned import BinAwareMetrics
from processes import two_processes

BINNING = ZBinning((0, 9), 2, n_slices=10)
GENERATOR = torch.Generator().manual_seed(0)
REAL = torch.rand((24, 12, 12), generator=GENERATOR)
MADE = torch.rand((8, 12, 12), generator=GENERATOR)
TOKENS, PATIENTS = torch.arange(24) % 4, torch.arange(24) // 4


def evaluated(real, made, **settings):
    """Scores of the rows of this process, as plain values."""
    metrics = BinAwareMetrics(BINNING, **settings)
    metrics.update(REAL[real], TOKENS[real], PATIENTS[real], PATIENTS[real] > 3)
    if len(made):  # a process may have nothing of a kind
        metrics.update(MADE[made], torch.arange(8)[made] % 4)
    cells = metrics.compute()
    return [c.model_dump(mode="json") for c in cells], metrics.per_slice["best_match_psnr"].tolist()


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
    cells, matches = evaluated(torch.arange(24), torch.cat([torch.arange(count)[k::2] for k in range(2)]))
    assert sum(c["scores"]["best_match_psnr"]["n_generated"] for c in cells[1:]) == count
    for rank in range(2):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == [cells, matches]


def test_a_process_without_any_slice_takes_part(tmp_path):
    def work(rank):
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
        metrics = BinAwareMetrics(BINNING)
        if rank == 0:
            metrics.update(REAL, TOKENS, PATIENTS)
            metrics.update(MADE, torch.arange(8) % 4)
        (tmp_path / f"{rank}.json").write_text(json.dumps([c.model_dump(mode="json") for c in metrics.compute()]))
        torch.distributed.destroy_process_group()

    assert two_processes(work) == [0, 0]
    assert (tmp_path / "0.json").read_text() == (tmp_path / "1.json").read_text() != "[]"
