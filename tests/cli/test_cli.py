"""The commands as a user meets them: every wrong input in one line, and a light start."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.slices.store import SliceStore

pytestmark = pytest.mark.usefixtures("brief_networks")


def test_calls_leave_nothing_in_the_command_that_serves_them_all(jsddpm):
    """Options are what this call says, whatever was given before, and after a refusal."""
    words = ["bins", "report", "--z-range", 24, 93, "--format", "json"]
    before = jsddpm(*words)
    assert json.loads(before[1])["n_bins"] == 10
    assert json.loads(jsddpm(*words, "--bins", 5)[1])["n_bins"] == 5
    assert jsddpm(*words, "--bins", "x")[0] == 2
    assert jsddpm(*words) == before


def test_an_impossible_division_is_refused_before_files_are_read(jsddpm, bids, tmp_path, monkeypatch):
    monkeypatch.setattr("jsddpm_cli.commands.cohort._inspect", lambda *_: pytest.fail("files were read"))
    for out, *words in (("a.csv", "--test", 1.5), ("a", "--folds", 5), ("a", "--folds", 0)):  # of four patients
        status, _, err = jsddpm("cohort", "split", bids, "--out", tmp_path / out, *words)
        assert (status, "error[SPLIT]" in err) == (2, True)


def test_a_value_with_a_full_stop_is_named_whole(jsddpm):
    status, _, err = jsddpm("bins", "report", "--bins", "1. 2")
    assert (status, "'--bins': '1. 2' is not a whole number; fix: see jsddpm bins report --help" in err) == (2, True)


def test_an_evaluation_is_not_compared_with_itself(jsddpm, tmp_path):
    first, copied = tmp_path / "first", tmp_path / "copied"
    for folder in (first, copied):
        folder.mkdir()
        (folder / "results.json").write_text("{}")
    for others in [[first / ".." / "first"], [first / "results.json"], [copied], ["--baseline", copied]]:
        status, _, err = jsddpm("compare", first, *others)
        assert (status, "error[OPTION]" in err, "give different evaluations" in err) == (2, True, True)


def test_a_folder_without_a_network_is_no_run(jsddpm, store, run, tmp_path):
    status, _, err = jsddpm("sample", store.path, "--out", tmp_path / "out")
    assert (status, "error[NO_RUN]" in err, "folder of jsddpm train" in err) == (2, True, True)
    status, _, err = jsddpm("sample", run / "checkpoints" / "last.ckpt", "--out", tmp_path / "out")
    assert (status, "error[NO_RUN]" in err, f"give the run: {run}" in " ".join(err.split())) == (2, True, True)


def test_a_picture_has_the_extension_of_its_content(jsddpm, store, tmp_path):
    status, _, err = jsddpm("cache", "info", store.path, "--thumbnails", tmp_path / "x.jpg")
    assert (status, "end it with .png" in err, list(tmp_path.iterdir())) == (2, True, [])


@pytest.mark.parametrize("words", [("train", "--out", "run", "--store"), ("selftest",)])
def test_generated_slices_in_place_of_real_ones_are_named_first(jsddpm, generated, words):
    status, _, err = jsddpm(*words, generated.path)
    assert (status, "error[KIND]" in err, "is a generated store" in err) == (2, True, True)


def test_a_run_in_place_of_its_evaluation_is_named(jsddpm, tmp_path):
    (tmp_path / "my run" / "evaluation").mkdir(parents=True)
    (tmp_path / "my run" / "evaluation" / "results.json").write_text("{}")
    for words in (
        ("compare", tmp_path / "my run", tmp_path / "other"),
        ("card", tmp_path / "my run", "--out", "new"),
    ):
        status, _, err = jsddpm(*words)
        assert (status, shlex.split(err)[-1]) == (2, str(tmp_path / "my run" / "evaluation"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("plan.json", "utility.json"), "is a utility study, .* open its page .*folder/utility.html"),
        (("plan.json", "selftest.json"), "is a self-test, .* names.csv and faults.csv"),
        (("plan.json",), "is an unfinished utility study or self-test, .* repeat its command"),
        (("store.json",), "is a slice store, .* jsddpm eval"),
    ],
)
def test_a_folder_of_another_command_is_named_by_report_and_card(jsddpm, tmp_path, files, said):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in files:
        (folder / name).write_text("{}")
    for words in (("report", folder), ("card", folder, "--out", tmp_path / "new")):
        status, out, err = jsddpm(*words)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert re.search(rf"error\[NO_RESULTS\] .*folder: {said}", err)


def test_a_demo_is_not_made_in_a_folder_of_something_else(jsddpm, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    before = sorted(p.name for p in (tmp_path / "run").iterdir())
    status, _, err = jsddpm("demo", "--out", tmp_path / "run")
    assert (status, "error[DEMO]" in err) == (2, True)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == before


@pytest.mark.long
def test_an_interrupted_demo_goes_on_when_it_is_repeated(jsddpm, tmp_path, monkeypatch):
    """Before: UNFINISHED in the second stage, and the advice of jsddpm train in the fourth."""
    module, out = "jsddpm_cli.commands", tmp_path / "demo"
    for name, value in {"SUBJECTS": 4, "CONTROLS": 1, "SHAPE": (16, 16, 128), "SPACING": (12.0, 12.0, 1.25)}.items():
        monkeypatch.setattr(f"{module}.demo.{name}", value)
    for name in ("demo", "cohort"):
        monkeypatch.setattr(f"{module}.{name}.cores", lambda: 1)

    def interrupt(done, total):
        if done == 2:
            raise KeyboardInterrupt

    def stop(*_, **__):
        raise JsddpmError("TERMINATED", "SIGTERM at step 3", fix="continue with --resume", status=ExitStatus.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.cache.tracked", lambda title: nullcontext(SimpleNamespace(update=interrupt)))
        status, _, err = jsddpm("demo", "--out", out)
    assert (status, "[2/7]" in err, (out / "store").exists()) == (130, True, False)
    assert err.endswith("error[TERMINATED]: interrupted; fix: repeat the command to continue\n")
    monkeypatch.setattr(f"{module}.train.run_training", stop)
    status, _, err = jsddpm("demo", "--out", out)
    assert (status, "[4/7]" in err, SliceStore(out / "store").verify()) == (143, True, [])
    assert err.endswith("error[TERMINATED]: SIGTERM at step 3; fix: repeat the command to continue\n")


def test_an_option_with_too_few_values_names_the_help_of_its_command(jsddpm):
    status, _, err = jsddpm("cache", "build", "bids", "--out", "store", "--shape", 8, 8)
    assert (status, err.rstrip().endswith("see jsddpm cache build --help")) == (2, True)


def test_an_import_advises_no_option_that_it_lacks(jsddpm, store, tmp_path):
    words = ["cache", "import", tmp_path, "--real", store.path, "--z-range", 5, 34, "--bins", 10**9]
    status, _, err = jsddpm(*words, "--out", tmp_path / "out")
    assert (status, "error[N_BINS]" in err, "--allow-empty" in err) == (2, True, False)
    assert "fix: give the --z-range and --bins with which the samples were generated" in err


@pytest.mark.parametrize("text", ["0,,1", "0,", ",0", ","])
def test_a_list_of_bins_has_no_gap(jsddpm, run, tmp_path, text):
    """A number that was forgotten was left out."""
    status, _, err = jsddpm("sample", run, "--out", tmp_path / "s", "--per-condition", 1, "--bins", text)
    assert (status, f"--bins '{text}' is not valid" in err) == (2, True)


def fresh(*arguments, **environment):
    command = [sys.executable, "-c", "from jsddpm_cli.app import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment, timeout=120, check=False
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["bins", "report", "--z-range", "24", "93"], ["train", "--help"], ["eval", "--help"]]
)
def test_light_commands_import_nothing_heavy(arguments):
    code = (
        "import sys, atexit\n"
        "heavy = {'torch', 'numpy', 'pandas', 'lightning', 'matplotlib', 'nibabel'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "from jsddpm_cli.app import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0
    assert "HEAVY []" in done.stderr


def test_a_generated_store_has_no_patients(jsddpm, generated):
    status, out, err = jsddpm("cache", "info", generated.path)
    assert status == 0
    assert "patients" not in out
    assert "subjects" not in out + err
    shown = json.loads(jsddpm("cache", "info", generated.path, "--format", "json")[1])
    assert shown["patients"] is None
    assert shown["slices"] == {"generated": {"control": 10, "lesion": 10}}  # 5 bins, 2 samples of each condition


def test_a_new_file_is_a_new_command(tmp_path):
    (tmp_path / "hello.py").write_text(
        "import typer\napp = typer.Typer()\nORDER = 0\n@app.command(epilog='Example: jsddpm hello')\n"
        "def hello() -> None:\n    print('hello')\n"
    )
    code = (
        f"import sys\nfrom jsddpm_cli import commands\ncommands.__path__.append({str(tmp_path)!r})\n"
        "from jsddpm_cli.app import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "hello"], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_piped_output_has_no_escapes_and_head_is_no_error():
    done = fresh("bins", "report", "--z-range", "24", "93", FORCE_COLOR="", TERM="dumb")
    assert "\x1b" not in done.stdout + done.stderr
    shell = f"{sys.executable} -c 'from jsddpm_cli.app import main; main()' bins report --z-range 24 93 | head -1"
    piped = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in piped.stderr
    assert "Error" not in piped.stderr


def test_version(jsddpm):
    assert jsddpm("--version")[1] == "jsddpm 0.1.0\n"


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), (5, "error[DISK_FULL]: No space left on device; fix:")),
        (OSError(errno.ENOSPC, "No space left on device", "a"), (5, "error[DISK_FULL] a: No space left on device;")),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), (5, "error[MEMORY]: out of memory; fix:")),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a"), (5, "error[NOT_READABLE] a: File name too long;")),
        (OSError(errno.EIO, "Input/output error"), (70, "error[INTERNAL]: OSError: this is a bug in jsddpm;")),
    ],
)
def test_a_refusal_of_the_machine_is_no_bug(jsddpm, monkeypatch, tmp_path, refusal, expected):
    """Of a stream that is open, and of memory, the system names no file."""

    def refuse(*_, **__):
        raise refusal

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("jsddpm_cli.commands.bins.utilization_report", refuse)
    status, _, err = jsddpm("bins", "report", "--z-range", 24, 93, "--bins", 10, "--slices", 128)
    assert (status, err[: len(expected[1])]) == expected
