"""Checksums beside files, in the record of a folder, and inside files."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest

from crash import killed_at
from jsddpm import checksums, files
from jsddpm.checksums import (
    RECORD,
    crc32_differs,
    read_recorded,
    read_sealed,
    record_folder,
    recorded_names,
    remove_recorded,
    require_recorded,
    write_recorded,
    write_sealed,
)
from jsddpm.errors import ExitStatus, JsddpmError


def test_crc32_of_the_standard_text():
    """0xCBF43926 is the check value of CRC-32 (Williams 1993) for the text 123456789."""
    text = np.frombuffer(b"123456789", np.uint8)
    assert crc32_differs([text, text[1:].copy(), text], [0xCBF43926, 0xCBF43926, 1]) == [1, 2]


def test_any_change_of_a_sealed_file_is_seen(tmp_path):
    path = tmp_path / "a.npy"
    write_sealed(path, b"0123456789" * 4)
    clean = path.read_bytes()
    assert read_sealed(path) == b"0123456789" * 4
    for place in range(len(clean)):
        path.write_bytes(clean[:place] + bytes([clean[place] ^ 1]) + clean[place + 1 :])
        assert read_sealed(path) is None
    for content in (b"", clean[:-1], clean + b"x", clean[10:], b"no seal"):
        path.write_bytes(content)
        assert read_sealed(path) is None


def test_numpy_reads_a_sealed_array(tmp_path):
    np.save(tmp_path / "plain.npy", np.arange(5))
    write_sealed(tmp_path / "sealed.npy", (tmp_path / "plain.npy").read_bytes())
    assert np.array_equal(np.load(tmp_path / "sealed.npy"), np.arange(5))


def test_the_record_is_what_sha256sum_reads_and_finds_damage(tmp_path):
    for name in ("a.json", "b c.csv"):
        write_recorded(tmp_path / name, name.encode() * 3)
    write_recorded(tmp_path / "a.json", b"another")
    checked = subprocess.run(["sha256sum", "--check", "--strict", RECORD], cwd=tmp_path, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "a.json: OK\nb c.csv: OK\n")
    assert read_recorded(tmp_path / "a.json", "CODE", "cure") == b"another"
    (tmp_path / "a.json").write_bytes(b"anotheR")
    with pytest.raises(JsddpmError, match=r"error\[CODE\].*a.json.*fix: cure") as caught:
        read_recorded(tmp_path / "a.json", "CODE", "cure")
    assert caught.value.status is ExitStatus.INTEGRITY
    (tmp_path / "foreign").write_bytes(b"of somebody else")
    assert read_recorded(tmp_path / "foreign", "CODE", "cure") == b"of somebody else"
    with pytest.raises(JsddpmError, match=r"MISSING"):
        read_recorded(tmp_path / "none", "CODE", "cure")


def test_a_record_of_another_owner_keeps_its_lines(tmp_path):
    (tmp_path / "scan.nii").write_bytes(b"voxels")
    text = subprocess.run(["sha256sum", "--binary", "scan.nii"], cwd=tmp_path, capture_output=True, text=True).stdout
    (tmp_path / RECORD).write_text(f"# of the scanner\n{text}")
    write_recorded(tmp_path / "a.json", b"{}")
    lines = (tmp_path / RECORD).read_text().splitlines()
    assert lines[0] == "# of the scanner"
    assert text.strip() in lines
    checked = subprocess.run(["sha256sum", "--check", RECORD], cwd=tmp_path, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "a.json: OK\nscan.nii: OK\n")
    assert recorded_names(tmp_path) == {"a.json", "scan.nii"}
    remove_recorded(tmp_path, ["a.json"])
    assert (tmp_path / RECORD).read_text() == f"# of the scanner\n{text}"


def test_a_kill_at_any_call_leaves_the_old_file_or_the_new_one(tmp_path):
    for moment in range(100):
        folder = tmp_path / str(moment)
        folder.mkdir()
        write_recorded(folder / "a", b"old")
        if not killed_at(moment, lambda folder=folder: write_recorded(folder / "a", b"new")):
            break
        assert read_recorded(folder / "a", "CODE", "cure") in (b"old", b"new")
        write_recorded(folder / "a", b"again")
        assert read_recorded(folder / "a", "CODE", "cure") == b"again"
    assert 5 < moment < 99


def test_a_file_replaced_while_it_is_read_is_not_damaged(tmp_path, monkeypatch):
    """A page of a live run: the new file was written between the reading of the old one and of the record."""
    path, replaced = tmp_path / "a", []
    write_recorded(path, b"old")

    def read_then_replaced(file):
        data = files.read_bytes(file)
        if file == path and not replaced:
            replaced.append(True)
            write_recorded(path, b"new")
        return data

    monkeypatch.setattr(checksums, "read_bytes", read_then_replaced)
    assert read_recorded(path, "CODE", "cure") == b"new"


def test_a_folder_that_must_be_recorded_names_the_file_that_is_not(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    record_folder(tmp_path)
    require_recorded(tmp_path, ["a", "b"], "CODE", "cure")
    for damage in (lambda: (tmp_path / "b").write_bytes(b"3"), lambda: os.unlink(tmp_path / "b"),
                   lambda: os.unlink(tmp_path / RECORD)):  # fmt: skip
        damage()
        with pytest.raises(JsddpmError, match=r"CODE.*: [ab] differs"):
            require_recorded(tmp_path, ["a", "b"], "CODE", "cure")
    (tmp_path / "another").mkdir()
    (tmp_path / "another" / "c").write_bytes(b"1")
    record_folder(tmp_path / "another")
    with pytest.raises(JsddpmError, match=r"CODE.*does not contain a, b; fix: correct the path"):
        require_recorded(tmp_path / "another", ["a", "b"], "CODE", "cure")
