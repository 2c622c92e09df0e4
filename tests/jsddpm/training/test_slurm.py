"""The job script of the documentation on a real SLURM of two nodes on this machine: signal, requeue, same result."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import TINY
from jsddpm.config import load_config, write_config
from jsddpm.diffusion.checkpoint import checkpoint_info, read_checkpoint
from jsddpm.slices.store import SliceStore
from jsddpm.training.run import train
from processes import two_processes

TOOLS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "scancel")
MISSING = [t for t in TOOLS if shutil.which(t) is None]
SCRIPT = Path(__file__).parents[3] / "docs" / "how-to" / "train.sbatch"

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"SLURM is not installed here (no {', '.join(MISSING)})"),
    pytest.mark.skipif(os.geteuid() != 0, reason="SLURM's daemons need root"),
]

CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
MpiDefault=none
ReturnToService=2
KillWait=60
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{second}] CPUs=1 RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def two_ports_in_a_row():
    while True:
        (port,) = free_ports(1)
        with socket.socket() as following:
            try:
                following.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
        return port


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def wait_for(what, seconds, explain):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, explain()
        time.sleep(0.1)


@pytest.fixture
def slurm(tmp_path_factory, monkeypatch):
    """A controller and two nodes, their files in a temporary folder; gone afterwards."""
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "state").mkdir()
    (folder / "key").write_bytes(os.urandom(128))
    (folder / "key").chmod(0o400)
    first = two_ports_in_a_row()
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(host=host, folder=folder, port=free_ports(1)[0], first=first, second=first + 1)
    (folder / "slurm.conf").write_text(text)
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")  # the nodes' names do not resolve here
    files = {f"--{k}-file": folder / f"munge.{k}" for k in ("pid", "log", "seed")}
    options = [f"{k}={v}" for k, v in files.items()]
    run("munged", "--force", f"--socket={folder}/munge.socket", f"--key-file={folder}/key", *options)
    try:
        run("slurmctld")
        for node in ("n1", "n2"):
            run("slurmd", "-N", node)
        wait_for(lambda: run("sinfo", "-h", "-o", "%D %t").split() == ["2", "idle"], 60, lambda: run("sinfo"))
        yield folder
    finally:
        for name in ("slurmd-n1.pid", "slurmd-n2.pid", "slurmctld.pid", "munge.pid"):
            stop(folder / name)


def stop(pid_file):
    if pid_file.exists():
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), 30, lambda: f"{pid_file.name} goes on")


def command(folder):
    """A ``jsddpm`` that runs this very source."""
    path = folder / "bin" / "jsddpm"
    path.parent.mkdir()
    places = os.pathsep.join(p for p in sys.path if p)
    code = "from jsddpm_cli.app import main; main()"
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{places}" exec "{sys.executable}" -c "{code}" "$@"\n')
    path.chmod(0o755)
    return path.parent


@pytest.fixture
def trained(request):
    """The tiny run; this file has a function of the fixture's name."""
    return request.getfixturevalue("run")


def state(job):
    return run("scontrol", "show", "job", job)


@pytest.mark.long
def test_a_job_told_to_leave_saves_goes_back_into_the_queue_and_ends_like_one_left_alone(
    slurm, store, tmp_path, monkeypatch
):
    """Told twice: by USR1, as its time runs out, and by TERM, as when it is pre-empted."""
    monkeypatch.setenv("PATH", f"{command(tmp_path)}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    steps, out, log = 24, tmp_path / "stopped", tmp_path / "log"
    config = load_config("demo", [*TINY, "logging.grid=0", f"trainer.max_steps={steps}"])
    write_config(tmp_path / "config.yaml", config)
    last = out / "checkpoints" / "last.ckpt"
    variables = {"STORE": store.path, "RUN": out, "CONFIG": tmp_path / "config.yaml"}
    export = ",".join(["ALL", *(f"{k}={v}" for k, v in variables.items())])
    job = run("sbatch", "--parsable", f"--export={export}", f"--output={log}", str(SCRIPT)).strip()

    def logs():
        return (log.read_text() if log.exists() else "") + (slurm / "slurmctld.log").read_text()[-3000:]

    def told(name, restarts, after):
        wait_for(lambda: last.exists() and checkpoint_info(last).step > after, 120, logs)
        run("scancel", f"--signal={name}", job)
        wait_for(lambda: f"Restarts={restarts}" in state(job), 60, logs)
        time.sleep(3)  # the node refuses the same job again within the second
        run("scontrol", "update", f"JobId={job}", "StartTime=now")  # it would wait two minutes
        return checkpoint_info(last).step

    assert told("TERM", 2, told("USR1", 1, 0)) < steps
    wait_for(lambda: "JobState=COMPLETED" in state(job), 180, logs)
    assert checkpoint_info(last).step == steps
    for name in ("SLURM_CONF", "MASTER_ADDR"):
        monkeypatch.delenv(name)
    assert two_processes(lambda _: train(config, store, tmp_path / "alone")) == [0, 0]
    a, b = (read_checkpoint(tmp_path / n / "checkpoints" / "last.ckpt")["state_dict"] for n in ("stopped", "alone"))
    assert all((a[k] == b[k]).all() for k in a)


@pytest.mark.long
def test_tasks_that_are_dealt_out_in_turn_know_their_number_on_the_machine(slurm, tmp_path):
    """Four tasks on two machines: ranks 0 and 2 on the first one, 1 and 3 on the second."""
    code = "from jsddpm.runtime import local_rank, processes; print(processes()[0], local_rank())"
    places = os.pathsep.join(p for p in sys.path if p)
    words = ["srun", "--nodes=2", "--ntasks=4", "--overcommit", "--distribution=cyclic", "--job-name=ranks"]
    said = run(*words, sys.executable, "-c", code, env=os.environ | {"PYTHONPATH": places})
    assert sorted(said.splitlines()) == ["0 0", "1 0", "2 1", "3 1"]


@pytest.mark.long
def test_a_job_array_draws_the_samples_of_one_process(slurm, trained, generated, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{command(tmp_path)}{os.pathsep}{os.environ['PATH']}")
    script = f"#!/bin/sh\njsddpm sample {trained} --out {tmp_path}/samples --share $SLURM_ARRAY_TASK_ID/2\n"
    (tmp_path / "job").write_text(script)
    log = tmp_path / "log"
    run("sbatch", "--array=1-2", f"--output={log}-%a", str(tmp_path / "job"))

    def logs():
        return "".join(path.read_text() for path in sorted(tmp_path.glob("log-*")))

    wait_for((tmp_path / "samples").is_dir, 120, logs)
    rows = range(len(generated.index))
    assert (SliceStore(tmp_path / "samples").levels(rows) == generated.levels(rows)).all()
