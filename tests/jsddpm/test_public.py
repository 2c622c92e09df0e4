"""What ``import jsddpm`` offers: found by completion, free of torch until it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import jsddpm

PUBLIC = {
    "Condition", "JointPipeline", "JsddpmError", "SliceDataset", "SliceStore", "ZBinning", "build_slice_cache",
    "compute_class_token", "load_config", "quantize_z_global", "quantize_z_local", "train",
}  # fmt: skip


def test_public_names_are_listed_and_there():
    assert set(dir(jsddpm)) == set(jsddpm.__all__) == PUBLIC | {"__version__"}
    assert all(callable(getattr(jsddpm, name)) for name in PUBLIC)
    assert jsddpm.__version__ == version("jsddpm")
    with pytest.raises(AttributeError, match="nothing"):
        _ = jsddpm.nothing


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import jsddpm; dir(jsddpm)", ["torch", "numpy", "pydantic"]),
        ("from jsddpm import ZBinning, Condition, quantize_z_local", ["torch", "numpy", "pydantic"]),
        ("from jsddpm import load_config", ["torch", "diffusers"]),
        ("from jsddpm import SliceStore", ["torch", "lightning"]),
        ("from jsddpm import SliceDataset", ["lightning", "pytorch_lightning", "diffusers"]),
    ],
)
def test_a_name_imports_no_more_than_it_needs(statement, absent):
    code = f"import sys; {statement}; print(*(name for name in {absent!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
