"""Guards of the packages, each with the tests that must fail where it is removed; see :mod:`mutations`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """A guard, the text that takes its place, and the tests that must miss it.

    Attributes:
        what: What it guards.
        file: Where it stands.
        text: The guard; it stands there once.
        replacement: Code without it.
        tests: Arguments of pytest.
    """

    what: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]


def rows(name: str) -> tuple[str, ...]:
    """Rows of the contract whose identifier holds a text."""
    return "tests/contract/test_contract.py", "-k", name


def of(file: str, name: str) -> tuple[str, ...]:
    """Tests of a file whose name holds a text."""
    return f"tests/{file}", "-k", name


NIFTI, MASKS, STORE = "jsddpm/cohort/nifti.py", "jsddpm/cohort/masks.py", "jsddpm/slices/store.py"
BINNING, QUANTIZATION, PATIENTS = "jsddpm/binning.py", "jsddpm/quantization.py", "jsddpm/cohort/patients.py"
CHECKPOINT, MODULE, RUN = "jsddpm/diffusion/checkpoint.py", "jsddpm/training/module.py", "jsddpm/training/run.py"
PIXELS, DESCRIPTION = "jsddpm/slices/importing/pixels.py", "jsddpm/slices/description.py"
VOLUMES, LAYOUTS = "jsddpm/slices/importing/volumes.py", "jsddpm/slices/importing/layouts/__init__.py"
FILES, TABLES = "jsddpm/files.py", "jsddpm/csvfiles.py"

GUARDS = (
    Guard("gzip is read to its checksum", NIFTI, "while chunk := stream.read(_CHUNK):  #", "while chunk := b'':  #",
          rows("2-wrong-checksum")),
    Guard("the stream behind the voxels is bounded", NIFTI, "if trailing > max_bytes:", "if False:",
          of("jsddpm/cohort/test_nifti.py", "bytes_after_the_voxels")),
    Guard("a volume's size, from its header", NIFTI, "if voxels.bytes_in_memory > max_bytes:", "if False:",
          rows("6-32767")),
    Guard("a file too short for its voxels", NIFTI,
          "if voxels.bytes_in_file > there * (_DEFLATE_RATIO if packed else 1):", "if False:",
          of("jsddpm/cohort/test_nifti.py", "memory_is_bounded")),
    Guard("content unlike the file's name", NIFTI, 'if packed != path.name.lower().endswith(".gz"):', "if False:",
          rows("5-")),
    Guard("an empty file", NIFTI, "if not start:", "if False:", rows("4-an-empty-file")),
    Guard("pointers of git-annex", "jsddpm/cohort/fetched.py", "elif start.startswith(_ANNEX):", "elif False:",
          rows("34-a-pointer")),
    Guard("more than one volume", NIFTI, "if any(n != 1 for n in data.shape[3:]):", "if False:",
          rows("15-two-volumes")),
    Guard("planes too small for a network", NIFTI, "min(data.shape) < MIN_SIDE and not flat", "False",
          rows("16-a-plane")),
    Guard("NaN among voxels", NIFTI, "if not (np.isfinite(data.min()) and np.isfinite(data.max())):", "if False:",
          rows("13-")),
    Guard("an image without contrast", NIFTI, "if volume.data.min() == volume.data.max():", "if False:", rows("14-")),
    Guard("a mask of another shape", MASKS, "if image.data.shape != mask.data.shape:", "if False:",
          rows("21-mask-of-another-shape")),
    Guard("a mask away from its image", MASKS, "if shift > _MAX_CORNER_SHIFT_VOXELS:", "if False:",
          rows("22-mask-half")),
    Guard("a mask threshold that is no number", MASKS,
          "self.threshold is not None and not isfinite(self.threshold)",
          "False", rows("M1-a-mask-threshold")),
    Guard("one patient in two splits", PATIENTS, "for p, s in splits.items() if len(s) > 1)",
          "for p, s in splits.items() if len(s) > 9)", rows("30-a-patient-in-two")),
    Guard("two spellings of one patient", PATIENTS, "for same in spellings.values() if len(same) > 1)",
          "for same in spellings.values() if len(same) > 9)", rows("30-two-spellings")),
    Guard("one image under two patients", PATIENTS, "if len(same) > 1\n    ]", "if len(same) > 9\n    ]", rows("29-")),
    Guard("names that differ in their case", PATIENTS,
          "named.setdefault(r.subject.casefold(), []).append(r)", "named.setdefault(r.subject, []).append(r)",
          rows("37-")),
    Guard("columns of a table", TABLES, "if missing := [name for name in needed if name not in names]:",
          "if missing := []:", rows("36-a-column-missing")),
    Guard("rows of unequal length", TABLES, "if unequal := [row for row in rows if len(row) != len(names)]:",
          "if unequal := []:", rows("36-more-cells")),
    Guard("cells that a spreadsheet would run", TABLES,
          "return _neutral(text) or (text.startswith(_FORMULA) and not _NUMBER.fullmatch(text))", "return False",
          rows("103-")),
    Guard("unknown keys of the configuration", "jsddpm/sections.py", 'extra="forbid"', 'extra="ignore"',
          rows("39-a-misspelt")),
    Guard("the checksum of a store's description", STORE,
          "if not path.is_file() or path.read_bytes() != expected:", "if False:",
          of("jsddpm/slices/test_store.py", "no_flipped_byte_of_the_other_files")),
    Guard("the checksum of a store's index", STORE,
          'if sha256(self.path / "index.npy") != self.info["index"]["sha256"]:\n            raise',
          "if False:\n            raise",
          rows("H1-a-flipped-bit-of-the-index")),
    Guard("the checksum of a slice that is read", STORE,
          "if differing := crc32_differs((part[i] for i in new), expected):", "if differing := []:",
          rows("H1-a-flipped-bit-of-an-image")),
    Guard("the version of a store", STORE,
          'if self.info.get("schema") != SCHEMA or self.info.get("version") != VERSION:',
          "if False:", rows("48-")),
    Guard("the length of a data file", STORE, "if (self.path / entry[\"file\"]).stat().st_size != entry[\"bytes\"]:",
          "if False:", of("jsddpm/slices/test_store.py", "another_kind_or_length")),
    Guard("boxes inside of their slices", DESCRIPTION,
          "if not (first < end <= subject.slices and top < bottom <= height and left < right <= width):", "if False:",
          of("jsddpm/slices/test_store.py", "a_description_that_cannot_be")),
    Guard("an output that exists", "jsddpm/places.py", "if os.path.lexists(path):", "if False:",
          rows("82-an-output-that-exists")),
    Guard("files appear whole", FILES,
          'tempfile.mkstemp(prefix=partial_prefix(path), suffix=PARTIAL, dir=path.parent)',
          "os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), str(path)",
          of("jsddpm/test_files.py", "a_failed_write")),
    Guard("a file is flushed before it has its name", FILES, "            os.fsync(stream.fileno())\n", "",
          of("jsddpm/test_files.py", "flushed")),
    Guard("a file's name is flushed", FILES, "            fsync_directory(path.parent)\n", "",
          of("jsddpm/test_files.py", "flushed")),
    Guard("the lock of a folder that is filled", "jsddpm/publish.py", "lock.acquire(timeout=-1 if wait else 0)", "pass",
          rows("43-a-second-builder")),
    Guard("an unfinished folder is not begun again", "jsddpm/publish.py", "elif not resume:", "elif False:",
          rows("41-a-killed-build-built-again")),
    Guard("the plan of an unfinished folder", "jsddpm/publish.py", "if differing := [k for k in {**before, **plan} if",
          "if differing := [k for k in () if", rows("49-other-preprocessing")),
    Guard("a range that is reversed", QUANTIZATION, "if lo > hi:", "if False:", rows("53-")),
    Guard("a range below zero", QUANTIZATION, "if lo < 0:", "if False:", rows("54-range-below")),
    Guard("a number of bins below one", QUANTIZATION, "if not is_integer(n_bins) or n_bins < 1:", "if False:",
          rows("59-")),
    Guard("a slice outside of the range", QUANTIZATION, "if _leaves(z, lo, hi):", "if False:", rows("58-")),
    Guard("a range beyond the volume", BINNING, "if hi >= n_slices:", "if False:", rows("54-range-beyond-the-volume")),
    Guard("more bins than slices", BINNING, "if self.n_bins > divided and not self.allow_empty_bins:", "if False:",
          rows("56-")),
    Guard("two binnings that differ", BINNING, "if differences := self.diff(other):", "if differences := {}:",
          rows("70-resumed-with-other-bins")),
    Guard("a checkpoint's checksums", CHECKPOINT, '    require_sound_zip(path, "CHECKPOINT", _CURE)\n', "",
          of("jsddpm/diffusion/test_checkpoint.py", "no_flipped_bit")),
    Guard("nothing in a checkpoint is run", CHECKPOINT, "weights_only=True", "weights_only=False", rows("72-")),
    Guard("averaged weights are there", CHECKPOINT, "    if not state:\n", "    if False:\n", rows("78-")),
    Guard("a loss that is not finite", MODULE, "if not torch.isfinite(loss.total):", "if False:",
          rows("61-a-loss")),
    Guard("a gradient that is not finite", MODULE,
          'if self._skipped > (MOST_SKIPPED if self.trainer.precision == "16-mixed" else 0):',
          "if False:", of("jsddpm/training/test_train.py", "a_gradient_that_is_not_finite")),
    Guard("a reconstruction that is not finite", MODULE, 'if not torch.isfinite(values["mse"]).all():', "if False:",
          rows("61-an-average")),
    Guard("settings of a resumed run", RUN, "if before.store != info.store:", "if False:",
          rows("70-resumed-with-another-store")),
    Guard("samples that are not finite", "jsddpm/diffusion/pipeline.py",
          "finite = torch.isfinite(result).flatten(1).all(dim=1).tolist()", "finite = [True] * len(result)",
          rows("80-")),
    Guard("slices of another size", PIXELS, "if array.shape != tuple(size):", "if False:",
          rows("90-a-file-of-another")),
    Guard("intensities that are not finite", PIXELS, "if count := int(array.size - np.isfinite(array).sum()):",
          "if count := 0:", rows("88-nan-in-a-file")),
    Guard("intensities outside of their range", PIXELS, "if beyond > (MOST_CLIPPED if reading.clip else 0):",
          "if False:", of("jsddpm/slices/test_import_layouts.py", "asked_for_by_name")),
    Guard("an affine that says nothing", VOLUMES, "if np.allclose(image.affine, np.eye(4)) else", "if False else",
          of("jsddpm/slices/test_import_layouts.py", "asked_for_by_name")),
    Guard("an affine that is a guess", VOLUMES, "if not image.oriented:", "if False:",
          of("jsddpm/slices/test_import_layouts.py", "without_an_affine")),
    Guard("a stack whose affine is a guess", "jsddpm/slices/importing/pixels.py",
          "if not volume.oriented:", "if False:",
          of("jsddpm/slices/test_imported.py", "stack_without_an_affine")),
    Guard("a number that the index cannot hold", "jsddpm/slices/importing/items.py",
          "if not -(2**63) <= number < 2**63:", "if False:",
          of("jsddpm/slices/test_imported.py", "index_cannot_hold")),
    Guard("a run that was killed in its last check", "jsddpm/training/progress.py",
          'if "steps" not in self.provenance or not self.checkpoints:', "if not self.checkpoints:",
          of("jsddpm/training/test_project.py", "killed_in_its_last_check")),
    Guard("a folder that two layouts fit", LAYOUTS, "if len(fitting) > 1:", "if False:",
          of("jsddpm/slices/test_import_layouts.py", "two_layouts_fit")),
    Guard("images and masks without a partner", "jsddpm/slices/importing/pairs.py",
          "if facts.masks and (alone := sorted(set(images) ^ set(masks))):", "if alone := []:",
          of("jsddpm/slices/test_import_layouts.py", "one_wrong_file")),
    Guard("files outside of a table's folder", TABLES, "if not Path(path).resolve().is_relative_to(inside):",
          "if False:", of("jsddpm/slices/test_imported.py", "of_its_own_folder")),
    Guard("control characters on the terminal", "jsddpm/errors.py", "c if c.isprintable() else c.encode(",
          "c if True else c.encode(",
          rows("96-a-path-with-an-escape")),
    Guard("text in a report is no HTML", "reports/jsddpm_reports/document.py", "autoescape=True", "autoescape=False",
          rows("102-")),
)  # fmt: skip
