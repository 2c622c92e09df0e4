"""What another installed package registers is found by its name; what it breaks is named."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

import pytest

from jsddpm.errors import JsddpmError
from jsddpm_eval import evaluate
from jsddpm_eval.features.registry import make_extractors
from jsddpm_eval.metrics.registry import metrics
from metric_tester import generated_arrays, real_table, table

MODULE = """
import torch

from jsddpm_eval import Extractor, Metric, Score, ScoreSpec


class Brightness(Metric):
    name = "brightness"
    specs = (
        ScoreSpec(name="brightness_difference", heading="brightness", group="tone", definition="difference of means"),
    )
    needs = frozenset({"pixels"})

    def compute(self, cell, context):
        if not len(cell.real) or not len(cell.generated):
            return self.undefined(cell, context, "nothing to compare")
        value = float(cell.generated.images.mean() - cell.real.images.mean())
        return {"brightness_difference": Score.of(value, cell.counts)}


METRIC = Brightness()


def make(real, *, seed, folder=None):
    return Extractor("rows", lambda images: images.mean(2).double(), {"rows": "means"})
"""

SCRIPT = """
import importlib
import json
import metric_tester as tester
from brief import brief_training
from jsddpm_eval import evaluate
from jsddpm_eval.features.registry import extractor_names
from jsddpm_eval.metrics.registry import metrics

real, generated = tester.real_table(), tester.table(tester.generated_arrays())
for case in tester.CASES:
    tester.exercise(metrics()["brightness"], case)
by_name = evaluate(real, generated, metrics=["brightness", "kid"], features=["rows"])
with brief_training():
    every = evaluate(real, generated, metrics=[m for m in metrics() if m != "position"], features=["rows"])
expected = float(generated.images.mean() - real.images.mean())
print(json.dumps({
    "names": extractor_names(), "metrics": list(metrics()), "spaces": every.spaces(),
    "value": by_name["brightness_difference"].value - expected, "kid": by_name["kid_rows"].value is not None,
    "specs": [s.name for s in every.specs][-1], "row": "brightness_difference" in set(every.to_frame().score),
    "page": "brightness_difference" in evaluate(real, generated, metrics=["brightness"], features=[])._repr_html_(),
}))
"""


def installed(tmp_path, entries, module=MODULE):
    """A package on the path of another process, as pip leaves one."""
    (tmp_path / "other_package.py").write_text(module)
    info = tmp_path / "other_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}


def run(script, env):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)


@pytest.mark.long
def test_a_metric_and_an_extractor_of_another_package_are_found_by_name(tmp_path):
    env = installed(
        tmp_path,
        "[jsddpm.metrics]\nbrightness = other_package:METRIC\n[jsddpm.extractors]\nrows = other_package:make\n",
    )
    done = run(SCRIPT, env)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["names"] == ["radiomics", "slice-encoder", "rows"]
    assert "brightness" in found["metrics"]
    assert found["spaces"] == ["rows"]
    assert abs(found["value"]) < 1e-9
    assert found["kid"]
    assert found["row"]
    assert found["page"]
    assert found["specs"] == "brightness_difference"  # a group of its own comes last


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A package on the path of this process."""

    def install(entries, module=MODULE):
        installed(tmp_path, entries, module)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "other_package", raising=False)

    yield install
    sys.modules.pop("other_package", None)


@pytest.mark.parametrize(
    ("entry", "module"),
    [("other_package:METRIC", "raise RuntimeError('no licence')"), ("other_package:MISSING", MODULE),
     ("other_package:Brightness", MODULE)],
)  # fmt: skip
def test_a_metric_that_cannot_be_loaded_is_named(here, entry, module):
    here(f"[jsddpm.metrics]\nbrightness = {entry}\n", module)
    with pytest.raises(JsddpmError, match=entry) as caught:
        metrics.__wrapped__()  # without the memory of what was there before
    assert (caught.value.code, caught.value.status) == ("PLUGIN", 5)


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [('name = "brightness"', 'name = "obedience"', "obedience"), ('name="brightness_difference"', 'name="kid"', "kid"),
     ('name = "brightness"', 'name = "kid"', "kid")],
)  # fmt: skip
def test_a_metric_named_like_a_built_in_metric_or_score_is_refused(here, before, after, taken):
    assert before in MODULE
    here("[jsddpm.metrics]\nbrightness = other_package:METRIC\n", MODULE.replace(before, after))
    with pytest.raises(JsddpmError, match=f"other_package:METRIC has the name of .*: {taken}; fix: rename") as caught:
        metrics.__wrapped__()
    assert (caught.value.code, caught.value.status) == ("PLUGIN", 5)


@pytest.mark.parametrize(
    ("entry", "why"),
    [("MISSING", "cannot be loaded"), ("METRIC", "is a Brightness"), ("ROWS", "is an Extractor, no function"),
     ("dict", "fails to make an extractor"), ("number", "gave int instead of an Extractor")],
)  # fmt: skip
def test_an_extractor_that_cannot_be_made_is_named(here, entry, why):
    more = "\nROWS = make(None, seed=0)\n\ndef dict(real):\n    pass\n\ndef number(real, **settings):\n    return 3\n"
    here(f"[jsddpm.extractors]\nrows = other_package:{entry}\n", MODULE + more)
    with pytest.raises(JsddpmError, match=f"other_package:{entry} {why}") as caught:
        make_extractors(["rows"], real_table(), seed=0)
    assert (caught.value.code, caught.value.status) == ("PLUGIN", 5)


def test_an_extractor_named_like_a_built_in_one_is_refused(here):
    here("[jsddpm.extractors]\nradiomics = other_package:make\n")
    expected = "other_package:make has the name of another extractor: radiomics; fix: rename"
    with pytest.raises(JsddpmError, match=expected) as caught:
        make_extractors(["radiomics"], real_table(), seed=0)
    assert (caught.value.code, caught.value.status) == ("PLUGIN", 5)


@pytest.mark.parametrize("returned", ["{}", '{"brightness_difference": value}'], ids=["nothing", "a plain number"])
def test_a_metric_that_returns_no_score_is_named(here, returned):
    here("", MODULE.replace('{"brightness_difference": Score.of(value, cell.counts)}', returned))
    metric = importlib.import_module("other_package").METRIC
    with pytest.raises(JsddpmError, match=r"brightness returned no Score for brightness_difference") as caught:
        evaluate(real_table(), table(generated_arrays()), metrics=[metric], features=[])
    assert (caught.value.code, caught.value.status) == ("PLUGIN", 5)


def test_a_metric_that_returns_nan_is_named_with_the_condition(here):
    here("", MODULE.replace("Score.of(value, cell.counts)", 'Score.of(float("nan"), cell.counts)'))
    metric = importlib.import_module("other_package").METRIC
    expected = "the metric brightness made no valid score of all bins (control )?.*NaN.*Score.undefined"
    with pytest.raises(JsddpmError, match=expected) as caught:
        evaluate(real_table(), table(generated_arrays()), metrics=[metric], features=[])
    assert (caught.value.code, caught.value.status) == ("PLUGIN", 5)
