"""The machine as the operating system, torchrun and Lightning see it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from lightning.fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

from jsddpm.errors import JsddpmError
from jsddpm.runtime import best_device, cores, device_memory, local_rank, peak_memory, processes, under_slurm
from jsddpm.training.trainer import check_processes
from jsddpm_cli.shares import share_of

TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "5", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
SRUN = {
    "SLURM_NTASKS": "6",
    "SLURM_NNODES": "2",
    "SLURM_NTASKS_PER_NODE": "3",
    "SLURM_PROCID": "4",
    "SLURM_LOCALID": "2",  # distributed cyclically: ranks 0, 2 and 4 on the first machine
    "SLURM_JOB_NAME": "train",
}


UNEVEN = SRUN | {"SLURM_NTASKS": "5", "SLURM_NTASKS_PER_NODE": "3"}
"""Five tasks on two machines: three on one, two on the other."""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1, 1)),
        (TORCHRUN, (5, 4, 2)),
        (SRUN, (4, 3, 2)),
        (SRUN | TORCHRUN, (5, 4, 2)),
        (SRUN | {"SLURM_JOB_NAME": "bash"}, (0, 1, 1)),
        (SRUN | {"SLURM_JOB_NAME": "interactive"}, (0, 1, 1)),
        ({"SLURM_JOB_ID": "1"}, (0, 1, 1)),
        (UNEVEN, (4, 2, 2)),
    ],
)
@pytest.mark.filterwarnings("ignore:The `srun` command is available")
def test_processes_are_those_of_the_launcher_that_lightning_finds(monkeypatch, environment, expected):
    for name in [n for n in os.environ if n.startswith(("SLURM_", "TORCHELASTIC_"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert processes()[:3] == expected
    torchrun = TorchElasticEnvironment.detect()
    assert under_slurm() == (SLURMEnvironment.detect() and not torchrun)
    if torchrun or under_slurm():
        found = TorchElasticEnvironment() if torchrun else SLURMEnvironment()
        assert (processes().rank, processes().world) == (found.global_rank(), found.world_size())
        assert share_of(None) == (found.global_rank(), found.world_size())
        assert local_rank() == found.local_rank()


@pytest.mark.parametrize(
    ("environment", "gpus", "expected"),
    [
        ({}, 4, "cuda"),  # the current one
        (TORCHRUN, 4, "cuda:1"),
        (TORCHRUN | {"LOCAL_RANK": "0"}, 4, "cuda:0"),
        (SRUN, 4, "cuda:2"),
        (SRUN, 1, "cuda:0"),  # as where every task sees a GPU of its own
        (TORCHRUN, 0, "cpu"),
    ],
)
def test_each_process_has_the_gpu_of_its_number_on_the_machine(monkeypatch, environment, gpus, expected):
    for name in [n for n in os.environ if n.startswith(("SLURM_", "TORCHELASTIC_"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (str(device), None))
    assert best_device() == torch.device(expected)
    assert not gpus or device_memory() == expected
    assert device_memory(torch.device("cuda", 3)) == "cuda:3"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, "SLURM_NNODES is not set"),
        (SRUN | {"SLURM_NNODES": "0"}, "SLURM_NNODES is '0'"),
        (TORCHRUN | {"WORLD_SIZE": "abc"}, "WORLD_SIZE is 'abc'"),
        (TORCHRUN | {"RANK": "-1"}, "RANK is '-1'"),
        ({"TORCHELASTIC_RUN_ID": "1"}, "LOCAL_WORLD_SIZE is not set"),
    ],
)
def test_half_an_environment_of_a_launcher_is_refused_by_its_variable(monkeypatch, environment, named):
    names = ("SLURM_", "TORCHELASTIC_", "RANK", "WORLD_SIZE", "LOCAL_")
    for name in [n for n in os.environ if n.startswith(names)]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(JsddpmError, match=f"LAUNCHER.*{named}") as caught:
        processes()
    assert caught.value.status == 5


def test_training_needs_as_many_processes_on_each_machine(monkeypatch):
    for name, value in UNEVEN.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(JsddpmError, match=r"OPTION.*5 processes .* 2 machines; fix: .*--ntasks-per-node"):
        check_processes()
    monkeypatch.setenv("SLURM_NTASKS", "6")
    check_processes()


def test_cores_are_those_of_the_process_or_of_the_machine(monkeypatch):
    assert cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == os.cpu_count()


def test_peak_memory_is_that_of_the_system(monkeypatch):
    status = Path("/proc/self/status").read_text()
    high_water_mark = int(status.split("VmHWM:")[1].split()[0]) * 1024
    assert peak_memory() == pytest.approx(high_water_mark, rel=0.02)
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peak_memory() is None
