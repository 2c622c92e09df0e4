"""What ``import jsddpm`` offers: found by completion, typed for mypy, free of torch until it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import jsddpm

ROOT = Path(jsddpm.__file__).parents[1]
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


USER = """
from pathlib import Path
import numpy as np
from jsddpm import Condition, JointPipeline, SliceDataset, SliceStore, ZBinning, load_config, train

binning = ZBinning((24, 93), n_bins=10)
reveal_type(binning.index(24))
reveal_type(train(load_config("demo"), SliceStore("store"), Path("run")))
reveal_type(JointPipeline.from_checkpoint("last.ckpt")([Condition(3, 1), (4, 0)], num_per_condition=2).masks)
SliceDataset("store", binning, split=3)
ZBinning("24", 10)
"""


def test_mypy_sees_the_types_of_public_names(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "user.py")]  # with the cache of `make check`
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    revealed = [line.rsplit("Revealed type is ", 1)[1] for line in found.stdout.splitlines() if "Revealed" in line]
    assert [r.strip('"').replace("builtins.", "") for r in revealed[:2]] == ["int", "pathlib.Path"], found.stdout
    assert "numpy.bool" in revealed[2]
    errors = [line for line in found.stdout.splitlines() if ": error:" in line]
    assert [e.split(":")[1] for e in errors] == ["10", "11"], found.stdout
