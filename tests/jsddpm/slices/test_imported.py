"""Slices of any generator: the same pixels whatever the file format, and nothing understood by guessing."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import zipfile

import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from jsddpm.binning import CONTROL, LESION, ZBinning
from jsddpm.cohort.nifti import write_nifti
from jsddpm.errors import JsddpmError
from jsddpm.slices.imported import Facts, IntensityFormat, import_slices, read_generated
from jsddpm.slices.importing.items import asked_pathology
from jsddpm.slices.importing.pixels import read_slice
from jsddpm.slices.layout import INDEX_DTYPE
from jsddpm.slices.store import SliceStore
from jsddpm_cli.commands.sample import pathologies
from jsddpm_eval.slice_table import SliceTable
from synthetic import N_SLICES, SIZE, synthetic_slices

BINNING = ZBinning((5, 34), 5, n_slices=N_SLICES)
ROWS = [(7, 0), (20, 1), (33, 1), (20, 1)]


@pytest.fixture
def slices():
    image, mask, _ = synthetic_slices(np.random.default_rng(1), lesion=range(20, 34))
    at = [z for z, _ in ROWS]
    return np.round(image[at] * 255).astype(np.uint8), mask[at]


def table(folder, names, columns="image,mask,z,pathology", **more):
    lines = [columns] + [",".join([*n, str(z), str(p)]) for n, (z, p) in zip(names, ROWS, strict=True)]
    (folder / "slices.csv").write_text("\n".join(lines) + "\n")
    return folder / "slices.csv"


def as_png(folder, image, mask):
    for k in range(4):
        Image.fromarray(image[k]).save(folder / f"i{k}.png")
        Image.fromarray(mask[k].astype(np.uint8) * 255).save(folder / f"m{k}.png")
    return table(folder, [(f"i{k}.png", f"m{k}.png") for k in range(4)]), {}


def as_npz(folder, image, mask):
    for k in range(4):
        np.savez(folder / f"{k}.npz", x=image[k] / 127.5 - 1, y=np.where(mask[k], 0.3, -1))
    names = [(f"{k}.npz", "") for k in range(4)]
    given = {"intensities": IntensityFormat((-1, 1), 0.0), "facts": Facts(image_key="x", mask_key="y")}
    return table(folder, names), given


def as_nifti(folder, image, mask):
    """Volumes whose first axis leads left and second back: (column, row) of the store, both as they are."""
    affine = np.diag([-2.0, -3.0, 1.5, 1.0])
    for name, stack in (("i", image / 255), ("m", mask)):
        write_nifti(folder / f"{name}.nii.gz", stack.astype(np.float32).transpose(2, 1, 0)[::-1], affine)
    lines = ["image,mask,slice,z_bin,pathology"]
    lines += [f"i.nii.gz,m.nii.gz,{k},{BINNING.index(z)},{p}" for k, (z, p) in enumerate(ROWS)]
    (folder / "slices.csv").write_text("\n".join(lines))
    return folder / "slices.csv", {}


@pytest.mark.parametrize("write", [as_png, as_npz, as_nifti])
def test_pixels_survive_every_format(store, slices, tmp_path, write):
    path, given = write(tmp_path, *slices)
    out = import_slices(path, tmp_path / "out", binning=BINNING, real=store, **given)
    made = SliceStore(out)
    rows = np.arange(4)
    assert np.abs(made.images(rows) * 255 - slices[0]).max() < 0.01
    assert np.array_equal(made.masks(rows), slices[1])
    assert (made.kind, made.binning, made.size, made.spacing) == ("generated", BINNING, SIZE, store.spacing)
    assert made.index["sample"].tolist() == [0, 0, 0, 1]
    assert made.tokens(rows, BINNING).tolist() == [BINNING.token(z, p) for z, p in ROWS]


def test_slices_of_different_conditions_have_different_names(store, slices, tmp_path):
    """All were named ``imported-0000 sample 0``, in the table of slices and in the audit."""
    made = SliceStore(import_slices(as_png(tmp_path, *slices)[0], tmp_path / "out", binning=BINNING, real=store))
    names = [SliceTable.from_store(made).name(row) for row in range(4)]
    wanted = ["z 7 control sample 0", "z 20 lesion sample 0", "z 33 lesion sample 0", "z 20 lesion sample 1"]
    assert names == [f"imported-0000 {name}" for name in wanted]


def grouped(folder, slices, groups):
    """The slices as npz files, with a column of volumes."""
    path, given = as_npz(folder, *slices)
    head, *lines = path.read_text().split()
    path.write_text("\n".join([f"{head},group", *(f"{line},{g}" for line, g in zip(lines, groups, strict=True))]))
    return path, given


def test_the_store_keeps_which_volume_a_slice_is_part_of(store, slices, tmp_path):
    path, given = grouped(tmp_path, slices, ["v2", "", "v1", "v2"])
    made = SliceStore(import_slices(path, tmp_path / "out", binning=BINNING, real=store, **given))
    names = [made.info["groups"][g] if g >= 0 else "" for g in made.groups]
    assert names == ["v2", "", "v1", "v2"]
    assert made.verify() == []
    unit = SliceTable.from_store(made).unit
    assert (unit[0] == unit[3], len(unit.unique())) == (True, 3)


@pytest.mark.parametrize("write", [as_png, as_npz])
def test_slices_without_volumes_make_the_store_they_always_made(store, slices, tmp_path, write):
    path, given = write(tmp_path, *slices)
    made = SliceStore(import_slices(path, tmp_path / "out", binning=BINNING, real=store, **given))
    assert made.index.dtype == INDEX_DTYPE
    assert "groups" not in made.info
    assert made.groups.tolist() == [-1] * 4
    assert SliceTable.from_store(made).n_units == 4


def test_a_nifti_file_is_the_volume_of_its_slices_unless_the_table_says_otherwise(store, slices, tmp_path):
    path, _ = as_nifti(tmp_path, *slices)
    (tmp_path / "one.nii.gz").write_bytes((tmp_path / "i.nii.gz").read_bytes())
    path.write_text(path.read_text().replace("\ni.nii.gz", "\n./i.nii.gz", 1) + "\none.nii.gz,m.nii.gz,0,0,0")
    made = SliceStore(import_slices(path, tmp_path / "files", binning=BINNING, real=store))
    assert made.info["groups"] == ["i.nii.gz"]
    assert made.groups.tolist() == [0, 0, 0, 0, -1]
    lines = path.read_text().split()
    path.write_text("\n".join([f"{lines[0]},group", *(f"{line}," for line in lines[1:])]))
    alone = SliceStore(import_slices(path, tmp_path / "alone", binning=BINNING, real=store))
    assert alone.groups.tolist() == [-1] * 5


def write_one(folder, image, mask, row="a.npy,b.npy,20,1"):
    np.save(folder / "a.npy", image)
    np.save(folder / "b.npy", mask)
    (folder / "slices.csv").write_text(f"image,mask,z,pathology\n{row}\n")
    return folder / "slices.csv"


UP_TO_12_BITS = np.arange(np.prod(SIZE)).reshape(SIZE) * 5


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4"])
def test_a_tiff_has_the_values_that_another_library_wrote(tmp_path, kind, order):
    """Of 16 bits in big-endian order, each value became 0 or 255; of 32 bits, 70000 became 4464 and -5 65531."""
    values = (UP_TO_12_BITS % 256 if kind == "u1" else UP_TO_12_BITS).astype(order + kind)
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=order)
    assert np.array_equal(read_slice(tmp_path / "a.tif", "", None, SIZE), values)


@pytest.mark.parametrize(("values", "given"), [(np.r_[0, 70000], (0, 140000)), (np.r_[-5, 70000], (-70000, 70000))])
def test_integers_beyond_16_bits_need_a_range(store, slices, tmp_path, values, given):
    image = np.resize(values, SIZE).astype(np.int32)
    path = write_one(tmp_path, image, slices[1][0].astype(np.uint8), "a.tif,b.npy,20,1")
    tifffile.imwrite(tmp_path / "a.tif", image)
    with pytest.raises(JsddpmError, match=r"SLICE_VALUES.*signed integers; fix: .*--value-range LO HI"):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store)
    made = read_generated(path, binning=BINNING, real=store, intensities=IntensityFormat(given))
    np.testing.assert_allclose(made.images[0], (image - given[0]) / (given[1] - given[0]), rtol=1e-6)


def test_colours_of_16_bits_are_refused_because_they_would_lose_8(store, slices, tmp_path):
    path = write_one(tmp_path, slices[0][0], slices[1][0].astype(np.uint8), "a.tif,b.npy,20,1")
    tifffile.imwrite(tmp_path / "a.tif", np.repeat(UP_TO_12_BITS[..., None], 3, -1).astype(np.uint16))
    with pytest.raises(JsddpmError, match=r"SLICE_FILE.*16 bits a channel"):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store)


@pytest.mark.parametrize("where", ["../a.npy", "/etc/hostname", "link.npy"])
def test_a_table_names_files_of_its_own_folder(store, slices, tmp_path, where):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "a.npy", slices[0][0] / 255)
    np.save(tmp_path / "in" / "b.npy", slices[1][0])
    (tmp_path / "in" / "link.npy").symlink_to(tmp_path / "a.npy")
    path = tmp_path / "in" / "slices.csv"
    path.write_text(f"image,mask,z,pathology\n{where},b.npy,20,1\n")
    with pytest.raises(JsddpmError, match=r"OUTSIDE.*--root"):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store)
    if not where.startswith("/"):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store, facts=Facts(root=tmp_path))


FLAT = np.zeros(SIZE)


@pytest.mark.parametrize(
    ("image", "mask", "row", "message"),
    [
        (FLAT + 2, FLAT, None, "values from 2 to 2 lie outside .0, 1."),
        (np.where(np.eye(*SIZE), np.nan, FLAT), FLAT, None, f"{min(SIZE)} of {FLAT.size} values are NaN"),
        (
            FLAT + np.inf,
            FLAT,
            None,
            f"{FLAT.size} of {FLAT.size} values are NaN or infinite; fix: repair",
        ),
        (FLAT.astype(np.int16), FLAT, None, "signed integers"),
        (FLAT, FLAT - 1, None, "the mask has the values -1"),
        (FLAT, np.eye(*SIZE) * 0.3 + np.eye(*SIZE, 1), None, "--mask-threshold"),
        (FLAT[:-1], FLAT, None, "SLICE_SHAPE"),
        (np.zeros((2, *SIZE)), FLAT, None, "holds 2 slices"),
        (FLAT, FLAT, "a.npy,b.npy,35,1", "line 2: .*35"),
        (FLAT, FLAT, "a.npy,b.npy,20,2", "line 2: pathology '2' is unknown"),
        (FLAT, FLAT, "a.npy,b.npy,x,1", "line 2: z 'x'"),
        (FLAT, FLAT, "a.npy,none.npy,20,1", "none.npy.*no such file"),
        (FLAT, FLAT, "a.npy,,20,1", "has no mask"),
    ],
)
def test_nothing_is_guessed(store, tmp_path, image, mask, row, message):
    path = write_one(tmp_path, image, mask, *([row] if row else []))
    with pytest.raises(JsddpmError, match=message):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store)
    assert not (tmp_path / "out").exists()


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
from jsddpm.errors import JsddpmError
from jsddpm.slices.importing.pixels import read_slice
def peak():  # of this program alone
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = peak()
try:
    read_slice(Path(sys.argv[1]), "image", None, (32, 24))
    code = ""
except JsddpmError as error:
    code = error.code
print((peak() - before) // 1024, code)
"""


def zipped(path, array_bytes, shape, descr="'|u1'"):
    """An npz file whose array has this header and so many zeros, a thousandth on the disk."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("image.npy", "w") as stream,
    ):
        header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
        stream.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        for _ in range(array_bytes >> 20):
            stream.write(bytes(1 << 20))
    return path


def picture(path):
    Image.fromarray(np.zeros((12000, 12000), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda folder: zipped(folder / "a.npz", 512 << 20, (512, 1024, 1024)), "SLICE_SHAPE"),
        (lambda folder: zipped(folder / "a.npz", 512 << 20, (1 << 30, 32, 24)), "SLICE_FILE"),
        (lambda folder: zipped(folder / "a.npz", 1 << 20, (32, 24), "'|O'"), "SLICE_FILE"),
        (lambda folder: picture(folder / "a.png"), "SLICE_SHAPE"),
    ],
    ids=["npz-of-another-size", "npz-of-many-slices", "npz-of-objects", "png"],
)
def test_what_unpacks_to_gigabytes_is_refused_unopened(tmp_path, make, code):
    """1.5 MB took 2.1 GB."""
    path = make(tmp_path)
    assert path.stat().st_size < 4 << 20
    done = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True, timeout=60, check=True)
    mib, found = done.stdout.split()
    assert (int(mib) < 40, found) == (True, code), done.stderr


def test_the_names_of_arrays_are_a_fact_of_archives_and_of_tables(store, slices, tmp_path):
    """Those of ``Facts`` were ignored, and the error asked for what was given."""
    path, given = as_npz(tmp_path, *slices)
    (tmp_path / "stack").mkdir()
    rows = {"z": [z for z, _ in ROWS], "pathology": [p for _, p in ROWS]}
    np.savez(tmp_path / "stack" / "0.npz", x=slices[0] / 127.5 - 1, y=np.where(slices[1], 0.3, -1), **rows)
    for source in (path, tmp_path / "stack"):
        made = read_generated(source, binning=BINNING, real=store, **given)
        assert np.abs(made.images * 255 - slices[0]).max() < 0.01
        assert np.array_equal(made.masks, slices[1])


@pytest.mark.parametrize("wrong", [(0, 0), (0, np.inf), (np.nan, 1)])
def test_a_range_has_two_values(wrong):
    """Of one value, it divided by zero."""
    with pytest.raises(JsddpmError, match=r"OPTION.*--value-range .* is no range") as caught:
        IntensityFormat(wrong)
    assert caught.value.status == 2


@pytest.mark.parametrize("write", [as_npz, as_nifti])
def test_endings_may_be_in_capitals(store, slices, tmp_path, write):
    """They were taken for pictures."""
    path, given = write(tmp_path, *slices)
    expected = read_generated(path, binning=BINNING, real=store, **given)
    for file in [*tmp_path.glob("*.npz"), *tmp_path.glob("*.gz")]:
        stem, _, ending = file.name.partition(".")
        file.rename(tmp_path / f"{stem}.{ending.upper()}")
        path.write_text(path.read_text().replace(file.name, f"{stem}.{ending.upper()}"))
    made = read_generated(path, binning=BINNING, real=store, **given)
    assert np.array_equal(made.images, expected.images)
    assert np.array_equal(made.masks, expected.masks)
    assert [name.lower() for name in made.group] == expected.group


def test_an_array_file_may_end_in_capitals(store, slices, tmp_path):
    path = write_one(tmp_path, slices[0][0] / 255, slices[1][0], "a.NPY,b.NPY,20,1")
    for name in ("a", "b"):
        (tmp_path / f"{name}.npy").rename(tmp_path / f"{name}.NPY")
    assert np.array_equal(read_generated(path, binning=BINNING, real=store).masks[0], slices[1][0])


def test_a_line_is_named_as_an_editor_counts_it(store, tmp_path):
    path = write_one(tmp_path, FLAT, FLAT, "\n\na.npy,b.npy,20,1\n\na.npy,b.npy,x,1")
    with pytest.raises(JsddpmError, match="line 6: z 'x'"):
        read_generated(path, binning=BINNING, real=store)


@pytest.mark.parametrize(("z", "message"), [("20.0", None), ("20.5", "line 2: z '20.5'"), ("nan", "z 'nan'")])
def test_positions_may_be_whole_floats(store, slices, tmp_path, z, message):
    """A column with an empty cell is one of floats, and was refused."""
    path = write_one(tmp_path, slices[0][0] / 255, slices[1][0], f"a.npy,b.npy,{z},1.0")
    if message is None:
        made = read_generated(path, binning=BINNING, real=store)
        assert (made.z_index, made.pathology) == ([20], [1])
    else:
        with pytest.raises(JsddpmError, match=rf"TABLE.*{message}; fix: give whole numbers"):
            read_generated(path, binning=BINNING, real=store)


@pytest.mark.parametrize("seed", [2**63 - 1, -1, 2**63, 2**64, -(2**63) - 1, "9.3e18", "1e300"])
def test_a_seed_that_the_index_cannot_hold_is_refused(store, slices, tmp_path, seed):
    """It was an OverflowError when the index was written."""
    path = write_one(tmp_path, slices[0][0] / 255, slices[1][0], f"a.npy,b.npy,20,1,{seed}")
    path.write_text(path.read_text().replace("pathology", "pathology,seed"))
    if isinstance(seed, int) and -(2**63) <= seed < 2**63:
        made = SliceStore(import_slices(path, tmp_path / "out", binning=BINNING, real=store))
        assert made.index["seed"].tolist() == [seed]
    else:
        with pytest.raises(JsddpmError, match=rf"TABLE.*line 2: seed '{re.escape(str(seed))}'; fix: .*below 2\*\*63"):
            import_slices(path, tmp_path / "out", binning=BINNING, real=store)


@pytest.mark.parametrize("silent", ["i", "m"])
def test_a_stack_without_an_affine_is_refused(store, slices, tmp_path, silent):
    """Nibabel's guess would mirror it, or its mask alone."""
    path, _ = as_nifti(tmp_path, *slices)
    array = np.asanyarray(nib.load(tmp_path / f"{silent}.nii.gz").dataobj)
    nib.save(nib.Nifti1Image(array, None), tmp_path / f"{silent}.nii.gz")
    with pytest.raises(JsddpmError, match=rf"SLICE_FILE.*{silent}.nii.gz.*contains no affine"):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store)


@pytest.mark.parametrize(
    ("columns", "row", "code"), [("z_bin", "5,1", "BIN"), ("z", "2,1", "Z_OUTSIDE"), ("z", "20,ill", "PATHOLOGY")]
)
def test_a_table_at_fault_is_bad_input_whatever_its_fault(store, slices, tmp_path, columns, row, code):
    """A bad bin was status 3 and a bad pathology 2."""
    path = write_one(tmp_path, slices[0][0] / 255, slices[1][0], f"a.npy,b.npy,{row}")
    path.write_text(path.read_text().replace("z,", f"{columns},", 1))
    with pytest.raises(JsddpmError, match="line 2: ") as caught:
        read_generated(path, binning=BINNING, real=store)
    assert (caught.value.code, caught.value.status, caught.value.file) == (code, 3, str(path))


@pytest.mark.parametrize("word", ["lesion", "Lesion", "1", "1.0", "LESION "])
def test_a_pathology_is_a_word_or_a_number_everywhere(store, slices, tmp_path, word):
    """Options took words alone, or numbers alone; tables took both, in lower case."""
    path = write_one(tmp_path, slices[0][0] / 255, slices[1][0], f"a.npy,b.npy,20,{word}")
    assert read_generated(path, binning=BINNING, real=store).pathology == [LESION]
    assert asked_pathology(word) == "lesion"
    assert pathologies(f"{word},control") == [CONTROL, LESION]


@pytest.mark.parametrize("word", ["2", "", "ill", "mask"])
def test_other_pathologies_are_refused(word):
    with pytest.raises(JsddpmError, match=r"PATHOLOGY.*is unknown"):
        pathologies(word)


def test_a_generated_store_is_no_real_one(generated, slices, tmp_path):
    """The import was done, and the evaluation that it proposed failed."""
    path, given = as_png(tmp_path, *slices)
    with pytest.raises(JsddpmError, match=r"KIND.*is a generated store; fix: give a real store") as caught:
        import_slices(path, tmp_path / "out", binning=BINNING, real=generated, **given)
    assert (caught.value.status, (tmp_path / "out").exists()) == (2, False)


def test_whatever_a_reader_raises_names_the_file(store, slices, tmp_path):
    path, given = as_npz(tmp_path, *slices)
    raw = bytearray((tmp_path / "2.npz").read_bytes())
    raw[60:90] = bytes(30)
    (tmp_path / "2.npz").write_bytes(raw)
    with pytest.raises(JsddpmError, match=r"SLICE_FILE.*2\.npz"):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store, **given)


def test_all_bad_files_are_reported_at_once_by_kind(store, slices, tmp_path):
    """Two images of another size, one that is missing, a truncated mask; what is right is read and not stored."""
    path, given = as_png(tmp_path, *slices)
    for name in ("i0.png", "i3.png"):
        Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / name)
    (tmp_path / "i1.png").unlink()
    (tmp_path / "m0.png").write_bytes((tmp_path / "m0.png").read_bytes()[:40])
    with pytest.raises(JsddpmError) as raised:
        import_slices(path, tmp_path / "out", binning=BINNING, real=store, **given)
    lines = str(raised.value).split("\n")
    assert [line.partition("]")[0] for line in lines] == ["error[SLICE_SHAPE", "error[SLICE_FILE", "error[MISSING"]
    assert f"{tmp_path / 'i0.png'}, {tmp_path / 'i3.png'}: " in lines[0]
    assert "(2 files)" in lines[0]
    assert str(tmp_path / "m0.png") in lines[1]
    assert str(tmp_path / "i1.png") in lines[2]
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
    assert not (tmp_path / "out").exists()


def test_bad_volumes_are_reported_at_once(store, tmp_path):
    rng = np.random.default_rng(2)
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        for name in "abc":
            values = rng.random((8, 9, 10)) if part == "images" else rng.integers(0, 2, (8, 9, 10))
            write_nifti(tmp_path / part / f"{name}.nii.gz", values.astype(np.float32), np.diag([3.0, 3.0, 4.0, 1.0]))
    for name in "ac":
        (tmp_path / "images" / f"{name}.nii.gz").write_bytes(b"")
    with pytest.raises(JsddpmError) as raised:
        import_slices(tmp_path, tmp_path / "out", binning=BINNING, real=store)
    assert [name for name in "abc" if f"images/{name}.nii.gz" in str(raised.value)] == ["a", "c"]
    assert not (tmp_path / "out").exists()


def test_volumes_of_raw_intensities_may_be_windowed(store, tmp_path):
    rng = np.random.default_rng(2)
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        values = rng.uniform(15, 236, (8, 9, 10)) if part == "images" else rng.integers(0, 2, (8, 9, 10))
        write_nifti(tmp_path / part / "a.nii.gz", values.astype(np.float32), np.diag([3.0, 3.0, 4.0, 1.0]))
    with pytest.raises(JsddpmError, match=r"outside .0, 1. \(100% of all\); fix: .*--value-range LO HI; or .*--window"):
        import_slices(tmp_path, tmp_path / "out", binning=BINNING, real=store)


def test_a_lossy_picture_is_refused_whatever_its_name(store, slices, tmp_path):
    path, given = as_png(tmp_path, *slices)
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "i2.png", "JPEG")
    with pytest.raises(JsddpmError, match=r"i2.png.*JPEG"):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store, **given)


def test_colour_pictures_are_refused(store, slices, tmp_path):
    path, given = as_png(tmp_path, *slices)
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[3, 4, 1] = 1
    Image.fromarray(picture).save(tmp_path / "i2.png")
    with pytest.raises(JsddpmError, match=r"i2.png.*colours"):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store, **given)


@pytest.mark.parametrize("number", ["²", "x", "-1", "9" * 5000])
def test_a_slice_that_is_no_number_has_its_line(store, slices, tmp_path, number):
    """A superscript two was an internal error."""
    path, given = as_nifti(tmp_path, *slices)
    path.write_text(path.read_text().replace("i.nii.gz,m.nii.gz,2,", f"i.nii.gz,m.nii.gz,{number},"))
    with pytest.raises(JsddpmError, match=r"TABLE.*line 4: the slice .* is not a whole number"):
        import_slices(path, tmp_path / "out", binning=BINNING, real=store, **given)


def test_files_that_facts_were_read_from_are_not_left(store, slices, tmp_path):
    """``pathology.npy`` was said not to be imported."""
    folder = tmp_path / "arrays"
    folder.mkdir()
    columns = {"images": slices[0], "masks": slices[1], "z": [z for z, _ in ROWS], "pathology": [p for _, p in ROWS]}
    for name, values in columns.items():
        np.save(folder / f"{name}.npy", np.asarray(values))
    np.save(folder / "other.npy", np.zeros(3))
    made = SliceStore(import_slices(folder, tmp_path / "out", binning=BINNING, real=store))
    assert made.info["provenance"]["imported"]["files_left"] == ["other.npy"]


@pytest.mark.parametrize("place", [1, -1], ids=["first", "last"])
@pytest.mark.parametrize("ending", ["npz", "npy"])
def test_an_axis_of_one_channel_is_read_before_and_after_the_slice(store, slices, tmp_path, place, ending):
    images, masks = (np.expand_dims(a, place) for a in slices)
    folder = tmp_path / "arrays"
    folder.mkdir()
    columns = {"images": images, "masks": masks, "z": [z for z, _ in ROWS], "pathology": [p for _, p in ROWS]}
    if ending == "npz":
        np.savez(folder / "all.npz", **columns)
    for name, values in columns.items() if ending == "npy" else ():
        np.save(folder / f"{name}.npy", np.asarray(values))
    found = read_generated(folder, binning=BINNING, real=store)
    assert np.abs(found.images * 255 - slices[0]).max() < 0.01
    assert np.array_equal(found.masks, slices[1])


def test_slices_along_the_last_axis_are_named(store, slices, tmp_path):
    images, masks = (np.moveaxis(a, 0, -1) for a in slices)
    np.savez(tmp_path / "a.npz", images=images, masks=masks, z=[z for z, _ in ROWS], pathology=[p for _, p in ROWS])
    shape = re.escape(str((*SIZE, 4)))
    with pytest.raises(JsddpmError, match=rf"images have the shape {shape}, and z has 4 values.*first axis.*moveaxis"):
        read_generated(tmp_path / "a.npz", binning=BINNING, real=store)
    np.savez(tmp_path / "b.npz", images=images, masks=masks, z=20, pathology=1)
    with pytest.raises(JsddpmError, match=r"SLICE_SHAPE.*moveaxis"):
        read_generated(tmp_path / "b.npz", binning=BINNING, real=store)


def test_one_file_with_many_values_outside_is_one_line(store, slices, tmp_path):
    """Each slice had a share of its own in the cure, and so a line of its own."""
    images = slices[0] / 255.0
    for k in range(4):
        images[k, : k + 1, 0] = 1.0005
    np.savez(tmp_path / "a.npz", images=images, masks=slices[1], z=[z for z, _ in ROWS], pathology=[p for _, p in ROWS])
    with pytest.raises(JsddpmError, match="SLICE_VALUES") as caught:
        read_generated(tmp_path / "a.npz", binning=BINNING, real=store)
    assert len(str(caught.value).splitlines()) == 1
    assert "--clip" in caught.value.fix


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "dcm", "h5"])
def test_a_kind_of_file_that_is_not_read_is_named(store, tmp_path, ending):
    """The cure was a table of the same files."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / f"lesion_bin3_seed0.{ending}").write_bytes(b"x")
    with pytest.raises(JsddpmError, match=rf"EMPTY.*contains \.{ending.lower()} files.*convert them to PNG"):
        read_generated(tmp_path / "pictures", binning=BINNING, real=store)
