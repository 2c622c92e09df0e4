"""The store: what goes in comes out, incomplete is refused, any damage is named."""

from __future__ import annotations

import json
import shutil
import stat

import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.slices.store import Shard, SliceStore, new_store
from synthetic import N_SLICES, SIZE, synthetic_slices, write_store


@pytest.fixture
def copy(store, tmp_path):
    shutil.copytree(store.path, tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*"):
        path.chmod(0o755)
    return tmp_path / "copy"


def test_slices_come_back_to_16_bit(store):
    image, mask, _ = synthetic_slices(np.random.default_rng([0, 2]), lesion=range(2, N_SLICES, 2))
    rows = np.flatnonzero(store.patients == "p2")[::-1]
    assert np.abs(store.images(rows) - image[::-1]).max() <= 0.5 / 65535 + 1e-7
    assert np.array_equal(store.masks(rows), mask[::-1])
    assert np.array_equal(store.index["lesion_pixels"][rows], mask[::-1].sum(axis=(1, 2)))
    assert (store.size, store.n_slices, store.spacing) == (SIZE, N_SLICES, (3.0, 2.0, 1.5))


def test_no_bin_is_stored(store):
    assert not [name for name in store.index.dtype.names if "bin" in name]
    assert store.binning is None


def test_rows_are_selected_by_range_split_and_pathology(store):
    binning = ZBinning((5, 34), 5, n_slices=N_SLICES)
    z = store.index["z_index"][store.select(binning=binning)]
    assert (z.min(), z.max(), len(z)) == (5, 34, 6 * 30)
    train = store.select(binning=binning, split="train", pathology=1)
    assert set(store.patients[train]) == {"p0", "p2"}
    with pytest.raises(JsddpmError, match="STORE_SLICES"):
        store.select(binning=ZBinning((5, 34), 5))
    with pytest.raises(JsddpmError, match="SPLIT"):
        store.select(split="training")


def test_same_content_same_bytes_and_read_only(store, tmp_path):
    again = write_store(tmp_path / "again")
    assert again.fingerprint == store.fingerprint
    assert all(not p.stat().st_mode & stat.S_IWUSR for p in again.path.rglob("*") if p.is_file())


def test_a_failed_build_leaves_nothing(tmp_path):
    with pytest.raises(JsddpmError, match="SLICE_VALUES"):  # noqa: SIM117
        with new_store(tmp_path / "s", kind="real", n_slices=4, spacing=(1, 1, 1)) as writer:
            writer.add(Shard("a", np.full((4, 8, 8), 255, np.float32), np.zeros((4, 8, 8), bool), {}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["store.json", "index.npy", "arrays/sub-1.mask.npy"])
def test_a_missing_file_means_incomplete(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(JsddpmError, match="STORE_INCOMPLETE") as caught:
        SliceStore(copy).masks(np.arange(len(SliceStore(copy).index)))
    assert caught.value.status is ExitStatus.INTEGRITY


def test_another_version_is_never_guessed(copy):
    info = json.loads((copy / "store.json").read_text())
    (copy / "store.json").write_text(json.dumps(info | {"version": 99}))
    with pytest.raises(JsddpmError, match="version 99"):
        SliceStore(copy)


def test_verify_names_subject_and_slice_of_any_flipped_byte(copy, store):
    assert store.verify() == []
    path = copy / "arrays" / "sub-3.image.npy"
    clean = path.read_bytes()
    header = len(clean) - N_SLICES * SIZE[0] * SIZE[1] * 2
    for position in np.linspace(header, len(clean) - 1, 40).astype(int):
        damaged = bytearray(clean)
        damaged[position] ^= 4
        path.write_bytes(bytes(damaged))
        z = (position - header) // (SIZE[0] * SIZE[1] * 2)
        assert SliceStore(copy).verify() == [f"sub-3 image: slices z [{z}]"]


def test_objects_are_never_unpickled(copy):
    np.save(copy / "index.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(JsddpmError, match="STORE_DAMAGED"):
        SliceStore(copy)
