"""The machine of a process: its device, cores and memory, and the other processes of its job."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jsddpm.errors import environment_error, first_line, usage_error

if TYPE_CHECKING:
    import torch


def best_device() -> torch.device:
    """The GPU of this process if there is one, else the CPU.

    Of the processes of a machine each takes the GPU with its number, as Lightning does; a single process takes the
    current one.
    """
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    if processes().world == 1:
        return torch.device("cuda")
    return torch.device("cuda", local_rank() % torch.cuda.device_count())


def usable_device(device: str | torch.device | None) -> torch.device:
    """A device on which tensors can be made; None is that of :func:`best_device`.

    Raises:
        JsddpmError: ``OPTION`` (status 2) for an unknown device, and one that this machine lacks.
    """
    import torch

    if device is None:
        return best_device()
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:  # PyTorch has one for each kind
        what = f"the device {str(device)!r} cannot be used ({first_line(error)})"
        raise usage_error("OPTION", what, fix="give cpu, or cuda on a machine with a GPU, or None") from error


def cores() -> int:
    """CPU cores this process may use; all cores of the machine if the system does not say."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory() -> int | None:
    """Largest resident memory of this process so far, in bytes; None on systems that do not measure it (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, other systems KiB


def available_memory() -> int | None:
    """Memory this process can still allocate, in bytes, by the system, its control group and its own limit.

    None on systems that do not say.
    """
    return min(_limits(), default=None)


def device_memory(device: torch.device | None = None) -> int:
    """Free memory of a GPU, in bytes; None is that of :func:`best_device`."""
    import torch

    return torch.cuda.mem_get_info(device or best_device())[0]


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory could not be allocated, on the CPU or on a GPU.

    PyTorch's allocator of the CPU raises a plain RuntimeError.

    >>> out_of_memory(MemoryError()), out_of_memory(RuntimeError("sizes differ"))
    (True, False)
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "Cannot allocate memory" in text)


def _limits() -> Iterator[int]:
    with suppress(OSError, ValueError, IndexError):
        text = Path("/proc/meminfo").read_text()
        yield int(text.split("MemAvailable:")[1].split()[0]) * 1024
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0":
                yield from _control_groups(
                    Path("/sys/fs/cgroup"), path, "memory.max", "memory.current", "inactive_file"
                )
            elif "memory" in controllers.split(","):
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                yield from _control_groups(Path("/sys/fs/cgroup/memory"), path, *names)
    with suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            yield max(limit - used, 0)


def _control_groups(root: Path, path: str, limit: str, usage: str, cache: str) -> Iterator[int]:
    """Memory that each control group above this process leaves; its file cache counts as free."""
    group = root / path.lstrip("/")
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError, IndexError):  # a group without a limit contains "max", or does not exist
            most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
            given_back = int((folder / "memory.stat").read_text().split(f"{cache} ")[1].split()[0])
            yield max(most - used + given_back, 0)
        if folder == root:
            return


class Processes(NamedTuple):
    """The processes of a job.

    Attributes:
        rank: Number of this process.
        local: Processes of a machine, if all machines have as many.
        machines: Number of machines.
        world: Number of processes.
    """

    rank: int
    local: int
    machines: int
    world: int


def processes() -> Processes:
    """The processes of this job, from the environment of ``torchrun`` or ``srun``.

    A process that neither of them started is a single one.

    Raises:
        JsddpmError: ``LAUNCHER`` (status 5) naming a variable that is missing or no number.

    >>> processes()
    Processes(rank=0, local=1, machines=1, world=1)
    """
    if under_slurm():
        world, machines = _launched("SLURM_NTASKS", least=1), _launched("SLURM_NNODES", least=1)
        return Processes(_launched("SLURM_PROCID"), world // machines, machines, world)
    if not _under_torchrun():
        return Processes(0, 1, 1, 1)
    local, world = _launched("LOCAL_WORLD_SIZE", least=1), _launched("WORLD_SIZE", least=1)
    return Processes(_launched("RANK"), local, world // local, world)


def _launched(name: str, *, least: int = 0) -> int:
    """A number that ``torchrun`` or ``srun`` gives to each process."""
    value = os.environ.get(name)
    if value is None or not value.isdecimal() or int(value) < least:
        what = f"{name} is not set" if value is None else f"{name} is {value!r}, and not a whole number from {least}"
        launcher, mark = ("srun", "SLURM_NTASKS") if name.startswith("SLURM") else ("torchrun", "TORCHELASTIC_RUN_ID")
        cure = f"start the command with {launcher}, or unset {mark} for a single process"
        raise environment_error("LAUNCHER", f"the environment is of {launcher}, but {what}", fix=cure)
    return int(value)


def local_rank() -> int:
    """Number of this process on its machine, from the environment of ``torchrun`` or ``srun``; 0 of a single one."""
    if under_slurm():
        return _launched("SLURM_LOCALID")
    return _launched("LOCAL_RANK") if _under_torchrun() else 0


def under_slurm() -> bool:
    """Whether ``srun`` started this process: Lightning's rule, which leaves out jobs named bash or interactive."""
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM_NTASKS" in os.environ and not interactive and not _under_torchrun()


def _under_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ
