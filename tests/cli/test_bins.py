"""``jsddpm bins``: tables, files and strict JSON of a division into bins."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from synthetic import write_store


def test_bins_report_is_the_documented_json(jsddpm):
    status, out, err = jsddpm("bins", "report", "--z-range", 24, 93, "--format", "json")
    report = json.loads(out)
    assert (status, err) == (0, "")
    assert (report["z_range"], report["n_bins"], report["n_slices"]) == ([24, 93], 10, 128)
    assert set(report["schemes"]["local"]) == {
        "bins_total", "bins_used", "utilization", "counts", "ranges", "min_per_used_bin", "max_per_used_bin",
        "spread", "entropy", "unused_bins", "unused_embeddings",
    }  # fmt: skip
    assert [report["schemes"][s]["bins_used"] for s in ("local", "global")] == [10, 7]


@pytest.mark.parametrize("how", ["csv", "markdown", "html"])
def test_bins_report_in_every_format_with_a_store(jsddpm, tmp_path, how):
    store = write_store(tmp_path / "store", patients=3)  # too few to simulate, which takes its time
    common = ["bins", "report", "--z-range", 5, 34, "--bins", 5, "--store", store.path, "--format", how]
    file = tmp_path / f"bins.{'md' if how == 'markdown' else how}"
    status, out, _ = jsddpm(*common, "--out", file)
    assert (status, file.read_bytes().decode().splitlines()) == (0, out.splitlines())
    assert "lesion" in out


@pytest.mark.parametrize(("name", "begins"), [("a.csv", b"z_bin,"), ("a.png", b"\x89PNG"), ("a.json", b"{")])
def test_the_extension_decides_the_file_and_the_format_what_is_printed(jsddpm, tmp_path, name, begins):
    report = ["bins", "report", "--z-range", 24, 93, "--format", "json"]
    status, out, _ = jsddpm(*report, "--out", tmp_path / name)
    assert (status, out) == (0, jsddpm(*report)[1])
    assert json.loads(out)["schemes"]["global"]["bins_used"] == 7
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("how", ["table", "markdown", "html"])
def test_a_bins_report_says_what_its_words_mean(jsddpm, store, how):
    """With six patients in bins of two slices, some conditions could not show any shift that is looked for."""
    _, out, _ = jsddpm("bins", "report", "--store", store.path, "--z-range", 6, 21, "--bins", 8, "--format", how)
    assert re.search(r"\bnone\b", out.split("none: not even a shift of")[0])
    assert "none: not even a shift of" in out
    assert "s/p: slices/patients" in out
    assert "detectable: the smallest difference between 16 samples" in out


def test_bins_sweep_takes_a_list(jsddpm, store):
    status, out, err = jsddpm(
        "bins", "sweep", "--z-range", 5, 34, "--bins", 2, 5, 30, "--store", store.path, "--format", "json"
    )
    sweep = json.loads(out)
    assert (status, err, [e["n_bins"] for e in sweep["choices"]]) == (0, "", [2, 5, 30])
    status, out, err = jsddpm("bins", "sweep", "--z-range", 5, 34, "--bins", 2, 5)
    assert (status, err, "recommended: 5 bins: the most bins with every bin used" in out) == (0, "", True)


def test_bins_report_table_and_figure(jsddpm, tmp_path):
    status, out, _ = jsddpm("bins", "report", "--z-range", 24, 93, "--out", tmp_path / "bins.png")
    assert status == 0
    said = "With local bins, all 10 bins have slices; with global bins, 3 of 10 bins have no slice"
    assert said in " ".join(out.replace("│", " ").split())
    assert "\x1b" not in out
    assert (tmp_path / "bins.png").read_bytes()[:4] == b"\x89PNG"


def test_an_unknown_backend_of_matplotlib_is_not_asked(tmp_path):
    command = [
        sys.executable,
        "-m",
        "jsddpm_cli",
        "bins",
        "report",
        "--z-range",
        "24",
        "93",
        "--out",
        tmp_path / "b.png",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"MPLBACKEND": "bogus"}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "b.png").is_file()
