"""Output that is full, closed, unread or of another encoding; names that would alter a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from calls import call, child
from jsddpm_cli.streams import strict_json
from synthetic import write_bids

COMMAND = f"{sys.executable} -c 'from jsddpm_cli.app import main; main()'"
REPORT = "bins report --z-range 24 93"
HELP = "train --help"
JSON = f"{REPORT} --format json"
FULL = "No space left on device"


def shell(line):
    """Run ``jsddpm`` (``J`` in the line) as a shell does; what it left of both streams, and the status of ``J``."""
    script = f"set -o pipefail; {line.replace('J', COMMAND)}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("words", [REPORT, JSON, HELP, "--version"])
def test_a_reader_that_has_gone_is_no_error(words):
    done = shell(f"J {words} | true")
    assert done.returncode in (0, 141)  # a pipe may hold it all before the reader goes
    assert done.stderr == ""


@pytest.mark.parametrize("words", [REPORT, JSON, HELP, "--version"])
def test_a_full_device_is_said(words):
    done = shell(f"J {words} > /dev/full")
    assert done.returncode == 5
    assert re.fullmatch(rf"error\[DISK_FULL\] standard output: {FULL}; fix: .*\n", done.stderr)


def test_a_closed_output_is_said():
    done = shell(f"J {REPORT} >&-")
    assert done.returncode == 5
    assert done.stderr == "error[NOT_WRITABLE] standard output: is closed; fix: open it, or redirect it\n"


def test_messages_that_cannot_be_written_have_a_status(tmp_path):
    assert shell("J bins report --z-range 93 24 2>/dev/full").returncode == 5
    assert shell(f"J bins report --z-range 24 93 --out {tmp_path / 'bins.md'} 2>/dev/full").returncode == 5
    assert shell("J bins report --z-range 93 24 2>&1 >/dev/null | true").returncode in (2, 141)


def test_a_closed_error_stream_is_a_choice(tmp_path):
    """As services have it; no file takes its number, and then its messages."""
    assert shell(f"J {REPORT} --out {tmp_path}/a.md 2>&-").returncode == 0
    text = (tmp_path / "a.md").read_text()
    assert text.startswith("#")
    assert "report" not in text.splitlines()[-1]
    assert shell("J bins report --z-range 93 24 2>&-").returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r"])
@pytest.mark.parametrize("words", [REPORT, HELP, "bins sweep --z-range 24 93 --bins 5"])
def test_any_encoding_takes_every_output(encoding, words):
    found = child(*words.split(), encoding=encoding)
    assert (found.status, "INTERNAL" in found.err) == (0, False)
    assert found.out


def test_json_is_json_in_any_encoding(tmp_path):
    write_bids(tmp_path / "é\x1b[31m")
    found = child("cohort", "scan", tmp_path / "é\x1b[31m", "--format", "json", encoding="ascii")
    read = json.loads(found.out)["records"]
    assert read[0]["image"].startswith(str(tmp_path / "é\x1b[31m"))
    assert "\x1b" not in found.out


def test_json_escapes_what_a_terminal_would_obey():
    hostile = ["a\x1b[2J\x9b\u202e\u2066b\udcff\n", "é漢"]
    text = strict_json(hostile)
    assert json.loads(text) == hostile
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "é漢" in text


HOSTILE = "p\x1b[31m\u202e[red]\x07q"


def test_names_of_files_cannot_alter_the_terminal(tmp_path):
    """A folder's name reached it raw; one in brackets was taken for markup, and was an error."""
    bids = write_bids(tmp_path / "bids", 2)
    (bids / "sub-01").rename(bids / f"sub-{HOSTILE}")
    for path in (bids / f"sub-{HOSTILE}" / "anat").iterdir():
        path.rename(path.with_name(path.name.replace("sub-01", f"sub-{HOSTILE}")))
    small = ["--shape", 24, 32, 28, "--spacing", 3, 3, 3, "--val", 0, "--test", 0.5, "--jobs", 1]
    for words in (
        ["cohort", "scan", bids, "--controls", "*"],
        ["cohort", "scan", bids, "--controls", "*", "--read", "--jobs", 1],
        ["cache", "build", bids, "--out", tmp_path / f"store-{HOSTILE}", "--controls", "*", *small],
        ["cache", "info", tmp_path / f"store-{HOSTILE}"],
        ["cache", "verify", tmp_path / f"store-{HOSTILE}"],
        ["cache", "info", tmp_path / f"none-{HOSTILE}"],
        [f"unknown-{HOSTILE}"],
        ["train", f"--unknown-{HOSTILE}"],
        ["cohort", "scan", bids, "--layout", HOSTILE],
    ):
        found = call(*words)
        assert found.status in (0, 2), found.err
        assert all(c.isprintable() or c == "\n" for c in found.out + found.err), words
        if words[0] == "cohort":
            assert "p\\x1b[31m\\u202e[red" in found.said


def test_names_that_are_not_utf8_are_left_out_by_name(tmp_path):
    """They ended a build, after all its work, and a scan with --out, as internal errors."""
    bids = write_bids(tmp_path / "bids", 3)
    name = os.fsdecode(b"sub-\xff")
    (bids / "sub-01").rename(bids / name)
    for path in (bids / name / "anat").iterdir():
        path.rename(path.with_name(path.name.replace("sub-01", name)))
    scanned = call("cohort", "scan", bids, "--controls", "*", "--out", tmp_path / "cohort.csv")
    assert (scanned.status, "error[SUBJECT_NAME]" in scanned.err) == (3, True)
    assert "sub-\\udcff" in scanned.err
    assert len((tmp_path / "cohort.csv").read_text().splitlines()) == 3
    below = tmp_path / os.fsdecode(b"folder-\xfe")
    bids.rename(below)
    scanned = call("cohort", "scan", below, "--controls", "*", "--out", tmp_path / "again.csv")
    assert (scanned.status, "error[ENCODING]" in scanned.err) == (3, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trian", r"no such command 'trian'; fix: did you mean 'train'\? See jsddpm --help"),
        ("train --stor x", r"no such option: --stor; fix: did you mean --set or --store\? See jsddpm train --help"),
        ("bins sweep --z-range 24 93", r"missing option '--bins'; fix: see jsddpm bins sweep --help"),
        (
            "bins report --z-range a b",
            r"invalid value for '--z-range': 'a' is not a whole number; fix: see jsddpm bins ",
        ),
        (
            "bins report --bins ten",
            r"invalid value for '--bins': 'ten' is not a whole number; fix: see jsddpm bins rep",
        ),
        ("bins sweep --z-range 4 9 --bins 5 ten", r"invalid value for '--bins': 'ten' is not a whole number; fix: see"),
        ("sample x --out y --eta 3", r"invalid value for '--eta': 3 is above 1; fix: see jsddpm sample --help"),
        ("cohort scan . --layout dicom", r"invalid value for '--layout': 'dicom' is not one of .*manifest.*; fix: see"),
        ("cohort scan", r"missing argument SOURCE; fix: see jsddpm cohort scan --help"),
        ("bins", r"no command is given; fix: give one of the commands above: jsddpm bins COMMAND"),
    ],
)
def test_usage_errors_are_errors_like_any_other(words, message):
    found = call(*words.split())
    assert found.status == 2
    assert re.fullmatch(rf"error\[USAGE\]: {message}.*\n", found.err), found.err


def test_wide_notes_are_folded_and_nothing_is_lost(tmp_path):
    """At 100 columns notes were cut, and the column of subjects was dropped."""
    bids = write_bids(tmp_path / "bids", 2)
    name = "sub-" + "x" * 60
    (bids / "sub-01").rename(bids / name)
    for path in (bids / name / "anat").iterdir():
        path.rename(path.with_name(path.name.replace("sub-01", name)))
    image = bids / name / "anat" / f"{name}_FLAIR.nii.gz"
    image.with_name(f"{name}_acq-b_FLAIR.nii.gz").write_bytes(image.read_bytes())
    found = child("cohort", "scan", bids, "--controls", "*", "--read", "--jobs", 1)
    assert found.status == 0
    assert "…" not in found.out
    assert max(map(len, found.out.splitlines())) <= 100
    assert found.out.count("x") >= 60
    words = set(found.out.split())
    assert words >= {"of", "2", "images,", "the", "one", "with", "a", "lesion", "mask"}


@pytest.mark.parametrize(("name", "begins"), [("a.csv", "z_bin,"), ("a.json", "{"), ("a.html", "<!"), ("a.md", "#")])
def test_the_ending_of_a_report_is_its_format(tmp_path, name, begins):
    assert call(*REPORT.split(), "--out", tmp_path / name).status == 0
    assert (tmp_path / name).read_text().startswith(begins)


def test_an_unknown_ending_is_refused(tmp_path):
    found = call(*REPORT.split(), "--out", tmp_path / "a.exe")
    assert (found.status, list(tmp_path.iterdir())) == (2, [])
    assert "end it with one of .json" in found.err


def test_a_file_cut_short_while_it_is_mapped_is_explained(tmp_path):
    """The system ends the process (SIGBUS); where it was reading is printed."""
    (tmp_path / "reads.py").write_text(
        "import os\nimport numpy as np\nfrom jsddpm_cli.streams import guarded\n"
        "np.save('a.npy', np.zeros(1 << 20))\n"
        "mapped = np.load('a.npy', mmap_mode='r')\n"
        "os.truncate('a.npy', 4096)\n"
        "with guarded():\n    mapped.sum()\n"
    )
    done = subprocess.run(
        [sys.executable, "reads.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGBUS
    assert "Fatal Python error: Bus error" in done.stderr
    assert 'reads.py", line 8' in done.stderr
