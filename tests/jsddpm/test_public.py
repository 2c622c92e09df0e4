"""What ``import jsddpm`` offers: found by completion, free of torch until it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import jsddpm
from conftest import TINY

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


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import jsddpm; dir(jsddpm)", ["torch", "numpy", "pydantic"]),
        ("from jsddpm import ZBinning, Condition, quantize_z_local", ["torch", "numpy", "pydantic"]),
        ("from jsddpm import load_config", ["torch", "diffusers"]),
        ("from jsddpm import SliceStore, read_cohort", ["torch", "lightning"]),
        ("from jsddpm import generate_store, import_slices, export_stores", ["lightning"]),
        ("from jsddpm import SliceDataset", ["lightning", "pytorch_lightning", "diffusers"]),
    ],
)
def test_a_name_imports_no_more_than_it_needs(statement, absent):
    code = f"import sys; {statement}; print(*(name for name in {absent!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
