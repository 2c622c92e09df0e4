"""The store: what goes in comes out, incomplete is refused, any damage is named."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import stat
import zlib
from pathlib import Path

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


CHANGES = {
    "no subjects": lambda info: info.pop("subjects"),
    "no index": lambda info: info.pop("index"),
    "no slice": lambda info: info.update(subjects=[]),
    "subjects of another type": lambda info: info.update(subjects={}),
    "slices as text": lambda info: info.update(n_slices="x"),
    "slices as a fraction": lambda info: info.update(n_slices=40.5),
    "a huge slice": lambda info: info.update(size=[10**7, 10**7]),
    "a huge volume": lambda info: info.update(n_slices=10**12),
    "another kind": lambda info: info.update(kind="both"),
    "no spacing": lambda info: info.update(spacing=[1, 0, 1]),
    "endless spacing": lambda info: info.update(spacing=[1, 1e999, 1]),
    "a negative box": lambda info: info["subjects"][1]["files"]["mask"]["box"].__setitem__(0, -1),
    "a box outside": lambda info: info["subjects"][1]["files"]["image"]["box"].__setitem__(3, 33),
    "an empty box": lambda info: info["subjects"][1]["files"]["image"]["box"].__setitem__(1, 0),
    "a short box": lambda info: info["subjects"][1]["files"]["image"]["box"].pop(),
    "a file outside": lambda info: info["subjects"][0]["files"]["image"].update(file="../index.npy"),
    "an absolute file": lambda info: info["subjects"][0]["files"]["image"].update(file="/etc/passwd"),
    "no file": lambda info: info["subjects"][0]["files"].pop("mask"),
    "more slices than rows": lambda info: info["subjects"][0].update(slices=41),
    "an unknown split": lambda info: info["subjects"][0].update(split="training"),
    "a binning without bins": lambda info: info.update(binning={"z_range": [0, 3]}),
    "a binning of text": lambda info: info.update(binning={"z_range": [0, 3], "n_bins": "2"}),
    "a window of one end": lambda info: info.update(
        preprocessing={"shape": [32, 24, 40], "spacing": [1, 1, 1], "window": [0.1]}
    ),
    "a mask reading without labels": lambda info: info.update(mask_reading={"threshold": None}),
    "a range outside": lambda info: info.update(
        z_range={"range": [3, 40], "rule": "given", "training_lesion_slices": {"inside": 0, "all": 0}}
    ),
}


def write_description(folder, info):
    """A ``store.json`` whose checksum fits, as an editor with intent would leave it."""
    (folder / "store.json").write_text(json.dumps(info))
    digest = hashlib.sha256((folder / "store.json").read_bytes()).hexdigest()
    (folder / "store.json.sha256").write_text(f"{digest}  store.json\n")


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_description_that_cannot_be_is_refused_though_its_checksum_fits(copy, change):
    info = json.loads((copy / "store.json").read_text())
    write_description(copy, info)
    SliceStore(copy)
    change(info)
    write_description(copy, info)
    with pytest.raises(JsddpmError, match=r"STORE_DAMAGED|JSON") as caught:
        SliceStore(copy)
    assert caught.value.status is ExitStatus.INTEGRITY


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda info: info["index"].pop("rows"), "index.rows is missing"),
        (lambda info: info.update(n_slices="many"), "n_slices is not a whole number"),
        (lambda info: info.update(size=[32, 9000]), "size.1 is above 8192"),
        (lambda info: info["subjects"][0].update(slices={"Maria": 1}), "subjects.0.slices is not a whole number"),
        (lambda info: info["subjects"][0].update(split="Maria"), "subjects.0.split is not 'train', 'val' or 'test'"),
    ],
)
def test_a_field_that_cannot_be_is_named_in_words_without_its_value(copy, change, said):
    info = json.loads((copy / "store.json").read_text())
    change(info)
    write_description(copy, info)
    with pytest.raises(JsddpmError, match="STORE_DAMAGED") as caught:
        SliceStore(copy)
    assert caught.value.what == f"store.json: {said}"
    assert "Maria" not in str(caught.value)


INDEX_CHANGES = {"subject": 6, "row": 40, "z_index": 40, "pathology": 2, "split": 3}


@pytest.mark.parametrize("column", INDEX_CHANGES)
def test_an_index_that_cannot_be_is_refused_though_its_checksum_fits(copy, column):
    rows = np.array(np.load(copy / "index.npy"))
    rows[column][7] = INDEX_CHANGES[column]
    np.save(copy / "index.npy", rows)
    info = json.loads((copy / "store.json").read_text())
    info["index"]["sha256"] = hashlib.sha256((copy / "index.npy").read_bytes()).hexdigest()
    write_description(copy, info)
    with pytest.raises(JsddpmError, match="STORE_INDEX"):
        SliceStore(copy)


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_damage_is_found_when_a_slice_is_read_and_only_there(copy, kind):
    path = copy / "arrays" / f"sub-2.{kind}.npy"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1  # of the last slice stored
    path.write_bytes(damaged)
    store = SliceStore(copy)
    rows = np.flatnonzero(store.patients == "p2")
    last = store.subjects[2]["files"][kind]["box"][1] - 1
    read = store.images if kind == "image" else store.masks
    read(rows[:last])
    read(np.flatnonzero(store.patients != "p2"))
    with pytest.raises(JsddpmError, match=rf"STORE_DAMAGED.*sub-2 {kind}: slice z {last} ") as caught:
        read(rows)
    assert caught.value.status is ExitStatus.INTEGRITY


def test_the_bytes_of_a_slice_are_compared_once(store, monkeypatch):
    opened, compared = SliceStore(store.path), []
    honest = zlib.crc32
    monkeypatch.setattr(zlib, "crc32", lambda data: (compared.append(len(data)), honest(data))[1])
    opened.levels(np.arange(100))
    assert (len(compared), opened.release()) == (100, None)
    opened.levels(np.arange(100))
    opened.levels(np.arange(50, 110))
    assert len(compared) == 110


def test_an_array_of_another_kind_or_length_is_refused_before_it_is_read(copy):
    path = copy / "arrays" / "sub-0.image.npy"
    array = np.load(path)
    zipped = io.BytesIO()
    np.savez_compressed(zipped, array)
    objects = io.BytesIO()
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    for content in (zipped.getvalue(), objects.getvalue(), path.read_bytes() + b"more", path.read_bytes()[:-2]):
        path.write_bytes(content)
        with pytest.raises(JsddpmError, match="STORE_DAMAGED"):
            SliceStore(copy).images(np.arange(5))
    for other in (array.astype(np.int32), np.asfortranarray(array), array[:, :, :-1], array.astype(">u2")):
        np.save(path, other)
        with pytest.raises(JsddpmError, match="STORE_DAMAGED"):
            SliceStore(copy).images(np.arange(5))


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


def test_a_mask_chooses_rows_and_anything_else_is_refused(store):
    """A mask was read as the rows 0 and 1, and what it did not fill was left blank."""
    lesion = store.index["pathology"] == 1
    rows = np.flatnonzero(lesion)
    for read in (store.images, store.masks, store.levels):
        expected = np.stack([read(np.array([row]))[0] for row in rows[:7]])
        assert np.array_equal(read(lesion)[:7], expected)
        assert len(read(lesion)) == len(rows)
        assert np.array_equal(read(rows[:7].tolist()), expected)
        for wrong in (lesion[:-1], [0.9, 1.9], 3, slice(0, 3), rows[None], np.zeros(0, bool)):
            with pytest.raises(JsddpmError, match="SLICES"):
                read(wrong)
    binning = ZBinning((0, 39), 4, n_slices=40)
    assert np.array_equal(store.tokens(lesion, binning), store.tokens(rows, binning))
    with pytest.raises(JsddpmError, match="SLICES"):
        store.tokens(lesion[:-1], binning)


def test_pathologies_are_selected_by_number_or_word(store):
    lesion = np.flatnonzero(store.index["pathology"] == 1)
    for said in (1, "lesion", "Lesion", True, np.int64(1)):
        assert np.array_equal(store.select(pathology=said), lesion)
    assert np.array_equal(store.select(pathology="control"), np.flatnonzero(store.index["pathology"] == 0))
    for unknown in (5, -1, "tumour"):
        with pytest.raises(JsddpmError, match="PATHOLOGY"):
            store.select(pathology=unknown)


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


def test_a_removed_working_folder_is_not_taken_for_a_missing_file(copy, monkeypatch):
    """The advice was to remove the store."""
    gone = copy.parent / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(JsddpmError, match=r"MISSING.*working folder") as caught:
        SliceStore(Path("..") / copy.name)
    assert caught.value.status == ExitStatus.USAGE
