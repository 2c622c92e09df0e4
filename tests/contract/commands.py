"""Group H: the command line and its reports, on closed, full and narrow streams, with hostile text."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache

from calls import Found, child, forked, status_of
from contract.case import SMALL, Row, World
from contract.cohorts import image
from evaluations import HOSTILE, SPACES, made_up
from jsddpm_cli.app import app, command, main
from jsddpm_reports import page
from reports.test_page import parsed

REPORT = ("bins", "report", "--z-range", "24", "93")
INFO = ("cache", "info", "{store}", "--format", "json")


@contextmanager
def closed_pipe():
    """The end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    try:
        yield write
    finally:
        os.close(write)


@contextmanager
def full_device():
    """A device that takes nothing."""
    handle = os.open("/dev/full", os.O_WRONLY)
    try:
        yield handle
    finally:
        os.close(handle)


def written_to(stream: Callable, *words: object) -> Callable[[World], Found]:
    """A command whose standard output is that stream."""

    def command(world: World) -> Found:
        with stream() as handle:
            return child(*map(world.fill, words), stdout=handle)

    return command


def silent(row_status: int, *words: object) -> Callable[[World], Found]:
    """A command into a closed pipe: no word of it, and 141 or 0."""

    def command(world: World) -> Found:
        found = written_to(closed_pipe, *words)(world)
        assert found.err.strip() == "" or "error[" not in found.err
        assert found.status in (0, 141), (found.status, found.err)
        return Found(row_status, found.out, found.err, found.seconds)

    return command


def plain(environment: dict[str, str], *words: object, encoding: str = "utf-8") -> Callable[[World], Found]:
    """A command on another kind of terminal."""
    return lambda world: child(*map(world.fill, words), environment=environment, encoding=encoding)


def strict_json(*words: object) -> Callable[[World], Found]:
    """Standard output is one JSON value without NaN; the rest is on standard error."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    def command(world: World) -> Found:
        found = world.call(*words, "--format", "json")
        assert isinstance(json.loads(found.out, parse_constant=refuse), dict)
        return found

    return command


def bug(world: World) -> Found:
    """A command with a bug, beside ours: its traceback, with a patient's name in it, goes to a file."""

    def work() -> int:
        tempfile.tempdir = str(world.tmp / "logs")

        @app.command("buggy")
        def buggy() -> None:
            raise ZeroDivisionError("Maria Musterfrau")

        command.cache_clear()
        return status_of(main)

    found = forked(lambda: _as_command(work, "buggy"))
    (log,) = (world.tmp / "logs").glob("jsddpm-*.log")
    assert "Musterfrau" in log.read_text()
    assert "Musterfrau" not in found.err + found.out
    assert str(log) in found.err
    return found


def _as_command(work: Callable[[], int], *words: str) -> int:
    sys.argv = ["jsddpm", *words]
    return work()


@cache
def report_page() -> str:
    """The report of an evaluation whose every name is hostile."""
    return page.render(made_up(2, SPACES[:1], size=(8, 6), seeds=2))


def inert_page(world: World) -> Found:
    """A report full of hostile names: one script, ours, and nothing that runs or loads."""
    html = report_page()
    found = parsed(html)
    assert HOSTILE in "".join(found.text.values())
    assert [tag for tag, _ in found.tags].count("script") == 1
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))
    return Found(0)


def offline_page(world: World) -> Found:
    """Nothing is fetched, and a policy says so to the browser."""
    html = report_page()
    policy = next(a["content"] for t, a in parsed(html).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert not re.search(r"@import|url\((?!#)|src=\"(?!data:)", html)
    return Found(0)


def described(world: World) -> None:
    """A patient's name in the free text of an image's header."""
    path = world.bids.parent / image(0)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[148:168] = b"Maria Musterfrau1970"
    path.write_bytes(gzip.compress(bytes(raw)))


def no_free_text(world: World) -> Found:
    """It stands in no file that a build leaves, and is not printed."""
    found = world.call("cache", "build", "{bids}", "--out", "{tmp}/new", *SMALL)
    for left in (world.tmp / "new").rglob("*"):
        assert not left.is_file() or b"Musterfrau" not in left.read_bytes()
    assert "Musterfrau" not in found.said
    return found


def run_page(world: World) -> Found:
    """The page names neither the folder of the store nor a patient."""
    found = world.call("report", "{run}", "--out", "{tmp}/run.html")
    html = (world.tmp / "run.html").read_text()
    for name in (str(world.store.path), *world.store.patients.tolist()):
        assert f">{name}<" not in html
        assert f"{name} " not in html
    return found


def typing_mistake(what: str, *words: str, said: tuple[str, ...]) -> Row:
    return Row("95", what, words, 2, "", said)


NARROW = {"COLUMNS": "40", "TERM": "dumb", "NO_COLOR": "1"}

ROWS = (
    typing_mistake("an unknown command", "trian", said=("train",)),
    typing_mistake("an unknown option", "train", "--stor", "x", "--out", "y", said=("--store",)),
    typing_mistake("a word for a number", "bins", "report", "--z-range", "a", "b", said=("--z-range",)),
    Row("95", "four voxels a side", ("cache", "build", "{bids}", "--out", "{tmp}/new", "--shape", 4, 4, 4), 2, "SHAPE",
        ("at least 8",), lambda world: world.bids),
    Row("95", "shares of more than all", ("cache", "build", "{bids}", "--out", "{tmp}/new", "--val", 0.6, "--test",
        0.5), 2, "SPLIT", (), lambda world: world.bids),
    Row("95", "more controls than subjects", ("cohort", "phantom", "{tmp}/new", "--subjects", 1, "--controls", 2), 2,
        "PHANTOM"),
    typing_mistake("a missing option", "bins", "sweep", said=("--bins",)),
    typing_mistake("an unknown choice", "cohort", "scan", "{tmp}", "--layout", "dicom", said=("manifest",)),
    Row("96", "a missing store", ("cache", "info", "{tmp}/none"), 2, "MISSING", ("{tmp}/none", "no such folder")),
    Row("96", "a name longer than files have", ("cache", "info", "{tmp}/" + "n" * 300), 5, "NOT_READABLE",
        ("give a shorter name",)),
    Row("96", "a path with an escape", ("cache", "info", "{tmp}/\x1b[31mred"), 2, "MISSING", ("\\x1b[31mred",)),
    Row("96", "a missing source", ("cohort", "scan", "{tmp}/none"), 2, "MISSING", ("{tmp}/none",)),
    Row("96", "a missing store to train on", ("train", "--store", "{tmp}/none", "--out", "{tmp}/new"), 2, "MISSING"),
    Row("96", "a missing configuration", ("train", "--store", "{store}", "--out", "{tmp}/new", "--config",
        "{tmp}/none.yaml"), 2, "CONFIG", ("none.yaml",)),
    Row("96", "a missing run to resume", ("train", "--store", "{store}", "--out", "{tmp}/none", "--resume"), 2,
        "MISSING", ("{tmp}/none",)),
    Row("96", "a missing run to sample from", ("sample", "{tmp}/none", "--out", "{tmp}/new"), 2, "MISSING"),
    Row("96", "a folder that is no store", ("cache", "info", "{tmp}"), 4, "STORE_INCOMPLETE", ("store.json",)),
    Row("96", "a missing checkpoint", ("checkpoint", "info", "{tmp}/none.ckpt"), 2, "MISSING"),
    Row("96", "a missing run", ("eval", "{tmp}/none"), 2, "MISSING"),
    Row("96", "neither run nor evaluation", ("report", "{tmp}", "--out", "{tmp}/r.html"), 2, "NO_RESULTS"),
    Row("96", "a file where a folder is needed", (*REPORT, "--out", "{tmp}/file/report.md"), 5, "NOT_WRITABLE", (),
        lambda world: (world.tmp / "file").write_text("")),
    Row("97", "forty columns, no colours, a dumb terminal", plain(NARROW, *REPORT), 0, "", ("bins",)),
    Row("97", "one column", plain({"COLUMNS": "1"}, *REPORT)),
    Row("97", "colours forced into a file", plain({"FORCE_COLOR": "", "TERM": "dumb"}, "cache", "info", "{store}")),
    Row("M9", "an output in ASCII", plain({}, *REPORT, encoding="ascii")),
    Row("M9", "an output in Latin 1", plain({}, "cache", "info", "{store}", encoding="latin-1")),
    Row("98", "a table into a closed pipe", silent(0, *REPORT)),
    Row("98", "JSON into a closed pipe", silent(0, *INFO)),
    Row("98", "help into a closed pipe", silent(0, "--help")),
    Row("99", "a table onto a full device", written_to(full_device, *REPORT), 5, "DISK_FULL"),
    Row("99", "JSON onto a full device", written_to(full_device, *INFO), 5, "DISK_FULL"),
    Row("99", "help onto a full device", written_to(full_device, "--help"), 5, "DISK_FULL"),
    Row("100", "JSON of the bins", strict_json(*REPORT)),
    Row("100", "JSON of a store", strict_json("cache", "info", "{store}")),
    Row("100", "JSON of a cohort", strict_json("cohort", "scan", "{bids}"), build=lambda world: world.bids),
    Row("100", "JSON of a checkpoint", strict_json("checkpoint", "info", "{run}/checkpoints/last.ckpt")),
    Row("101", "a bug", bug, 70, "INTERNAL", ("this is a bug in jsddpm",), lambda world: (world.tmp / "logs").mkdir(),
        leaves=("logs/*",)),
    Row("102", "names that are HTML and scripts", inert_page),
    Row("104", "a report without a network", offline_page),
    Row("105", "folders and patients in the page of a run", run_page),
    Row("105", "free text of a header", no_free_text, build=described),
)  # fmt: skip
