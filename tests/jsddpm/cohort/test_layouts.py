"""A layout is one file: declared there, it is found by name, by the look of a source, and by the commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jsddpm.cohort import layouts as package
from jsddpm.cohort.layouts import layouts
from jsddpm.cohort.sources import read_cohort
from jsddpm.errors import ExitStatus, JsddpmError

ROOT = Path(__file__).parents[3]
FLAT = """
from jsddpm.cohort.layouts import Layout

def _read(source, report, selection):
    for image in sorted(source.glob("*_image.nii.gz")):
        report.add(image.name.split("_")[0], image, None, control=True)

LAYOUT = Layout("flat", "NAME_image.nii.gz side by side", lambda source: any(source.glob("*_image.nii.gz")), _read, 5)
"""


@pytest.fixture
def flat(tmp_path, monkeypatch):
    """A folder with the file of a new layout, seen by the package, and a source of that layout."""
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / "flat.py").write_text(FLAT)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a_image.nii.gz").touch()
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "added")])
    layouts.cache_clear()
    yield tmp_path
    sys.modules.pop(f"{package.__name__}.flat", None)
    layouts.cache_clear()


@pytest.mark.parametrize("name", ["auto", "flat"])
def test_a_new_file_is_a_new_layout(flat, name):
    cohort = read_cohort(flat / "source", layout=name)
    assert (cohort.layout, [r.patient for r in cohort.records]) == ("flat", ["a"])


def test_a_new_file_is_known_to_the_commands(flat):
    code = (
        f"from jsddpm.cohort import layouts\nlayouts.__path__.append({str(flat / 'added')!r})\n"
        f"import sys\nsys.argv = ['jsddpm', 'cohort', 'scan', {str(flat / 'source')!r}, '--layout', 'flat']\n"
        "from jsddpm_cli.app import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "layout flat: 0 images of patients, 1 of controls" in done.stdout
    shown = subprocess.run(
        [sys.executable, "-c", code.replace("'--layout', 'flat'", "'--help'")],
        capture_output=True, text=True, timeout=120, check=True, env=os.environ | {"COLUMNS": "400"},
    ).stdout  # fmt: skip
    assert "NAME_image.nii.gz side by side" in shown


@pytest.mark.parametrize("layout", layouts().values(), ids=lambda layout: layout.name)
def test_every_layout_is_documented_and_refuses_what_is_not_its_own(tmp_path, layout):
    assert f"\n| `{layout.name}`" in (ROOT / "docs" / "how-to" / "own-cohort.md").read_text()
    assert layout.help in (ROOT / "docs" / "reference" / "cli.md").read_text()
    with pytest.raises(JsddpmError, match=f"LAYOUT.*does not have the layout {layout.name}") as caught:
        read_cohort(tmp_path, layout=layout.name)
    assert caught.value.status is ExitStatus.USAGE


def test_unknown_layouts_are_refused_with_the_known_ones(tmp_path):
    with pytest.raises(JsddpmError, match=r"LAYOUT.*unknown layout 'dicom'.*one of auto, .*nnunet, .*bids, .*manifest"):
        read_cohort(tmp_path, layout="dicom")
