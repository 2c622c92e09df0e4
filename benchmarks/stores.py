"""Slice stores side by side with SLIM-Diff 1.0.0, where PEER_PYTHON names a Python that can import it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from measure import Comparison, alone, printed

from jsddpm.binning import ZBinning
from jsddpm.cohort.phantom import make_phantom_cohort
from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.records import Record
from jsddpm.cohort.sources import read_cohort
from jsddpm.runtime import cores
from jsddpm.slices.build import build_slice_cache
from jsddpm.slices.dataset import SliceDataset
from jsddpm.slices.layout import INDEX_DTYPE
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import StoreWriter, Written, new_store

FIRST, LAST, VOLUMES = 24, 109, 12
FOLDER = tempfile.TemporaryDirectory(prefix="jsddpm-bench-")


@cache
def cohort() -> Path:
    """A phantom cohort, and the same files as an nnU-Net folder."""
    root = Path(FOLDER.name)
    make_phantom_cohort(root / "bids", subjects=VOLUMES, controls=4, seed=0, jobs=2)
    data = root / "nnunet" / "Dataset210_MRIe_none"
    for folder in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (data / folder).mkdir(parents=True)
    for n, record in enumerate(read_cohort(root / "bids").records):
        part = "Ts" if n == 0 else "Tr"
        shutil.copy(record.image, data / f"images{part}" / f"MRIe_{n:03d}_0000.nii.gz")
        shutil.copy(record.mask, data / f"labels{part}" / f"MRIe_{n:03d}.nii.gz")
    return root


@cache
def peer() -> dict[str, float]:
    """Measurements of SLIM-Diff on the same files."""
    script = Path(__file__).parent / "peers" / "slimdiff_stores.py"
    root = cohort()
    return printed([os.environ["PEER_PYTHON"], script, root / "nnunet", root / "peer", FIRST, LAST])


@cache
def own() -> dict[str, float]:
    """The same of ours; building also as the command does it, with a process for each core."""
    records = read_cohort(cohort() / "bids").require_clean()
    built = {}
    for name, jobs in (("parallel", cores()), ("store", 1)):
        start = time.perf_counter()
        build_slice_cache(records, cohort() / name, spec=Preprocessing(), jobs=jobs)
        built[name] = time.perf_counter() - start
    store = SliceStore(cohort() / "store")
    size = sum(f["bytes"] for s in store.subjects for f in s["files"].values()) / len(store.index)
    binning = ZBinning((FIRST, LAST), 30, n_slices=128)
    speeds = {}
    for residence in ("memory", "mapped"):
        data = SliceDataset(store, binning, "train", residence=residence)
        order = np.random.default_rng(0).permutation(len(data))
        batches = [order[i : i + 8] for i in range(0, len(data) - 7, 8)] * 3
        data.batch(batches[0])
        start = time.perf_counter()
        for batch in batches:
            data.batch(batch)
        speeds[residence] = 8 * len(batches) / (time.perf_counter() - start)
    return {"build_s": built["store"], "parallel_s": built["parallel"], "bytes_per_slice": size, **speeds}


def build() -> Comparison:
    """Building in one process, per volume."""
    return "build a store, one process", own()["build_s"] / VOLUMES, "slim-diff", peer()["build_s"] / VOLUMES


def parallel_build() -> Comparison:
    """Building with a process for each core, per volume."""
    return "build a store, all cores", own()["parallel_s"] / VOLUMES, "slim-diff", peer()["build_s"] / VOLUMES


def reading() -> Comparison:
    """1000 slices in batches of 8, float32, held in memory."""
    return "1000 slices, batches of 8, memory", 1e3 / own()["memory"], "slim-diff", 1e3 / peer()["slices_per_s"]


def mapped() -> Comparison:
    """1000 slices in batches of 8, float32, from the files."""
    return "1000 slices, batches of 8, mapped", 1e3 / own()["mapped"], "slim-diff", 1e3 / peer()["slices_per_s"]


def size() -> Comparison:
    """Disk, in kB a slice."""
    return "kB a slice of 160x160", own()["bytes_per_slice"] / 1e3, "slim-diff", peer()["bytes_per_slice"] / 1e3


def memory() -> Comparison:
    """Peak memory of a build (MiB), 12 volumes against 120."""
    bids = str(cohort() / "bids")
    few, many = (alone(f"import stores; stores.build_many({bids!r}, {repeats})")["peak"] for repeats in (1, 10))
    return "build 120 volumes, peak MiB", many, "build 12 volumes", few


def million() -> Comparison:
    """A store of a million slices, opened and selected from; against what it may take."""
    root = cohort() / "million"
    if not root.exists():
        _write_million(root)
    opened = alone(OPEN.format(path=str(root)))
    print(f"a store of a million slices: peak {opened['peak']:.0f} MiB", file=sys.stderr)
    return "open a million slices", opened["took"], "the target", 3.0


def _write_million(root: Path, subjects: int = 7813) -> None:
    """Index and description of a large store; its arrays are those of one subject."""
    with new_store(root, kind="real", n_slices=128, spacing=(1.25, 1.25, 1.25)) as writer:
        writer.written.extend(_copies(writer, subjects))


def _copies(writer: StoreWriter, subjects: int) -> Iterator[Written]:
    own()
    source = SliceStore(cohort() / "store")
    size = list(source.size)
    (writer.root / "arrays").mkdir()
    entry = dict(source.subjects[0])
    for file in entry["files"].values():
        shutil.copy(source.path / file["file"], writer.root / file["file"])
    rows = np.array(source.index[source.index["subject"] == 0], INDEX_DTYPE)
    for n in range(subjects):
        name = f"sub-{n:05d}"
        yield Written(rows.copy(), {**entry, "name": name, "patient": name, "size": size})


def _again(record: Record, number: int, folder: Path) -> Record:
    """The record as another person: the same voxels, another time stamp in the gzip header."""
    name = f"{record.subject}-{number}"
    raw = bytearray(record.image.read_bytes())
    raw[4:8] = (number + 1).to_bytes(4, "little")
    (folder / f"{name}.nii.gz").write_bytes(raw)
    return replace(record, subject=name, patient=name, image=folder / f"{name}.nii.gz")


def build_many(path: str, repeats: int) -> None:
    """Build a store of a cohort, each of its subjects ``repeats`` times."""
    records = read_cohort(path).require_clean()
    with tempfile.TemporaryDirectory() as folder:
        many = [_again(r, k, Path(folder)) for k in range(repeats) for r in records]
        build_slice_cache(many, Path(folder) / "store", spec=Preprocessing(), jobs=1)


OPEN = """
from jsddpm.binning import ZBinning
from jsddpm.slices.store import SliceStore
store = SliceStore({path!r})
binning = ZBinning((24, 93), 10, n_slices=store.n_slices)
store.tokens(store.select(binning=binning, split="train"), binning)
"""

COMPARISONS = (
    million,
    memory,
    *((build, parallel_build, reading, mapped, size) if os.environ.get("PEER_PYTHON") else ()),
)
