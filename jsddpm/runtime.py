"""The machine a process runs on: its device, cores, memory, and the processes it works with."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def best_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def cores() -> int:
    """CPU cores this process may use; all of the machine's where the system does not say."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory() -> int | None:
    """Largest resident memory of this process so far, in bytes; None on systems that do not count it (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, other systems KiB


def processes() -> tuple[int, int, int]:
    """``(rank, processes of this machine, machines)`` from the environment of ``torchrun`` or ``srun``.

    A process that neither of them started is alone: ``(0, 1, 1)``.

    >>> processes()
    (0, 1, 1)
    """
    if under_slurm():
        world, machines = int(os.environ["SLURM_NTASKS"]), int(os.environ["SLURM_NNODES"])
        return int(os.environ["SLURM_PROCID"]), world // machines, machines
    if not _under_torchrun():
        return 0, 1, 1
    local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    return int(os.environ["RANK"]), local, world // local


def under_slurm() -> bool:
    """Whether ``srun`` started this process: Lightning's rule, which leaves out jobs named bash or interactive."""
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM_NTASKS" in os.environ and not interactive and not _under_torchrun()


def _under_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ
