"""Group C: slice stores. Unfinished, damaged, foreign and busy ones are refused; nothing half is taken for whole."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from calls import Found, child, open_to_all, refusal
from contract.case import NOBODY, ROOT, SMALL, UNFINISHED, Build, Row, World, writable_copy
from contract.cohorts import BUILD, FOUR, FROM_TABLE, image, lines
from crash import content, killed_at
from jsddpm.checksums import checksum_line, sha256
from jsddpm.places import STORE_MARK
from jsddpm.publish import exclusive_lock
from jsddpm.slices.store import SliceStore
from synthetic import write_bids

INFO, VERIFY = ("cache", "info", "{copy}"), ("cache", "verify", "{copy}")
RESUME = (*BUILD, "--resume")


def killed(moment: int) -> Build:
    """A build that was killed at its n-th call that changes the disk."""

    def build(world: World) -> None:
        words = [world.fill(word) for word in BUILD]
        assert killed_at(moment, lambda: world.call(*words))

    return build


def resumed(world: World) -> Found:
    """The bytes of a store that was never interrupted."""
    whole = world.call(*("{tmp}/whole" if word == "{tmp}/new" else word for word in BUILD))
    assert whole.status == 0
    found = world.call(*RESUME)
    assert content(world.tmp / "new") == content(world.tmp / "whole")
    return found


def limited(limits: dict[int, int], *words: object) -> Callable[[World], Found]:
    """A command that gets no more of something."""
    return lambda world: child(*map(world.fill, words), limits=limits)


def busy(world: World) -> Found:
    """Another builder holds the folder."""
    with exclusive_lock(world.tmp / ".new.lock"):
        return world.call(*BUILD)


def stale(world: World) -> None:
    """A lock whose holder is dead."""
    assert world.bids
    (world.tmp / ".new.lock").touch()
    (world.tmp / ".new.holder").write_text("process 99999999 on elsewhere")


def old_reader(world: World) -> Found:
    """Who reads a store goes on reading it after it was moved away and built anew."""
    opened, rows = SliceStore(world.copy), np.arange(80)
    expected = SliceStore(world.store.path).levels(rows)
    assert np.array_equal(opened.levels(rows), expected)
    world.copy.rename(world.tmp / "before")
    writable_copy(Path(str(world["made"])), world.tmp / "copy")
    assert np.array_equal(opened.levels(rows), expected)
    (world.tmp / "copy").rename(world.tmp / "after")
    (world.tmp / "before").rename(world.tmp / "copy")
    return Found(0)


def published(world: World) -> Found:
    """Nobody can write into a published file."""
    assert not [p for p in world.store.path.rglob("*") if p.is_file() and p.stat().st_mode & 0o222]
    return Found(0)


def read(world: World) -> Found:
    """Every slice of the damaged store, read as training reads it."""

    def work() -> None:
        store = SliceStore(world.copy)
        rows = np.arange(len(store.index))
        store.images(rows)
        store.masks(rows)

    return refusal(work)


def cut(name: str, bytes_left: int = 500) -> Build:
    """A file of the store that ends early."""
    return lambda world: os.truncate(world.copy / name, bytes_left)


def flip(name: str, place: int) -> Build:
    """One bit of a file turned."""

    def build(world: World) -> None:
        raw = bytearray((world.copy / name).read_bytes())
        raw[place] ^= 1
        (world.copy / name).write_bytes(bytes(raw))

    return build


def described(change: Callable[[dict], object]) -> Build:
    """Another ``store.json``, whose checksum fits."""

    def build(world: World) -> None:
        path = world.copy / "store.json"
        info = json.loads(path.read_text())
        change(info)
        path.write_text(json.dumps(info))
        (world.copy / STORE_MARK).write_text(checksum_line(sha256(path), "store.json"))

    return build


def box(*sides: int) -> Build:
    """A subject whose arrays are said to fill another box."""
    return described(lambda info: info["subjects"][0]["files"]["image"].update(box=list(sides)))


def pickled(world: World) -> None:
    """An array of objects, which would run code when it is read."""

    class Gadget:
        def __reduce__(self) -> tuple:
            return (open, (str(world.tmp / "fired"), "w"))

    path = world.copy / "arrays" / "sub-2.image.npy"
    np.save(path, np.array([Gadget()], object), allow_pickle=True)


def imported(write: Callable[[Path], object], suffix: str) -> Build:
    """A table of one slice from somewhere else."""

    def build(world: World) -> None:
        write(world.tmp / f"slice{suffix}")
        np.save(world.tmp / "mask.npy", np.zeros((32, 24)))
        row = f"slice{suffix},mask.npy,20,1"
        (world.tmp / "slices.csv").write_text(f"image,mask,z,pathology\n{row}\n")

    return build


def npz_bomb(path: Path) -> None:
    """A compressed array of zeros that would take 2 GiB."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (1 << 14, 1 << 14)})
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("image.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(member.getvalue())
        for _ in range(128):
            stream.write(bytes(1 << 24))


IMPORT = ("cache", "import", "{tmp}/slices.csv", "--real", "{store}", "--z-range", 5, 34, "--bins", 5,
          "--out", "{tmp}/new")  # fmt: skip


def another_source(world: World) -> None:
    """A build that was stopped by a bad file, which then came as another image."""
    path = world.bids / ".." / image(3)
    clean = path.read_bytes()
    path.write_bytes(b"")
    assert world.call(*BUILD).status == 3
    path.write_bytes(clean)


def recompressed(world: World) -> None:
    """One patient's voxels under another's name, compressed otherwise."""
    lines(*FOUR)(world)
    for part in ("_FLAIR", "_FLAIR_roi"):
        source, target = (world.tmp / image(subject).replace("_FLAIR", part) for subject in (0, 2))
        target.write_bytes(gzip.compress(gzip.decompress(source.read_bytes()), 1))


def as_nobody(*words: object, mode: int) -> Callable[[World], Found]:
    """A command of an ordinary user in a folder of that mode, which holds a copy of the store."""

    def command(world: World) -> Found:
        folder = open_to_all()
        try:
            shutil.copytree(world.store.path, folder / "store")
            write_bids(folder / "bids")
            folder.chmod(mode)
            return child(*(w.replace("OPEN", str(folder)) for w in map(world.fill, words)),
                         user=NOBODY if ROOT else None)  # fmt: skip
        finally:
            folder.chmod(0o777)
            shutil.rmtree(folder)

    return command


def interrupted(world: World) -> Found:
    """Ctrl-C in a build: what is done is kept."""

    def press(pid: int) -> None:
        while not list(world.tmp.glob(".new.building/parts/*.json")):
            pass
        os.kill(pid, signal.SIGINT)

    slow = (
        "--shape",
        512,
        512,
        28,
        "--spacing",
        0.5,
        0.5,
        4,
    )  # three subjects are left when the key is pressed
    return child(*map(world.fill, BUILD), *slow, while_running=press)


ROWS = (
    Row("41", "a killed build, opened", ("cache", "info", "{tmp}/new"), 4, "STORE_INCOMPLETE",
        ("interrupted after", "--resume"), killed(20)),
    Row("41", "a killed build, built again", BUILD, 4, "UNFINISHED", ("--resume",), killed(20), leaves=UNFINISHED,
        loses=(".new.*",)),
    *(Row("41", f"a build killed at its call {moment}, resumed", resumed, build=killed(moment),
          loses=(".new.*", "..new.*"))
      for moment in (3, 11, 29)),
    Row("42", "a full disk", limited({resource.RLIMIT_FSIZE: 8192}, *BUILD), 5, "DISK_FULL", (),
        lambda world: world.bids, leaves=UNFINISHED),
    Row("43", "a second builder", busy, 5, "LOCKED", (f"process {os.getpid()} on",), lambda world: world.bids),
    Row("43", "a lock whose holder is dead", BUILD, build=stale, loses=(".new.lock", ".new.holder")),
    Row("44", "a reader of a store that is built again", old_reader, build=lambda world: world.copy),
    Row("44", "a build onto a store", ("cache", "build", "{bids}", "--out", "{store}"), 2, "EXISTS", ("{store}",)),
    Row("45", "a data file cut short", read, 4, "STORE_DAMAGED", ("sub-2.image.npy",), cut("arrays/sub-2.image.npy")),
    Row("45", "an index cut short", INFO, 4, "STORE_DAMAGED", ("index.npy",), cut("index.npy")),
    Row("45", "a data file missing", read, 4, "STORE_INCOMPLETE", ("sub-2.mask.npy",),
        lambda world: (world.copy / "arrays" / "sub-2.mask.npy").unlink()),
    Row("46", "a published file is read-only", published),
    Row("47", "a flipped byte, verified", VERIFY, 4, "", ("sub-2 image: slices z [",),
        flip("arrays/sub-2.image.npy", -9)),
    Row("48", "a store of a later version", INFO, 4, "STORE_VERSION", ("version 99",),
        described(lambda info: info.update(version=99))),
    Row("48", "a store of an earlier version", INFO, 4, "STORE_VERSION", ("version 1",),
        described(lambda info: info.update(version=1))),
    Row("49", "other preprocessing at the resumption", (*RESUME, "--spacing", 3, 3, 2.5), 4, "PLAN_DIFFERS",
        ("[3.0, 3.0, 3.0] then, [3.0, 3.0, 2.5] now",), another_source, leaves=UNFINISHED),
    Row("49", "another file at the resumption", resumed, build=another_source, loses=(".new.*",)),
    Row("50", "a description cut short", INFO, 4, "JSON", ("store.json",), cut("store.json")),
    Row("50", "a description that is no JSON, its checksum fitting", INFO, 4, "JSON", (), lambda world: [
        (world.copy / "store.json").write_text('{"schema": '),
        (world.copy / STORE_MARK).write_text(checksum_line(sha256(world.copy / "store.json"), "store.json"))]),
    Row("51", "an array of objects in a store", read, 4, "STORE_DAMAGED", (), pickled),
    Row("51", "an array of objects to import", IMPORT, 3, "SLICE_FILE", (),
        imported(lambda path: np.save(path, np.array([{}], object), allow_pickle=True), ".npy")),
    Row("51", "a small npz file of 2 GiB to import", IMPORT, 3, "", ("slice.npz",), imported(npz_bomb, ".npz"),
        seconds=10),
    Row("52", "a store that may only be read", as_nobody("cache", "info", "OPEN/store", mode=0o555)),
    Row("52", "a build where nothing may be written", as_nobody(
        "cache", "build", "OPEN/bids", "--out", "OPEN/new", *SMALL, mode=0o555), 5, "NOT_WRITABLE"),
    Row("H1", "a flipped bit of the index", INFO, 4, "STORE_DAMAGED", ("index.npy",), flip("index.npy", -20)),
    Row("H1", "a flipped bit of an image, read", read, 4, "STORE_DAMAGED", ("sub-2",),
        flip("arrays/sub-2.image.npy", -9)),
    Row("M4", "one image compressed twice", FROM_TABLE, 3, "SAME_IMAGE", (), recompressed, leaves=UNFINISHED),
    Row("64", "Ctrl-C in a build", interrupted, 130, "TERMINATED", ("with --resume to continue",),
        lambda world: world.bids, leaves=UNFINISHED),
    *(Row("50", f"a box {what}", read, 4, "", (), box(*sides)) for what, sides in (
        ("that begins below zero", (-3, 9, 0, 8, 0, 8)), ("beyond the slice", (0, 9, 0, 80, 0, 8)),
        ("of five numbers", (0, 9, 0, 8, 0)))),
    *(Row("50", f"a description without {key}", INFO, 4, "", (), described(lambda info, key=key: info.pop(key)))
      for key in ("subjects", "index", "size", "kind", "spacing", "n_slices")),
    Row("50", "a number of slices that is a word", INFO, 4, "", (),
        described(lambda info: info.update(n_slices="x"))),
    Row("50", "slices of 1e7 pixels a side", read, 4, "", (), described(lambda info: info.update(size=[10**7, 10**7]))),
)  # fmt: skip
