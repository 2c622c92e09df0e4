"""Progress lines: how much, and how long still, also for work that was resumed or has parts."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from jsddpm_cli import console
from jsddpm_cli.console import Tracker


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_time_left_counts_from_where_the_work_was_resumed(clock, capsys):
    tracker = Tracker("training", None)
    for done in range(501, 1001):  # one step a second
        tracker.update(done, 1000, {"loss": 0.25})
        clock[0] += 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training: 501 of 1000  loss 0.25"
    assert lines[1:3] == [
        "training: 600 of 1000  loss 0.25  400 s left",
        "training: 700 of 1000  loss 0.25  300 s left",
    ]


def test_time_left_does_not_count_a_slow_first_step(clock, capsys):
    """The first of 20 steps takes 600 s, all others 5 s."""
    tracker = Tracker("evaluation", None)
    tracker.update(0, 20)
    for done in range(1, 21):
        clock[0] += 600 if done == 1 else 5
        tracker.update(done, 20)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [
        "evaluation: 2 of 20  90 s left", "evaluation: 4 of 20  80 s left", "evaluation: 6 of 20  70 s left"
    ]  # fmt: skip


def test_time_left_where_two_processes_finish_together(clock, capsys):
    """Two results every 30 s. Before: 0 s left, which is the speed from the first of two to the second one."""
    tracker = Tracker("build", None)
    for done in range(1, 21):
        clock[0] += 30 if done % 2 else 0.001
        tracker.update(done, 20)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:4] == [
        "build: 2 of 20", "build: 4 of 20  240 s left", "build: 6 of 20  210 s left", "build: 8 of 20  180 s left"
    ]  # fmt: skip


def test_parts_follow_each_other(clock, capsys):
    tracker = Tracker("evaluation", None)
    tracker.part("features", 0, 1)
    tracker.part("bins", 0, 1)
    for done in range(1, 3):
        clock[0] += 5
        tracker.part("bins", done, 2)
    tracker.part("lesions", 0, 1)
    assert capsys.readouterr().err.splitlines() == [
        "features", "bins", "bins: 1 of 2", "bins: 2 of 2  0 s left", "lesions",
    ]  # fmt: skip


def test_the_bar_of_a_terminal_shows_the_part(clock):
    stream = io.StringIO()
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed}/{task.total}{task.fields[values]}"))
    with Progress(*columns, console=Console(file=stream, force_terminal=True), auto_refresh=False) as bar:
        tracker = Tracker("evaluation", bar)
        tracker.part("bins", 3, 10)
        bar.refresh()
        tracker.part("lesions", 0, 1)
    assert "bins 3/10" in stream.getvalue()
    assert "lesions 0/None" in stream.getvalue().replace("\x1b[2K", "")


@pytest.mark.parametrize(("columns", "width"), [("0", 100), ("", 100), ("44", 44)])
def test_a_width_of_0_is_none(monkeypatch, capsys, columns, width):
    """Nothing was printed."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(console.shutil.os, "get_terminal_size", lambda *_: (_ for _ in ()).throw(OSError()))
    console.emit("x" * 250, None, "table")
    assert len(capsys.readouterr().out.splitlines()[0]) == width


@pytest.mark.parametrize(("columns", "broken"), [("", False), ("44", True)])
def test_sentences_of_a_result_are_broken_at_blanks_where_a_width_is_given(monkeypatch, capsys, columns, broken):
    monkeypatch.setenv("COLUMNS", columns)
    sentence = " ".join(["[words]"] * 20)
    console.emit("table", None, "table", above=[sentence], below=["last\x1b"])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert (" ".join(lines[:-2]), lines[-2:]) == (sentence, ["table", "last\\x1b"])
    assert [len(line) for line in lines[:-2]] == ([39] * 4 if broken else [159])


def test_a_note_on_a_terminal_is_broken_at_blanks_unless_it_is_a_command(monkeypatch):
    """Rich breaks no line whose overflow is ignored."""
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(console.sys, "stderr", stream)
    for name, value in {"COLUMNS": "44", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    console.note(" ".join(["words"] * 20))
    console.note(" ".join(["words"] * 20), unbroken=True)
    assert [len(line.rstrip()) for line in stream.getvalue().splitlines()] == [41, 41, 35, 119]
