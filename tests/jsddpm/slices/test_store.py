"""The store: what goes in comes out, incomplete is refused, any damage is named."""

from __future__ import annotations

import json
import pickle
import shutil
import stat

import numpy as np
import pytest

from jsddpm.binning import ZBinning
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
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


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_verify_names_subject_and_slice_of_any_flipped_byte(copy, store, kind):
    assert store.verify() == []
    path = copy / "arrays" / f"sub-2.{kind}.npy"
    clean = path.read_bytes()
    size = np.load(path)[0].nbytes
    first, end = store.subjects[2]["files"][kind]["box"][:2]
    header = len(clean) - (end - first) * size
    for position in np.linspace(header, len(clean) - 1, 40).astype(int):
        damaged = bytearray(clean)
        damaged[position] ^= 4
        path.write_bytes(bytes(damaged))
        assert SliceStore(copy).verify() == [f"sub-2 {kind}: slices z [{first + (position - header) // size}]"]
    for position in range(0, header, 7):
        damaged = bytearray(clean)
        damaged[position] ^= 4
        path.write_bytes(bytes(damaged))
        found = SliceStore(copy).verify()
        assert len(found) == 1
        assert found[0].startswith(f"sub-2 {kind}: ")


@pytest.mark.parametrize("name", ["store.json", "index.npy", "store.json.sha256"])
def test_no_flipped_byte_of_the_other_files_passes(copy, name):
    """Opening refuses it, or verifying names the file."""
    clean = (copy / name).read_bytes()
    for position in range(0, len(clean), max(1, len(clean) // 60)):
        damaged = bytearray(clean)
        damaged[position] ^= 1
        (copy / name).write_bytes(bytes(damaged))
        try:
            found = SliceStore(copy).verify()
        except JsddpmError as error:
            found = [str(error)]
        assert found, f"byte {position}"


def test_only_the_box_that_holds_something_is_stored(tmp_path):
    image, mask = np.zeros((3, 20, 30), np.float32), np.zeros((3, 20, 30), bool)
    image[1, 4:9, 7:12], mask[2, 10, 20:23] = 0.5, True
    with new_store(tmp_path / "s", kind="real", n_slices=3, spacing=(1, 1, 1)) as writer:
        writer.add(Shard("a", image, mask, {"z_index": np.arange(3)}))
        writer.add(Shard("empty", image * 0, mask & False, {"z_index": np.arange(3)}))
    store = SliceStore(tmp_path / "s")
    boxes = [{kind: file["box"] for kind, file in s["files"].items()} for s in store.subjects]
    nothing = [0, 1, 0, 1, 0, 1]
    assert boxes[0] == {"image": [1, 2, 4, 9, 7, 12], "mask": [2, 3, 10, 11, 20, 23]}
    assert boxes[1] == {"image": nothing, "mask": nothing}
    rows = np.array([5, 2, 1, 1, 0])
    assert np.allclose(store.images(rows), np.stack([image[0], image[2], image[1], image[1], image[0]]), atol=1e-5)
    assert np.array_equal(store.masks(rows), np.stack([mask[0], mask[2], mask[1], mask[1], mask[0]]))
    assert store.images(rows[:0]).shape == (0, 20, 30)


def test_slices_of_two_sizes_are_not_one_store(tmp_path):
    with pytest.raises(JsddpmError, match="several sizes"):  # noqa: SIM117
        with new_store(tmp_path / "s", kind="real", n_slices=4, spacing=(1, 1, 1)) as writer:
            for name, width in (("a", 8), ("b", 9)):
                writer.add(Shard(name, np.ones((1, 8, width), np.float32), np.zeros((1, 8, width), bool), {}))


def test_a_store_travels_to_a_worker_by_its_path(store):
    packed = pickle.dumps(store)
    assert len(packed) < 2000
    assert np.array_equal(pickle.loads(packed).masks(np.arange(9)), store.masks(np.arange(9)))


def test_objects_are_never_unpickled(copy):
    # pickled on purpose: numpy cannot write an object array otherwise, and it is what the store must refuse to load
    np.save(copy / "index.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(JsddpmError, match="STORE_DAMAGED"):
        SliceStore(copy)
