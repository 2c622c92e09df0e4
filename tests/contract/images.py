"""Group A: NIfTI files. A manifest names a good image and a bad one; a scan that reads both must say what is wrong."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from calls import Found, refusal
from contract.case import SMALL, UNFINISHED, Build, Row, World
from jsddpm.cohort.masks import MaskReading
from jsddpm.cohort.nifti import open_nifti, write_nifti
from jsddpm.cohort.preprocess import Preprocessing, preprocess
from jsddpm.cohort.records import Record
from jsddpm.cohort.sources import read_cohort
from jsddpm.cohort.splits import SplitRule
from jsddpm.cohort.subject import read_subject
from jsddpm.slices.build import build_slice_cache

SIDES = (20, 24, 28)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
DIM, DATATYPE, PIXDIM, VOX_OFFSET, SLOPE, QFORM, QOFFSET, SROW = 40, 70, 76, 108, 112, 252, 268, 280
SCAN = ("cohort", "scan", "{tmp}/cohort.csv", "--read", "--jobs", 1, "--format", "json")
NAN, INF = float("nan"), float("inf")


def voxels(seed: int = 0) -> np.ndarray:
    """A bright ball in noise, int16."""
    grid = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in SIDES], indexing="ij"))
    noise = np.random.default_rng(seed).integers(0, 60, SIDES)
    return (np.where((grid**2).sum(0) < 81, 600, 0) + noise).astype(np.int16)


def lesion() -> np.ndarray:
    """A block of ones, uint8."""
    mask = np.zeros(SIDES, np.uint8)
    mask[9:12, 10:14, 8:14] = 1
    return mask


def write_cohort(world: World) -> Path:
    """A good patient and one whose image will be spoiled."""
    for name, seed in (("good", 1), ("bad", 2)):
        write_nifti(world.tmp / f"{name}.nii.gz", voxels(seed), AFFINE)
        write_nifti(world.tmp / f"{name}-mask.nii.gz", lesion(), AFFINE)
    _manifest(world, "bad.nii.gz")
    return world.tmp / "bad.nii.gz"


def _manifest(world: World, image: str, mask: str = "bad-mask.nii.gz") -> None:
    rows = f"image,mask,patient\ngood.nii.gz,good-mask.nii.gz,a\n{image},{mask},b\n"
    (world.tmp / "cohort.csv").write_text(rows)


def header(*changes: tuple, parts: tuple[str, ...] = ("bad",)) -> Build:
    """Header bytes replaced: (offset, format of ``struct``, values...)."""

    def build(world: World) -> None:
        write_cohort(world)
        for path in (world.tmp / f"{part}.nii.gz" for part in parts):
            raw = bytearray(gzip.decompress(path.read_bytes()))
            for offset, layout, *values in changes:
                struct.pack_into(layout, raw, offset, *values)
            path.write_bytes(gzip.compress(bytes(raw), mtime=0))

    return build


def packed(change: Callable[[bytes], bytes], name: str = "bad.nii.gz") -> Build:
    """The bytes of the compressed file changed, and its name."""

    def build(world: World) -> None:
        path = write_cohort(world)
        raw = change(path.read_bytes())
        path.unlink()
        (world.tmp / name).write_bytes(raw)
        _manifest(world, name)

    return build


def image(data: np.ndarray, affine: np.ndarray = AFFINE) -> Build:
    """Other voxels in the image."""

    def build(world: World) -> None:
        write_nifti(write_cohort(world), data, affine)

    return build


def mask(data: np.ndarray, affine: np.ndarray = AFFINE) -> Build:
    """Other voxels in the mask."""

    def build(world: World) -> None:
        write_cohort(world)
        write_nifti(world.tmp / "bad-mask.nii.gz", data, affine)

    return build


def flipped(raw: bytes, place: int) -> bytes:
    """One bit of a byte turned."""
    return raw[:place] + bytes([raw[place] ^ 4]) + raw[place + 1 :]


def dims(*sizes: int) -> Build:
    """Other dimensions in the header."""
    return header((DIM, "<8h", *sizes, *[1] * (8 - len(sizes))))


def moved(shift: float, axis: int = 0) -> np.ndarray:
    """The affine moved along an axis, in mm."""
    affine = AFFINE.copy()
    affine[axis, 3] += shift
    return affine


def with_value(value: float, place: tuple[int, int, int] = (1, 2, 3)) -> np.ndarray:
    """The voxels as float32, one of them replaced."""
    data = voxels().astype(np.float32)
    data[place] = value
    return data


def refused(case: str, what: str, build: Build, code: str, *words: str, name: str = "bad.nii.gz") -> Row:
    """A row whose image must be refused by its name."""
    return Row(case, what, SCAN, 3, code, (f"{{tmp}}/{name}", *words), build)


def noted(case: str, what: str, build: Build, *words: str) -> Row:
    """A row whose image is read, with a note."""
    return Row(case, what, SCAN, 0, "", words, build)


def scaled_integers(world: World) -> Found:
    """70000 as 32767 times a slope: nothing may be cut off at the largest int16."""
    path, raw = world.tmp / "scaled.nii", voxels()
    raw[0, 0, 0] = 32767
    picture = nib.Nifti1Image(raw, AFFINE)
    picture.header.set_slope_inter(70000 / 32767, 5.0)
    path.write_bytes(picture.to_bytes())
    expected = raw.astype(np.float64) * np.float32(70000 / 32767) + 5.0
    assert np.allclose(open_nifti(path).data, expected, rtol=1e-6)
    assert open_nifti(path).data.dtype == np.float32
    return Found(0)


def other_types(world: World) -> Found:
    """The same numbers whatever type and byte order hold them."""
    for dtype in ("<i8", "<f8", ">i2", ">f4", "<u2", "<i4"):
        order = ">" if dtype[0] == ">" else "<"
        head = nib.Nifti1Header(endianness=order)
        head.set_data_dtype(np.dtype(dtype))
        path = world.tmp / "typed.nii"
        path.write_bytes(nib.Nifti1Image(voxels().astype(dtype), AFFINE, head, dtype=np.dtype(dtype)).to_bytes())
        assert np.array_equal(open_nifti(path).data, voxels()), dtype
    return Found(0)


def other_orientation(world: World) -> Found:
    """An image and mask written in seven orders of axes: every time the same slices."""
    ras = nib.Nifti1Image(voxels(), moved(7.0, 1))
    region = nib.Nifti1Image(lesion(), moved(7.0, 1))
    spec, stacks = Preprocessing((24, 32, 28), (3.0, 3.0, 3.0)), []
    for axes in ("RAS", "LAS", "LPS", "PSR", "AIL", "SRA", "IPL"):
        turn = nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
        )
        for name, picture in (("image", ras), ("mask", region)):
            turned = picture.as_reoriented(turn)
            write_nifti(world.tmp / f"{name}-{axes}.nii.gz", np.asarray(turned.dataobj), turned.affine)
        record = Record("s", "s", "", "patient", *(world.tmp / f"{n}-{axes}.nii.gz" for n in ("image", "mask")))
        stacks.append(preprocess(read_subject(record, MaskReading()), spec))
    assert stacks[0].mask.any()
    for stack in stacks[1:]:
        assert np.array_equal(stack.mask, stacks[0].mask)
        assert np.allclose(stack.image, stacks[0].image, atol=1e-6)
    return Found(0)


def vanish(world: World) -> None:
    """The file goes between the listing and the reading."""
    world["records"] = read_cohort(write_cohort(world).parent / "cohort.csv").require_clean()
    (world.tmp / "bad.nii.gz").unlink()


def built(world: World) -> Found:
    """The listed cohort built."""
    spec = Preprocessing((24, 32, 28), (3, 3, 3))
    return refusal(lambda: build_slice_cache(world["records"], world.tmp / "new", spec=spec, split=SplitRule(0, 0)))


def turned(degrees: float) -> np.ndarray:
    """Slices tilted about the left-right axis."""
    angle, affine = np.radians(degrees), AFFINE.copy()
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    affine[:3, :3] = turn @ affine[:3, :3]
    return affine


def both(affine: np.ndarray) -> Build:
    """Image and mask with another affine."""

    def build(world: World) -> None:
        write_nifti(write_cohort(world), voxels(), affine)
        write_nifti(world.tmp / "bad-mask.nii.gz", lesion(), affine)

    return build


def without(*names: str) -> Build:
    """Files removed after the manifest was written."""

    def build(world: World) -> None:
        write_cohort(world)
        for name in names:
            (world.tmp / name).unlink()

    return build


def mixed(world: World) -> None:
    """A patient of another matrix and voxel size."""
    write_cohort(world)
    write_nifti(world.tmp / "bad.nii.gz", voxels()[:, :, :-2], np.diag([3.0, 3.0, 2.5, 1.0]))
    write_nifti(world.tmp / "bad-mask.nii.gz", lesion()[:, :, :-2], np.diag([3.0, 3.0, 2.5, 1.0]))


_ZERO, _SINGULAR = np.zeros((3, 4)), np.array([[3, 0, 0, 0], [3, 0, 0, 0], [0, 0, 3, 0]])

ROWS = (
    refused("1", "compressed stream cut in the middle", packed(lambda raw: raw[: len(raw) // 2]), "NIFTI_TRUNCATED",
            "copy the file again"),
    refused("1", "plain file cut", packed(lambda raw: gzip.decompress(raw)[:-100], "bad.nii"), "NIFTI_TRUNCATED",
            "copy the file again", name="bad.nii"),
    refused("2", "one bit of the compressed voxels", packed(lambda raw: flipped(raw, len(raw) // 2)), "NIFTI_CORRUPT"),
    refused("2", "wrong checksum", packed(lambda raw: flipped(raw, len(raw) - 7)), "NIFTI_CORRUPT"),
    refused("2", "no trailer", packed(lambda raw: raw[:-8]), "NIFTI_TRUNCATED"),
    refused("3", "junk behind the compressed stream", packed(lambda raw: raw + b"junk" * 8), "NIFTI_CORRUPT"),
    noted("3", "a second compressed stream", packed(lambda raw: raw + gzip.compress(b"more" * 8)),
          "32 bytes after the voxels were ignored"),
    refused("4", "an empty file", packed(lambda raw: b""), "NIFTI_EMPTY", "the file is empty"),
    refused("4", "a page instead of an image", packed(lambda raw: b"<html>not found</html>" * 40, "bad.nii"),
            "NIFTI_NOT_NIFTI", "<html>", name="bad.nii"),
    refused("4", "a text, compressed", packed(lambda raw: gzip.compress(b"subject,age\n" * 60)), "NIFTI_NOT_NIFTI"),
    refused("4", "wrong magic", header((344, "<4s", b"abcd")), "NIFTI_NOT_NIFTI"),
    refused("5", "compressed content named nii", packed(lambda raw: raw, "bad.nii"), "NIFTI_NAME",
            "rename it to bad.nii.gz", name="bad.nii"),
    refused("5", "plain content named gz", packed(gzip.decompress), "NIFTI_NAME", "rename it to bad.nii"),
    refused("6", "32767 voxels a side, small body", dims(3, 32767, 32767, 32767), "NIFTI_TOO_LARGE", "GiB"),
    Row("7", "a header of 3.7 GiB, a small file", SCAN, 3, "", ("{tmp}/bad.nii.gz",), dims(3, 1290, 1290, 1200),
        seconds=5),
    refused("8", "a negative side", dims(3, -20, 24, 28), "NIFTI_DIMS"),
    refused("8", "a side of length zero", dims(3, 0, 24, 28), "NIFTI_DIMS"),
    refused("8", "nine dimensions", dims(9, 20, 24, 28), "NIFTI_DIMS"),
    refused("9", "colours", header((DATATYPE, "<h", 128)), "NIFTI_DTYPE", "unsupported voxel type"),
    refused("9", "complex numbers", header((DATATYPE, "<h", 32)), "NIFTI_DTYPE", "complex"),
    refused("9", "no type there is", header((DATATYPE, "<h", 9999)), "NIFTI_DTYPE"),
    refused("10", "voxels begin at 1e9", header((VOX_OFFSET, "<f", 1e9)), "NIFTI_OFFSET"),
    refused("10", "voxels begin at NaN", header((VOX_OFFSET, "<f", NAN)), "NIFTI_OFFSET"),
    refused("10", "voxels begin before the file", header((VOX_OFFSET, "<f", -352.0)), "NIFTI_OFFSET"),
    noted("11", "slope NaN", header((SLOPE, "<f", NAN)), "taken unscaled"),
    noted("11", "slope infinite", header((SLOPE, "<f", INF)), "taken unscaled"),
    noted("11", "slope zero with an offset", header((SLOPE, "<2f", 0.0, 5.0)), "taken unscaled"),
    refused("11", "slope 1e30", header((SLOPE, "<f", 1e30)), "NIFTI_SCALING", "1e+30"),
    Row("12", "integers with a slope are scaled before they are cut", scaled_integers),
    refused("13", "NaN voxels", image(with_value(NAN)), "NIFTI_NON_FINITE",
            "1 voxel is NaN or Inf, the first at (1, 2, 3)"),
    refused("13", "infinite voxels", image(with_value(-INF)), "NIFTI_NON_FINITE", "the first at (1, 2, 3)"),
    refused("14", "all zero", image(np.zeros(SIDES, np.int16)), "NIFTI_CONSTANT", "every voxel has the value 0"),
    refused("14", "constant", image(np.full(SIDES, 7, np.int16)), "NIFTI_CONSTANT", "every voxel has the value 7"),
    noted("15", "a fourth dimension of one", dims(4, 20, 24, 28, 1), "read as (20, 24, 28)"),
    refused("15", "two volumes", image(np.stack([voxels(), voxels(1)], -1)), "NIFTI_DIMS",
            "more than one volume", "extract the volume"),
    refused("16", "two dimensions", image(voxels()[:, :, 14]), "NIFTI_DIMS", "at least 8"),
    refused("16", "one slice", image(voxels()[:, :, 14:15]), "NIFTI_DIMS", "at least 8"),
    refused("16", "a plane smaller than the least", image(voxels()[:6]), "NIFTI_DIMS", "at least 8"),
    refused("17", "affine of zeros", header((SROW, "<12f", *_ZERO.ravel())), "NIFTI_AFFINE"),
    refused("17", "singular affine", header((SROW, "<12f", *_SINGULAR.ravel())), "NIFTI_AFFINE", "singular"),
    refused("17", "affine of NaN", header((SROW, "<12f", *[NAN] * 12)), "NIFTI_AFFINE"),
    *(Row("M2", f"a wild affine, {what}",
          ("cache", "build", "{tmp}/cohort.csv", "--out", "{tmp}/new", *SMALL, "--test", "0", "--val", "0"), 3, "",
          ("{tmp}/bad.nii.gz",), header((SROW, "<12f", size, 0, 0, 0, 0, size, 0, 0, 0, 0, size, 0),
          parts=("bad", "bad-mask")),
          leaves=UNFINISHED) for what, size in (("huge", 1e18), ("tiny", 1e-12))),
    noted("18", "sform and qform differ", header((QFORM, "<h", 1), (QOFFSET, "<f", 30.0)), "the sform is used"),
    Row("19", "seven orders of axes", other_orientation),
    noted("19", "slices tilted by 20 degrees", both(turned(20)), "tilted by 20 degrees: slices are not axial"),
    noted("20", "voxel size zero", header((PIXDIM + 4, "<f", 0.0)), "are not sizes: those of the affine are used"),
    noted("20", "voxel size NaN", header((PIXDIM + 4, "<f", NAN)), "are not sizes: those of the affine are used"),
    refused("21", "mask of another shape", mask(lesion()[:, :, :-1]), "MASK_SHAPE", "(20, 24, 27)", "(20, 24, 28)",
            name="bad-mask.nii.gz"),
    refused("22", "mask half a voxel away", mask(lesion(), moved(1.5)), "MASK_AFFINE", "0.50 voxels",
            name="bad-mask.nii.gz"),
    noted("22", "mask affine with the jitter of a float", mask(lesion(), AFFINE + 1e-6 * np.eye(4, k=1)), "\"b\""),
    refused("23", "mask of 0 and 255", mask(lesion() * np.uint8(255)), "MASK_LABELS", "0, 255", "--mask-label",
            name="bad-mask.nii.gz"),
    refused("23", "mask of 0 and 0.9999", mask(lesion() * np.float32(0.9999)), "MASK_LABELS", "--mask-threshold",
            name="bad-mask.nii.gz"),
    refused("23", "mask of labels 1 to 4", mask(lesion() * np.arange(28, dtype=np.uint8) % 5), "MASK_LABELS",
            name="bad-mask.nii.gz"),
    refused("23", "mask with NaN", mask(np.where(lesion(), np.float32(NAN), 0)), "NIFTI_NON_FINITE",
            name="bad-mask.nii.gz"),
    Row("24", "an empty mask", ("cache", "build", "{tmp}/cohort.csv", "--out", "{tmp}/new", *SMALL, "--test", "0.4",
                                "--val", "0"), 0, "", ("all its slices count as control",), mask(lesion() * 0)),
    refused("25", "no image", without("bad.nii.gz"), "MISSING", "no such file"),
    refused("25", "no mask", without("bad-mask.nii.gz"), "MISSING", name="bad-mask.nii.gz"),
    Row("25", "image gone while the cohort is read", built, 3, "NIFTI_MISSING", ("{tmp}/bad.nii.gz",), vanish,
        leaves=UNFINISHED),
    Row("26", "unlike matrices and voxel sizes", SCAN[:-2], 0, "",
        ("1 image has 20x24x28 voxels of 3x3x3 mm", "1 image has 20x24x26 voxels of 3x3x2.5 mm"), mixed),
    Row("27", "other types and byte orders", other_types),
)  # fmt: skip
