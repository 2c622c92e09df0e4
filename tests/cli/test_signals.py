"""SIGTERM ends a command with a message and its status; what was finished is kept, and what was not hinders nobody."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from jsddpm.slices.store import SliceStore
from synthetic import write_bids

JSDDPM = [sys.executable, "-c", "from jsddpm_cli.app import main; main()"]


def terminated(words, *arguments, by=signal.SIGTERM):
    """Send a signal when a line with these words is said; status and everything said."""
    command = [*JSDDPM, *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as child:
        said = ""
        while words not in said:
            line = child.stderr.readline()
            assert line, said
            said += line
        child.send_signal(by)
        said += child.communicate(timeout=60)[1]
    return child.returncode, said


@pytest.mark.long
def test_a_sampling_is_stopped_and_hinders_no_other(run, tmp_path):
    out = tmp_path / "s"
    status, said = terminated("sampling: ", "sample", run, "--out", out, "--per-condition", 4, "--steps", 200)
    assert status == 143, said
    assert "error[TERMINATED]: stopped by SIGTERM; fix: repeat the command to continue" in said
    assert "Traceback" not in said
    assert not out.exists()
    assert not list(tmp_path.glob(".*.lock"))
    other = [*JSDDPM, "sample", run, "--out", out, "--per-condition", 1, "--steps", 2]
    done = subprocess.run(list(map(str, other)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_a_build_is_stopped_with_its_workers_and_goes_on(tmp_path):
    source = write_bids(tmp_path / "bids", subjects=12)
    request = ["cache", "build", source, "--out", tmp_path / "s", "--shape", 40, 40, 40, "--spacing", 2, 2, 2]
    status, said = terminated(" of 12", *request, "--jobs", 2)
    assert status == 143, said
    assert "error[TERMINATED]: stopped by SIGTERM; fix: repeat the command with --resume to continue" in said
    assert "Traceback" not in said
    assert not (tmp_path / "s").exists()
    again = subprocess.run([*JSDDPM, *map(str, request), "--resume"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert SliceStore(tmp_path / "s").verify() == []


@pytest.mark.long
@pytest.mark.parametrize(("by", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_evaluation_is_stopped(run, store, generated, tmp_path, by, status):
    request = ["eval", run, "--real", store.path, "--generated", generated.path, "--bin-aware", "--out", tmp_path / "e"]
    found, said = terminated("evaluating: ", *request, by=by)
    assert found == status, said
    assert said.count("error[TERMINATED]") == 1
    assert said.endswith("fix: repeat the command\n")  # it continues nothing
    assert "Traceback" not in said
    assert not (tmp_path / "e" / "results.json").exists()
    assert not (tmp_path / "e" / ".lock").exists()


IN_A_DESTRUCTOR = """
import os, sys, time
from jsddpm_cli.signals import Stopped, stoppable

class Last:
    def __del__(self):
        os.kill(os.getpid(), {number})
        time.sleep(0.2)  # the handler runs here, and Python ignores what it raises

try:
    with stoppable():
        Last()
        time.sleep(20)
except (Stopped, KeyboardInterrupt) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(("by", "raised"), [(signal.SIGTERM, "Stopped"), (signal.SIGINT, "KeyboardInterrupt")])
def test_a_signal_in_a_destructor_is_not_lost(by, raised):
    script = IN_A_DESTRUCTOR.format(number=int(by))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, raised, "")


INTERRUPTED_IMPORT = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from jsddpm_cli.__main__ import main
main()
"""


def test_an_interrupt_before_the_command_has_begun_is_no_traceback():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("error[TERMINATED]: interrupted; fix: repeat the command")


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "jsddpm_cli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("jsddpm ")
