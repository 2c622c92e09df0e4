"""A damaged file never becomes data, and every refusal names the file and the cure."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from jsddpm.cohort.inspect import inspect_records
from jsddpm.cohort.masks import MaskReading, binary_mask, check_same_grid
from jsddpm.cohort.nifti import check_not_constant, open_nifti, write_nifti
from jsddpm.cohort.records import Record
from jsddpm.errors import ExitStatus, JsddpmError

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])
DATA = np.arange(8 * 9 * 10, dtype=np.int16).reshape(8, 9, 10)
SINGLE = nib.Nifti1Image(DATA, AFFINE).to_bytes()
DIM, DATATYPE, PIXDIM, VOX_OFFSET, SLOPE, SROW = 40, 70, 76, 108, 112, 280
READ = slice(40, 56), slice(70, 74), slice(76, 120), slice(123, 124), slice(252, 328), slice(344, 348)
"""Bytes of a header that decide what is read: sizes, types, scaling, units, place, the magic word."""


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "image.nii.gz"
    write_nifti(path, DATA, AFFINE)
    return path


def edited(tmp_path, *changes, name="edited.nii"):
    """The good file, uncompressed, with header bytes replaced."""
    raw = bytearray(nib.Nifti1Image(DATA, AFFINE).to_bytes())
    for offset, layout, *values in changes:
        struct.pack_into(layout, raw, offset, *values)
    path = tmp_path / name
    path.write_bytes(bytes(raw))
    return path


def code_of(path, **options):
    with pytest.raises(JsddpmError) as caught:
        open_nifti(path, **options)
    error = caught.value
    assert error.status is ExitStatus.BAD_INPUT
    assert str(path) in str(error)
    assert error.fix
    return error.code


def test_reads_values_and_affine(good):
    volume = open_nifti(good)
    assert np.array_equal(volume.data, DATA)
    assert volume.data.dtype == np.float32
    assert np.array_equal(volume.affine, AFFINE)


def test_same_data_same_bytes(tmp_path, good):
    write_nifti(tmp_path / "again.nii.gz", DATA, AFFINE)
    assert (tmp_path / "again.nii.gz").read_bytes() == good.read_bytes()


def test_every_flipped_bit_of_the_payload_is_caught(tmp_path, good):
    raw = good.read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.nii.gz"
    silent = []
    for position in range(10, len(raw)):  # after the gzip header, whose time stamp and flags carry no data
        damaged = bytearray(raw)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(damaged))
        try:
            same = np.array_equal(open_nifti(path).data, DATA)
        except JsddpmError:
            continue
        if not same:
            silent.append(position)
    assert silent == []


def test_every_truncation_is_caught(tmp_path, good):
    raw = good.read_bytes()
    path = tmp_path / "short.nii.gz"
    for length in range(0, len(raw), 7):
        path.write_bytes(raw[:length])
        assert code_of(path).startswith("NIFTI_")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([(DIM, "<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1)], "NIFTI_TOO_LARGE"),
        ([(DIM, "<8h", 3, -8, 9, 10, 1, 1, 1, 1)], "NIFTI_DIMS"),
        ([(DIM, "<8h", 3, 0, 9, 10, 1, 1, 1, 1)], "NIFTI_DIMS"),
        ([(DIM, "<8h", 9, 8, 9, 10, 1, 1, 1, 1)], "NIFTI_DIMS"),
        ([(DIM, "<8h", 2, 72, 10, 1, 1, 1, 1, 1)], "NIFTI_DIMS"),
        ([(DIM, "<8h", 4, 8, 9, 5, 2, 1, 1, 1)], "NIFTI_DIMS"),
        ([(DIM, "<8h", 3, 8, 9, 11, 1, 1, 1, 1)], "NIFTI_TRUNCATED"),
        ([(DATATYPE, "<h", 128)], "NIFTI_DTYPE"),
        ([(DATATYPE, "<h", 32)], "NIFTI_DTYPE"),
        ([(DATATYPE, "<h", 9999)], "NIFTI_DTYPE"),
        ([(VOX_OFFSET, "<f", 1e9)], "NIFTI_OFFSET"),
        ([(VOX_OFFSET, "<f", float("nan"))], "NIFTI_OFFSET"),
        ([(SLOPE, "<f", 1e30)], "NIFTI_SCALING"),
        ([(SROW, "<12f", *[0.0] * 12)], "NIFTI_AFFINE"),
        ([(SROW, "<12f", *[float("nan")] * 12)], "NIFTI_AFFINE"),
    ],
)
def test_impossible_headers_are_refused(tmp_path, changes, code):
    assert code_of(edited(tmp_path, *changes)) == code


def test_a_singleton_fourth_dimension_is_dropped_with_a_note(tmp_path):
    volume = open_nifti(edited(tmp_path, (DIM, "<8h", 4, 8, 9, 10, 1, 1, 1, 1)))
    assert volume.data.shape == (8, 9, 10)


def test_big_endian_gives_the_same_values(tmp_path):
    image = nib.Nifti1Image(DATA.astype(">i2"), AFFINE, nib.Nifti1Header(endianness=">"))
    path = tmp_path / "big.nii"
    path.write_bytes(image.to_bytes())
    assert np.array_equal(open_nifti(path).data, DATA)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.nii.gz", b"", "NIFTI_EMPTY"),
        ("a.nii", b"<html>not found</html>" * 30, "NIFTI_NOT_NIFTI"),
        ("a.nii", b"/annex/objects/SHA256", "NIFTI_NOT_PRESENT"),
        ("a.nii", gzip.compress(SINGLE, mtime=0), "NIFTI_NAME"),
        ("a.nii.gz", SINGLE, "NIFTI_NAME"),
        ("a.nii", gzip.compress(b"x" * 400, mtime=0), "NIFTI_NOT_NIFTI"),
        ("a.nii.gz", b"\x89PNG\r\n\x1a\n" * 100, "NIFTI_NOT_NIFTI"),
        ("a.nii.gz", gzip.compress(b"x" * 400, mtime=0), "NIFTI_NOT_NIFTI"),
    ],
    ids=["empty", "html", "annex", "gzip-as-nii", "nii-as-gz", "gzip-of-text-as-nii", "picture-as-gz", "gzip-of-text"],
)
def test_other_content_is_named(tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    assert code_of(tmp_path / name) == code


def test_missing_file_folder_and_broken_link(tmp_path):
    assert code_of(tmp_path / "none.nii") == "NIFTI_MISSING"
    assert code_of(tmp_path) == "NIFTI_MISSING"
    (tmp_path / "link.nii").symlink_to(tmp_path / "gone")
    assert code_of(tmp_path / "link.nii") == "NIFTI_NOT_PRESENT"


@pytest.mark.parametrize("name", ["brain.mgz", "brain.img", "brain.hdr", "brain"])
def test_other_formats_are_to_be_converted(tmp_path, name):
    """It was told to call brain.mgz brain.mgz.gz."""
    (tmp_path / name).write_bytes(gzip.compress(b"\1\2" * 400))
    with pytest.raises(JsddpmError, match=r"NIFTI_NAME.*instead of \.nii or \.nii\.gz; fix: convert it to \.nii\.gz$"):
        open_nifti(tmp_path / name)


def test_binary_content_is_not_shown(tmp_path):
    (tmp_path / "a.nii").write_bytes(bytes(range(128, 256)) * 5)
    with pytest.raises(JsddpmError, match=r"starts with binary data"):
        open_nifti(tmp_path / "a.nii")


MEMORY = """
import sys
from pathlib import Path
from jsddpm.cohort.nifti import open_nifti
from jsddpm.errors import JsddpmError
def peak():  # of this program alone; what getrusage says begins with the peak of whoever started it
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = peak()
try:
    open_nifti(sys.argv[1], max_bytes=int(sys.argv[2]))
    code = ""
except JsddpmError as error:
    code = error.code
print(peak() - before, code)
"""


def peak_of(path, max_bytes):
    """MiB that reading a file adds to a process, and the code of its refusal."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path), str(max_bytes)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    kib, _, code = done.stdout.strip().partition(" ")
    return int(kib) / 1024, code


def packed(path, shape, body):
    """A compressed int16 volume whose header promises ``shape``, with ``body`` bytes of zeros."""
    head = nib.Nifti1Header()
    head.set_data_shape(shape)
    head.set_data_dtype(np.int16)
    head["magic"], head["vox_offset"] = b"n+1", 352
    head.set_sform(AFFINE, 1)
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(head.binaryblock + bytes(4))
        for _ in range(body >> 20):
            stream.write(bytes(1 << 20))
    return path


def test_memory_is_bounded_by_the_voxels_as_they_are_kept(tmp_path):
    """A bomb of 4 MB took 15 GB; an honest volume took five times its voxels."""
    bomb = packed(tmp_path / "bomb.nii.gz", (1290, 1290, 1200), 256 << 20)
    mib, code = peak_of(bomb, 1 << 30)
    assert (mib < 10, code) == (True, "NIFTI_TOO_LARGE")
    mib, code = peak_of(bomb, 1 << 40)  # allowed, and yet not believed: no gzip stream is so dense
    assert (mib < 10, code) == (True, "NIFTI_TRUNCATED")
    honest = packed(tmp_path / "honest.nii.gz", (512, 512, 256), 128 << 20)
    mib, code = peak_of(honest, 1 << 30)
    assert (256 < mib < 1.4 * 256, code) == (True, "")


@pytest.mark.parametrize(
    ("edits", "what"),
    [
        ([(SROW, "<12f", 1e18, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)], "mm are implausible"),
        ([(SROW, "<12f", 1e-6, 0, 0, 0, 0, 1e6, 0, 0, 0, 0, 1, 0)], "mm are implausible"),
        ([(SROW, "<12f", 1, 0, 0, 1e9, 0, 1, 0, 0, 0, 0, 1, 0)], "an origin 1e\\+09 mm away"),
        ([(254, "<h", 0), (252, "<h", 1), (256, "<3f", 1e20, 1e20, 1e20)], "cannot be read"),
    ],
)
def test_places_where_no_head_lies_are_refused(tmp_path, edits, what):
    with pytest.raises(JsddpmError, match=f"NIFTI_AFFINE.*{what}"):
        open_nifti(edited(tmp_path, *edits))


def test_no_header_makes_anything_but_an_error_of_ours(tmp_path):
    """Of 6000 there were 10: quaternions that are none, codes that nibabel cannot mend."""
    good = nib.Nifti1Image(DATA, AFFINE)
    good.set_qform(AFFINE)
    rng, path = np.random.default_rng(0), tmp_path / "a.nii"
    wild = np.array([1e38, -1e30, 1e20, 1e-38, np.inf, np.nan, 0, 1e10], "<f4")
    untouched, taken, refused, whole = good.to_bytes(), 0, 0, 0
    for trial in range(600):
        raw = bytearray(untouched)
        for offset in rng.integers(40, 348, rng.integers(1, 4)):
            raw[offset] = rng.integers(256)
        for offset in rng.choice([76, 80, 84, 88, *range(256, 328, 4)], trial % 4):
            raw[offset : offset + 4] = rng.choice(wild).tobytes()
        path.write_bytes(bytes(raw))
        try:
            volume = open_nifti(path)
        except JsddpmError:
            refused += 1
            continue
        taken += 1
        assert np.isfinite(volume.data).all()
        if all(raw[part] == untouched[part] for part in READ):  # only words that no reader interprets have changed
            whole += 1
            assert np.array_equal(volume.data, DATA)
            assert np.array_equal(volume.affine, AFFINE)
    assert min(taken, refused) > 100
    assert whole > 10


def test_what_nibabel_mends_is_a_note_of_the_image(tmp_path, caplog):
    """It stood in a log, and named no file."""
    volume = open_nifti(edited(tmp_path, (123, "<B", 2), (252, "<h", 99)))  # in mm
    assert volume.notes == ("qform_code 99 not valid; setting to 0",)
    assert caplog.text == ""


def test_scaled_voxels_are_those_of_nibabel(tmp_path):
    """Read part by part, in its arithmetic: 12 and 27 of the list of cases."""
    rng = np.random.default_rng(0)
    for kind in ("<i2", ">i2", "u1", "<u4", "<i8", ">f8", "<f4"):
        data = (rng.random((70, 80, 90)) * 200).astype(kind)
        image = nib.Nifti1Image(data, AFFINE, nib.Nifti1Header(endianness="<" if kind[0] != ">" else ">"), dtype=kind)
        raw = bytearray(image.to_bytes())
        struct.pack_into((">" if kind[0] == ">" else "<") + "2f", raw, SLOPE, 2.136, -17.3)
        path = tmp_path / "a.nii"
        path.write_bytes(bytes(raw))
        expected = np.asarray(nib.load(path).dataobj, dtype=np.float32)
        assert np.array_equal(open_nifti(path).data, expected), kind


def test_bytes_after_the_voxels_are_noted_and_bounded(tmp_path):
    raw = nib.Nifti1Image(DATA, AFFINE).to_bytes()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(raw + b"\0" * 100))
    assert "100 bytes" in open_nifti(tmp_path / "a.nii.gz").notes[0]
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(raw + b"\0" * (5 << 20)))
    assert code_of(tmp_path / "b.nii.gz", max_bytes=1 << 20) == "NIFTI_TOO_LARGE"


def test_nan_is_counted_and_located(tmp_path):
    data = DATA.astype(np.float32)
    data[1, 2, 3] = np.nan
    data[4, 5, 6] = np.inf
    write_nifti(tmp_path / "nan.nii.gz", data, AFFINE)
    with pytest.raises(JsddpmError, match=r"2 voxels are NaN or Inf, the first at \(1, 2, 3\)"):
        open_nifti(tmp_path / "nan.nii.gz")


def test_constant_image_is_refused(tmp_path):
    write_nifti(tmp_path / "flat.nii.gz", np.zeros((8, 8, 8), np.int16), AFFINE)
    with pytest.raises(JsddpmError, match="NIFTI_CONSTANT"):
        check_not_constant(open_nifti(tmp_path / "flat.nii.gz"))


def test_a_mask_must_lie_on_its_image(tmp_path, good):
    image = open_nifti(good)
    shifted = AFFINE.copy()
    shifted[0, 3] = 0.2
    jitter = AFFINE + 1e-6
    jitter[3] = [0, 0, 0, 1]
    cases = {"shape": (DATA[:, :, :-1], AFFINE), "shift": (DATA, shifted), "jitter": (DATA, jitter)}
    masks = {}
    for name, (data, affine) in cases.items():
        write_nifti(tmp_path / f"{name}.nii.gz", (data > 5).astype(np.uint8), affine)
        masks[name] = open_nifti(tmp_path / f"{name}.nii.gz")
    check_same_grid(image, masks["jitter"])
    with pytest.raises(JsddpmError, match=r"MASK_SHAPE.*\(8, 9, 9\).*\(8, 9, 10\)"):
        check_same_grid(image, masks["shape"])
    with pytest.raises(JsddpmError, match=r"MASK_AFFINE.*0\.20 voxels"):
        check_same_grid(image, masks["shift"])


def test_mask_values_must_be_understood(tmp_path):
    write_nifti(tmp_path / "m.nii.gz", np.where(DATA > 300, 255, 0).astype(np.uint8), AFFINE)
    mask = open_nifti(tmp_path / "m.nii.gz")
    with pytest.raises(JsddpmError, match=r"MASK_LABELS.*0, 255"):
        binary_mask(mask, MaskReading())
    assert np.array_equal(binary_mask(mask, MaskReading((255,))), DATA > 300)
    assert np.array_equal(binary_mask(mask, MaskReading(threshold=127.0)), DATA > 300)
    with pytest.raises(JsddpmError, match="MASK_READING"):
        MaskReading((1,), 0.5)


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -float("inf")])
def test_a_threshold_is_a_number(threshold):
    with pytest.raises(JsddpmError, match="MASK_READING") as caught:
        MaskReading(threshold=threshold)
    assert caught.value.status == 2


def test_several_labels_can_be_lesion_but_only_whole_ones(tmp_path):
    values = (DATA % 5).astype(np.float32)
    write_nifti(tmp_path / "m.nii.gz", values, AFFINE)
    mask = open_nifti(tmp_path / "m.nii.gz")
    assert np.array_equal(binary_mask(mask, MaskReading((1, 4))), np.isin(values, (1, 4)))
    write_nifti(tmp_path / "p.nii.gz", values / 4, AFFINE)
    with pytest.raises(JsddpmError, match=r"MASK_LABELS.*whole"):
        binary_mask(open_nifti(tmp_path / "p.nii.gz"), MaskReading((1,)))


def test_a_negative_slope_is_noted(tmp_path):
    volume = open_nifti(edited(tmp_path, (SLOPE, "<f", -2.0)))
    assert np.array_equal(volume.data, -2.0 * DATA)
    assert any("intensity slope -2 is negative" in note for note in volume.notes)


@pytest.mark.parametrize(
    ("edits", "note"),
    [
        ([(SLOPE, "<f", float("nan"))], "taken unscaled"),
        ([(PIXDIM + 4, "<f", 0.0)], "are not sizes"),
        ([(252, "<h", 1), (268, "<f", 30.0)], "sform and qform differ"),
    ],
)
def test_what_nibabel_decides_silently_is_said(good, tmp_path, edits, note):
    volume = open_nifti(edited(tmp_path, *edits))
    assert any(note in n for n in volume.notes)
    assert np.array_equal(volume.data, DATA)
    assert open_nifti(good).notes == ()


def test_a_header_without_an_affine_is_noted_as_a_guess(good, tmp_path):
    """As ``nib.Nifti1Image(array, None)`` writes it: nibabel takes the first axis as leading to the left."""
    image = nib.Nifti1Image(DATA, None)
    image.header.set_zooms((1, 2, 3))
    image.header.set_xyzt_units("mm")
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (0, 0)
    nib.save(image, tmp_path / "silent.nii.gz")
    volume = open_nifti(tmp_path / "silent.nii.gz")
    assert volume.notes == ("the header does not say how it is oriented: taken as LAS",)
    assert not volume.oriented
    assert np.array_equal(volume.affine, nib.load(tmp_path / "silent.nii.gz").affine)
    assert np.array_equal(volume.affine[:3, :3], np.diag([-1.0, 2.0, 3.0]))
    for code in ("sform", "qform"):
        image = nib.Nifti1Image(DATA, None)
        getattr(image, f"set_{code}")(AFFINE, code=1)
        image.header.set_xyzt_units("mm")
        nib.save(image, tmp_path / f"{code}.nii.gz")
        volume = open_nifti(tmp_path / f"{code}.nii.gz")
        assert (volume.oriented, volume.notes, volume.affine.tolist()) == (True, (), AFFINE.tolist()), code
    records = [Record("s", "s", "", "control", tmp_path / "silent.nii.gz", None)]
    assert "taken as LAS" in inspect_records(records)[0].notes[0]
    assert open_nifti(good).oriented


@pytest.mark.parametrize(("unit", "size", "noted"), [
    ("meter", 0.05, True), ("micron", 20, False), ("micron", 200, True), ("unknown", 2, True), ("mm", 2, False),
])  # fmt: skip
def test_a_head_of_an_impossible_size_in_another_unit_is_noted(tmp_path, unit, size, noted):
    """20 voxels of 2 mm are no head, in no unit that the header may mean."""
    image = nib.Nifti1Image(np.resize(DATA, (20, 10, 10)), np.diag([size, size, size, 1.0]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii.gz")
    notes = open_nifti(tmp_path / "a.nii.gz").notes
    words = (
        f"{20 * size:.3g} x {10 * size:.3g} x {10 * size:.3g} mm are not the size of a head (unit in the header: {unit}"
    )
    assert [n.startswith(words) for n in notes] == [True] * noted


def test_a_file_that_macos_writes_beside_an_image_is_named(tmp_path):
    """It was gzip data that is damaged."""
    (tmp_path / "._a.nii.gz").write_bytes(b"\0\5\x16\7" + bytes(100))
    with pytest.raises(JsddpmError, match=r"NIFTI_NOT_NIFTI.*AppleDouble.*without \._"):
        open_nifti(tmp_path / "._a.nii.gz")


@pytest.mark.parametrize("turned", [(0, 1, 2), (2, 0, 1)], ids=["axial", "sagittal"])
@pytest.mark.parametrize(("axis", "degrees"), [("x", 10), ("x", 20), ("y", -30), ("z", 40)])
def test_a_tilted_grid_is_noted_and_its_voxel_sizes_are_kept(tmp_path, turned, axis, degrees):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()[:, turned] @ np.diag([0.5, 1.2, 3.0])
    write_nifti(tmp_path / "tilted.nii.gz", DATA, affine)
    notes = open_nifti(tmp_path / "tilted.nii.gz").notes
    assert notes == ((f"tilted by {abs(degrees)} degrees: slices are not axial",) if abs(degrees) > 15 else ())
    record = Record("s", "s", "", "control", tmp_path / "tilted.nii.gz", None)
    assert inspect_records([record])[0].spacing == (0.5, 1.2, 3.0)


@pytest.mark.parametrize(("unit", "size"), [("meter", 0.004), ("micron", 4000.0)])
def test_a_volume_in_another_unit_is_refused_with_its_unit(tmp_path, unit, size):
    """Metres passed the scan and had no brain in the build; the message on microns did not name the unit."""
    image = nib.Nifti1Image(np.arange(30**3, dtype=np.int16).reshape(30, 30, 30), np.diag([size, size, size, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(JsddpmError, match=rf"NIFTI_AFFINE.*unit in the header: {unit}.*write the affine.* in mm"):
        open_nifti(tmp_path / "a.nii.gz")
