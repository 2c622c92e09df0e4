"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import pickle
import resource
import signal
import stat
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from jsddpm import files, publish
from jsddpm.csvfiles import csv_bytes
from jsddpm.errors import ExitStatus, JsddpmError, usage_error


def leftovers(folder):
    return [p.name for p in folder.rglob("*") if p.name.endswith(files.PARTIAL)]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    files.write_text(target, "old")
    with pytest.raises(RuntimeError, match="midway"), files.atomic_open(target) as stream:
        stream.write(b"new")
        raise RuntimeError("midway")
    assert target.read_text() == "old"
    assert not leftovers(tmp_path)


@pytest.mark.parametrize(("code", "expected"), [(errno.ENOSPC, "DISK_FULL"), (errno.EACCES, "NOT_WRITABLE")])
def test_the_disk_refusing_is_explained(tmp_path, monkeypatch, code, expected):
    target = tmp_path / "a.txt"
    files.write_text(target, "old")

    def refuse(_handle):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(JsddpmError, match=expected) as caught:
        files.write_text(target, "new")
    assert caught.value.status is ExitStatus.ENVIRONMENT
    assert target.read_text() == "old"
    assert not leftovers(tmp_path)


@contextmanager
def small_files(limit):
    """The system refuses longer files, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_the_system_refuses_is_an_error_of_its_target(tmp_path):
    with small_files(1000), pytest.raises(JsddpmError, match=r"DISK_FULL.*a\.txt"):
        files.write_bytes(tmp_path / "a.txt", bytes(100_000))
    out = publish.published_directory(tmp_path / "out")
    with small_files(1000), pytest.raises(JsddpmError, match=r"DISK_FULL.*out:"), out as folder:
        (folder / "a").write_bytes(bytes(100_000))  # as another library would write it
    out = publish.published_directory(tmp_path / "out")
    with pytest.raises(JsddpmError, match=r"NOT_WRITABLE.*out:"), out as folder:
        open(folder / "none" / "a", "wb")  # noqa: SIM115
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("opened", [files.atomic_open, publish.published_directory])
def test_a_missing_input_is_not_blamed_on_what_is_written(tmp_path, opened):
    """It was NOT_WRITABLE of the output."""
    with pytest.raises(FileNotFoundError) as caught, opened(tmp_path / "out"):
        open(tmp_path / "input.nii")  # noqa: SIM115
    assert caught.value.filename == str(tmp_path / "input.nii")
    assert not list(tmp_path.iterdir())


def test_a_link_to_a_file_that_is_missing_names_it(tmp_path):
    with pytest.raises(JsddpmError, match=r"MISSING.*source: no such file"):
        files.link_or_copy(tmp_path / "source", tmp_path / "target")
    (tmp_path / "source").mkdir()
    with pytest.raises(JsddpmError, match=r"NOT_READABLE.*source: Is a directory"):
        files.link_or_copy(tmp_path / "source", tmp_path / "target")
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_a_folder_is_published_whole(tmp_path):
    with publish.published_directory(tmp_path / "out") as folder:
        files.write_text(folder / "a", "1")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "a").read_text() == "1"
    with pytest.raises(JsddpmError, match="EXISTS"), publish.published_directory(tmp_path / "out"):
        pass
    with pytest.raises(KeyError), publish.published_directory(tmp_path / "other"):
        raise KeyError("x")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_process_left_is_swept_at_the_next_start_and_nothing_else(tmp_path):
    child = os.fork()
    if child == 0:
        with publish.published_directory(tmp_path / "out") as folder:
            files.write_text(folder / "a", "1")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(leftovers(tmp_path)) == 1
    others = [".out.b.abcdefgh.partial", ".outer.abcdefgh.partial", ".b.abcdefgh.partial", ".out[1].abcdefgh.partial"]
    for name in others:
        (tmp_path / name).mkdir()
    with publish.published_directory(tmp_path / "out") as folder:
        files.write_text(folder / "a", "2")
        with pytest.raises(JsddpmError, match="LOCKED"), publish.published_directory(tmp_path / "out"):
            pass
    assert all((tmp_path / name).is_dir() for name in others)
    assert sorted(leftovers(tmp_path)) == sorted(others)
    assert (tmp_path / "out" / "a").read_text() == "2"


def test_folders_of_long_names_that_begin_alike_are_filled_at_the_same_time(tmp_path):
    """Partial files had the first 32 characters of a name: the second process removed the folder of the first."""
    names = [f"utility-{'of-a-long-study-' * 4}fold-{k}" for k in range(2)]
    with publish.published_directory(tmp_path / names[0]) as first:
        files.write_text(first / "a", "1")
        with publish.published_directory(tmp_path / names[1]) as second:
            files.write_text(second / "a", "2")
    assert [(tmp_path / name / "a").read_text() for name in names] == ["1", "2"]


def test_a_partial_name_leaves_room_in_the_longest_one(tmp_path):
    for name in ("a" * 255, "ä" * 127, "\udcff" * 255):
        files.write_bytes(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"


def test_beside_a_folder_is_beside_the_place_it_has(tmp_path, monkeypatch):
    """Of ``.`` it was an internal error: a path without a name."""
    (tmp_path / "store").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "store")
    monkeypatch.chdir(tmp_path / "store")
    for folder in (".", "../store", tmp_path / "store", tmp_path / "elsewhere" / "link"):
        assert publish.beside(folder, ".selftest") == tmp_path / "store.selftest"


def test_a_name_that_is_not_utf8_is_said(tmp_path):
    """Found at the end of a build, as an internal error."""
    with pytest.raises(JsddpmError, match=r"ENCODING.*'\\udcff' is not UTF-8") as caught:
        publish.write_text(tmp_path / "a.json", "name \udcff")
    assert (caught.value.status, list(tmp_path.iterdir())) == (3, [])


def test_neither_json_nor_a_table_holds_a_name_that_is_not_utf8(tmp_path):
    for made in (lambda: files.write_json(tmp_path / "a", {"file": "\udcff"}), lambda: csv_bytes([{"file": "\udcff"}])):
        with pytest.raises(JsddpmError, match="ENCODING") as caught:
            made()
        assert (caught.value.status, list(tmp_path.iterdir())) == (3, [])


def test_json_is_strict_both_ways(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"x": float("nan")})
    assert not path.exists()
    for text in ('{"x": NaN}', '{"x": 1, "x": 2}', "[1]", '{"x": ', "[" * 100000):
        path.write_text(text)
        with pytest.raises(JsddpmError, match="JSON") as caught:
            files.read_json(path)
        assert caught.value.status is ExitStatus.INTEGRITY


def test_a_second_holder_is_named_the_first(tmp_path):
    lock = tmp_path / ".lock"
    with publish.exclusive_lock(lock):
        with pytest.raises(JsddpmError, match=f"process {os.getpid()}") as caught, publish.exclusive_lock(lock):
            pass
        assert caught.value.status is ExitStatus.ENVIRONMENT
    with publish.exclusive_lock(lock):
        pass
    assert not list(tmp_path.iterdir())


def test_a_dead_holders_lock_is_free_again(tmp_path):
    """A killed process removes nothing: its lock file and its name stay, and hinder nobody."""
    lock, ready = tmp_path / ".lock", tmp_path / "ready"
    child = os.fork()
    if child == 0:
        with publish.exclusive_lock(lock):
            ready.touch()
            time.sleep(60)
        os._exit(1)
    deadline = time.monotonic() + 30
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(JsddpmError, match=f"LOCKED.*process {child} on"), publish.exclusive_lock(lock):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert {p.name for p in tmp_path.iterdir()} == {".lock", ".lock.holder", "ready"}
    with publish.exclusive_lock(lock):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["ready"]


def test_who_waits_holds_the_lock_next(tmp_path):
    """The first holder removes the file that the second one waits at: a third must still be kept out."""
    lock, order = tmp_path / ".lock", []

    def second():
        with publish.exclusive_lock(lock, wait=True):
            with pytest.raises(JsddpmError, match="LOCKED"), publish.exclusive_lock(lock):
                pass
            order.append("second, alone")

    with publish.exclusive_lock(lock):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second, alone"]


def test_a_file_in_the_way_is_explained(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(JsddpmError, match="NOT_WRITABLE"):
        files.require_writable(tmp_path / "file" / "below")


def test_errors_cross_processes_and_cannot_alter_a_terminal():
    error = usage_error("CODE", "bad \x1b[31m name", fix="rename", file="a\nb")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.status) == (str(error), ExitStatus.USAGE)
    assert str(error) == "error[CODE] a\\nb: bad \\x1b[31m name; fix: rename"


def test_bytes_are_flushed_before_a_name_and_the_name_after(tmp_path):
    """The order of calls to the system: a file, its name, its folder; after a crash the name never stands for less."""
    read, write = os.pipe()
    if os.fork() == 0:
        with os.fdopen(write, "w") as calls:
            for name in ("fsync", "replace", "rename"):
                call = getattr(os, name)
                setattr(os, name, lambda *a, name=name, call=call: (print(name, file=calls), call(*a))[1])
            files.write_bytes(tmp_path / "file", b"x")
            with publish.published_directory(tmp_path / "folder") as folder:
                files.write_bytes(folder / "file", b"x")
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as calls:
        found = calls.read().split()
    os.wait()
    file, folder = ["fsync", "replace", "fsync"], ["fsync", "rename", "fsync"]
    assert found == [*file, *file, *file, *folder]  # the second file names who holds the folder's lock


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the system does not name open files")
@pytest.mark.parametrize("way", ["link", "copy"])
def test_a_second_name_of_a_file_is_on_the_disk_before_its_folder_is_published(tmp_path, monkeypatch, way):
    """Neither the folder of the links nor the bytes of a copy were flushed."""
    source, calls, fsync, rename = tmp_path / "source", [], os.fsync, os.rename
    source.write_bytes(b"slices")
    source.chmod(0o444)

    def refuse(*_):
        raise OSError(errno.EXDEV, "another file system")

    if way == "copy":
        monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "fsync", lambda h: (calls.append(os.readlink(f"/proc/self/fd/{h}")), fsync(h))[1])
    monkeypatch.setattr(os, "rename", lambda a, b: (calls.append("published"), rename(a, b))[1])
    with publish.published_directory(tmp_path / "out") as folder:
        (folder / "deep" / "arrays").mkdir(parents=True)
        del calls[:]  # those of the lock
        files.link_or_copy(source, folder / "deep" / "arrays" / "a")
        copied = [Path(call) for call in calls]
    folders = [str(folder / "deep" / "arrays"), str(folder / "deep"), str(folder)]
    assert calls[len(copied) :] == [*folders, "published", str(tmp_path)]
    second = tmp_path / "out" / "deep" / "arrays" / "a"
    assert second.read_bytes() == b"slices"
    assert stat.S_IMODE(second.stat().st_mode) == 0o444
    assert os.path.samefile(source, second) == (way == "link")
    if way == "copy":
        assert [path.parent for path in copied] == [folder / "deep" / "arrays", folder / "deep"]  # the bytes, the name


def test_a_file_that_can_neither_be_linked_nor_copied_is_an_error_of_the_disk(tmp_path):
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(JsddpmError, match=r"NOT_WRITABLE.*none") as caught:
        files.link_or_copy(tmp_path / "source", tmp_path / "none" / "a")
    assert caught.value.status is ExitStatus.ENVIRONMENT
    assert not leftovers(tmp_path)


def test_a_part_that_begins_while_another_one_looks_for_it_is_not_refused(tmp_path, monkeypatch):
    """The first part fails, and looks whether others work by taking their locks; a killed second part left its lock."""
    target, began = tmp_path / "out", []
    lock = tmp_path / ".out.part-2.lock"

    def begin():
        with publish.shared_directory(target, {}, part="2") as folder:
            began.append(folder)

    second, honest = threading.Thread(target=begin), publish.exclusive_lock

    @contextmanager
    def slow(path, *, wait=False):
        with honest(path, wait=wait):
            if path == lock and threading.current_thread() is not second and not second.ident:
                second.start()
                time.sleep(0.5)
            yield

    with pytest.raises(JsddpmError, match="impossible"), publish.shared_directory(target, {}, part="1"):
        lock.touch()
        monkeypatch.setattr(publish, "exclusive_lock", slow)
        raise usage_error("OPTION", "impossible", fix="")
    second.join(10)
    assert began == [publish.unfinished(target)]
