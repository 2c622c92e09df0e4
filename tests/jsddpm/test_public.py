"""What ``import jsddpm`` offers: found by completion, free of torch until it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import jsddpm
from conftest import TINY
from jsddpm.training.progress import last_checkpoint

PUBLIC = {
    "Condition", "JointPipeline", "JsddpmError", "Preprocessing", "SliceDataset", "SliceStore", "ZBinning",
    "build_slice_cache", "compute_class_token", "export_checkpoint", "export_stores", "generate_store", "import_slices",
    "load_config", "quantize_z_global", "quantize_z_local", "read_cohort", "train",
}  # fmt: skip


def test_public_names_are_listed_and_there():
    assert set(dir(jsddpm)) == set(jsddpm.__all__) == PUBLIC | {"__version__"}
    assert all(callable(getattr(jsddpm, name)) for name in PUBLIC)
    assert jsddpm.__version__ == version("jsddpm")
    with pytest.raises(AttributeError, match="nothing"):
        _ = jsddpm.nothing


def test_the_public_names_lead_from_a_cohort_to_samples(bids, tmp_path):
    """Without geometry, slices have the 160 x 160 pixels that the command line documents."""
    cohort = jsddpm.read_cohort(bids)
    jsddpm.build_slice_cache(cohort.records, tmp_path / "default")
    assert jsddpm.SliceStore(tmp_path / "default").size == (160, 160)
    small = jsddpm.Preprocessing(shape=(24, 32, 28), spacing=(3, 3, 3))
    jsddpm.build_slice_cache(cohort.records, tmp_path / "store", spec=small)
    settings = [*TINY, "binning.z_range=[6,21]", "binning.n_bins=2", "trainer.max_steps=2", "logging.grid=0"]
    last = jsddpm.train(jsddpm.load_config("demo", settings), tmp_path / "store", tmp_path / "run")
    pipe = jsddpm.JointPipeline.from_checkpoint(jsddpm.export_checkpoint(last, tmp_path / "model"))
    jsddpm.generate_store(pipe, tmp_path / "samples")
    assert jsddpm.SliceStore(tmp_path / "samples").size == (32, 24)


LADDER = {
    "import jsddpm; dir(jsddpm)": {"torch", "numpy", "pydantic"},
    "from jsddpm import ZBinning, Condition, quantize_z_local": {"torch", "numpy", "pydantic"},
    "from jsddpm import load_config": {"torch", "diffusers"},
    "from jsddpm import SliceStore, read_cohort": {"torch", "lightning"},
    "from jsddpm import SliceDataset": {"lightning", "pytorch_lightning", "diffusers"},
    "from jsddpm import generate_store, import_slices, export_stores": {"lightning", "pytorch_lightning"},
    "from jsddpm import JointPipeline; JointPipeline.from_checkpoint(sys.argv[1])": {"lightning", "pytorch_lightning"},
}
"""What users write, and what it must not import; each step forbids no more than the one before it."""


@pytest.fixture(scope="module")
def imported(run):
    """What of the heavy packages is there after each step, in one process."""
    heavy = sorted(set().union(*LADDER.values()))
    steps = "".join(f"{step}\nprint(*(name for name in {heavy} if name in sys.modules))\n" for step in LADDER)
    command = [sys.executable, "-c", f"import sys\n{steps}", last_checkpoint(run)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(zip(LADDER, (set(line.split()) for line in found.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("statement", LADDER)
def test_a_name_imports_no_more_than_it_needs(statement, imported):
    assert not imported[statement] & LADDER[statement]


def test_what_is_imported_is_seen(imported):
    """From the fourth step on there is NumPy, and from the fifth PyTorch."""
    numpy, torch = ([name in found for found in imported.values()] for name in ("numpy", "torch"))
    assert (numpy[3:], torch[4:]) == ([True] * 4, [True] * 3)
