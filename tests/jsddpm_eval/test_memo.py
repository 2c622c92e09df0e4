"""What is computed once: in memory for the next evaluation, in a folder for the next process, or damaged there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from brief import brief_training
from jsddpm.errors import JsddpmError
from jsddpm_eval import functions, memo
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.functional.morphology import SHAPE
from jsddpm_eval.memo import Memo, digest
from jsddpm_eval.metrics.base import Metric
from jsddpm_eval.results.score import Baseline, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from metric_tester import generated_arrays, real_arrays, table

pytestmark = pytest.mark.usefixtures("brief_networks")

WITH_GENERATED = {
    "precision", "recall", "density", "coverage", "fid", "fid_joint", "lesion_mmd",
    *(f"lesion_{name}" for name in SHAPE), "z_error_bins", "z_error_slices", "z_error_mm",
    "z_offset_bins", "z_pull_bins",
}  # fmt: skip
"""Their baselines exchange real with generated slices, or weigh real slices like the generated ones."""


def counted(slices):
    """A table whose memo counts what it has to compute."""
    computed, values = [], slices.memo.values

    def counting(key, compute):
        return values(key, lambda: (computed.append(key[0]), compute())[1])

    slices.memo.values = counting
    return slices, computed


def counting_extractor():
    calls = []

    def extract(images):
        calls.append(len(images))
        return images.mean(2).double()

    return Extractor("means", extract, {}, standardize=True), calls


def test_a_second_evaluation_computes_nothing_of_the_real_slices_anew():
    real, computed = counted(table(real_arrays()))
    extractor, calls = counting_extractor()
    first = evaluate(real, table(generated_arrays()), features=[extractor])
    assert len(computed) > 30
    assert {"kid", "best_match", "vendi", "copies", "log nearest_other", "z read"} <= set(computed)
    assert calls == [24, 16]
    computed.clear()
    second = evaluate(real, table(generated_arrays(seed=9)), features=[extractor])
    assert computed == []
    assert calls == [24, 16, 16]
    for a, b in zip(first.generation, second.generation, strict=True):
        for name, score in a.scores.items():
            both = score.status != "undefined" and b.scores[name].status != "undefined"
            assert not both or score.baseline == b.scores[name].baseline or score.spec in WITH_GENERATED, name
    fresh = evaluate(table(real_arrays()), table(generated_arrays(seed=9)), features=[extractor])
    assert fresh.generation == second.generation


def test_baselines_of_other_counts_seeds_and_spaces_are_other_ones():
    real, computed = counted(table(real_arrays()))
    extractor, _ = counting_extractor()
    other = Extractor("means", extractor.extract, {"version": 2})
    made = table(generated_arrays())
    for settings in ({}, {"seed": 1}, {"features": [other]}):
        computed.clear()
        evaluate(real, made, **({"metrics": ["kid"], "features": [extractor]} | settings))
        assert computed, settings
    computed.clear()
    evaluate(real, table(generated_arrays(5)), metrics=["kid"], features=[extractor])
    assert computed
    computed.clear()
    evaluate(real, table(generated_arrays(5)), metrics=["kid"], features=[extractor])
    assert computed == []


ANOTHER_PROCESS = """
import sys, json
from metric_tester import generated_arrays, real_arrays, table
from brief import brief_training
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features import networks
real = table(real_arrays())
computed, values = [], real.memo.values
real.memo.values = lambda key, compute: values(key, lambda: (computed.append(str(key[0])), compute())[1])
trained, fit = [], networks.fit
networks.fit = lambda *a, **k: (trained.append(1), fit(*a, **k))[1]
with brief_training():
    results = evaluate(real, table(generated_arrays()), metrics=["kid", "position", "best_match"], cache=sys.argv[1])
print(json.dumps([computed, len(trained), results.model_dump(mode="json")["generation"]]))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder that one evaluation of this process left, and its results."""
    folder = tmp_path_factory.mktemp("shared") / "cache"
    metrics = ["kid", "position", "best_match"]
    with brief_training():
        results = evaluate(table(real_arrays()), table(generated_arrays()), metrics=metrics, cache=folder)
    return folder, results


@pytest.mark.long
def test_another_process_reads_what_was_computed(cache):
    folder, results = cache
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS, str(folder)], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    computed, trained, generation = json.loads(done.stdout)
    assert (computed, trained) == ([], 0)
    assert generation == results.model_dump(mode="json")["generation"]
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before


DAMAGE = {
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "something else": lambda data: b"no arrays here",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize(
    ("pattern", "code"),
    [("baselines-*.npz", "BASELINES"), ("radiomics-*.npy", "FEATURES"), ("z-regressor-*.npz", "NETWORK"),
     ("slice-encoder-????????????????????????.npz", "NETWORK")],
)  # fmt: skip
def test_a_damaged_file_is_named_with_its_cure(cache, tmp_path, pattern, code, damage):
    for path in cache[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    paths = list(tmp_path.glob(pattern))
    assert paths
    for path in paths:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(JsddpmError) as caught:
        evaluate(
            table(real_arrays()), table(generated_arrays()), metrics=["kid", "position", "best_match"], cache=tmp_path
        )
    assert (caught.value.code, caught.value.status, caught.value.fix) == (code, 4, "remove it")
    assert caught.value.file in {str(p) for p in paths}


def test_a_table_of_another_length_is_refused(tmp_path):
    kept = Memo(lambda: "pixels", lambda: "labels")
    kept.keep_in(tmp_path)
    assert kept.table("x", ("key",), 2, lambda: torch.zeros(2, 3)).shape == (2, 3)
    with pytest.raises(JsddpmError, match="FEATURES"):
        kept.table("x", ("key",), 3, lambda: torch.zeros(3, 3))


def test_kept_tables_are_found_by_content(tmp_path):
    """A changed pixel, other settings of the extractor or other weights make another table."""
    arrays = real_arrays()
    changed = arrays["images"].clone()
    changed[4, 3, 2] = 0.25
    calls = []

    def extract(images):
        calls.append(len(images))
        return images.flatten(1).double()

    def use(images, **settings):
        slices = SliceTable.from_arrays(
            images, z_bin=arrays["z_bin"], pathology=arrays["pathology"], patient=arrays["patient"]
        )
        extractor = Extractor("x", extract, settings.pop("preprocessing", {"a": 1}), identified=True, **settings)
        slices.memo.keep_in(tmp_path)
        return FeatureSpace(extractor, slices).of(slices)

    assert torch.equal(use(arrays["images"]), use(arrays["images"]))
    assert calls == [24]
    use(changed)
    use(arrays["images"], preprocessing={"a": 2})
    use(arrays["images"], weights="w")
    assert len(calls) == len(list(tmp_path.iterdir())) == 4


def test_another_function_of_the_same_description_has_features_of_its_own(tmp_path):
    """In memory by the function itself; in a folder nothing is kept, because another process cannot tell them apart."""
    real, made = table(real_arrays()), table(generated_arrays())
    functions = (lambda x: x.mean((1, 2))[:, None].double(), lambda x: x.std((1, 2))[:, None].double())

    def kid(function, *tables, **settings):
        extractor = Extractor("q", function, {})
        return evaluate(*tables, metrics=["kid"], features=[extractor], **settings).pooled["kid_q"]

    fresh = [kid(f, table(real_arrays()), table(generated_arrays())) for f in functions]
    assert fresh[0].value != fresh[1].value
    assert [kid(f, real, made) for f in functions] == fresh
    assert [kid(f, real, made, cache=tmp_path) for f in functions] == fresh
    assert [kid(f, table(real_arrays()), table(generated_arrays()), cache=tmp_path) for f in functions] == fresh
    assert not list(tmp_path.glob("q-*"))


OWN = ScoreSpec(
    name="own", heading="own", group="place", definition="mean of the column, and the baseline", blind_to="all",
    better="lower", scope="pooled",
)  # fmt: skip


def own_metric(number, version=None, key="own"):
    """A metric whose score and baseline are one number, which stands for its code."""

    class Own(Metric):
        name, specs = "own", (OWN,)

        def compute(self, cell, context):
            def column(batch):
                return torch.full((len(batch),), float(number), dtype=torch.float64)

            values = cell.generated.column(key, column, version=version)
            expected = context.baseline(cell, "own", compute=lambda: [float(number)], version=version)
            return {"own": Score.of(float(values.mean()), cell.counts, baseline=Baseline(float(expected[0])))}

    return Own()


@pytest.mark.parametrize("folder", [True, False], ids=["folder", "memory"])
def test_a_metric_of_another_package_that_changes_has_new_values(tmp_path, folder):
    """Without a version nothing of it is kept; with one it is kept under the version."""
    settings = {"features": []} | ({"cache": tmp_path} if folder else {})
    real, made = table(real_arrays()), table(generated_arrays())

    def values(*asked):
        tables = (table(real_arrays()), table(generated_arrays())) if folder else (real, made)
        score = evaluate(*tables, metrics=[own_metric(*asked)], **settings).pooled["own"]
        return score.value, score.baseline

    assert [values(1), values(2)] == [(1, 1), (2, 2)]
    assert not list(tmp_path.glob("own-*"))
    assert [values(3, "a"), values(4, "a"), values(4, "b")] == [(3, 3), (3, 3), (4, 4)]
    assert len(list(tmp_path.glob("own-*"))) == 2 * folder


def test_columns_of_one_name_are_of_their_functions():
    """``small and mirrored`` is a column of nearest_other, whose values are images."""
    made = table(generated_arrays())
    metrics = ["nearest_other", own_metric(3, key="small and mirrored")]
    assert evaluate(table(real_arrays()), made, metrics=metrics, features=[]).pooled["own"].value == 3


def test_a_column_is_computed_once_for_all_conditions():
    """The function is made anew in every condition, and is the same as long as its variables are."""
    made, seen = table(generated_arrays()), []

    def each(extra):
        return made.where([0]).column("once", lambda batch: (seen.append(extra), batch.z_bin.double())[1])

    for extra in (1, 1, 2, "a", "a"):
        each(extra)
    assert seen == [1, 2, "a"]


def test_values_of_another_source_of_the_package_are_computed_anew(tmp_path, monkeypatch):
    """As after an update: columns and baselines of its functions do not outlast a change of its code."""
    for source in ("one", "one", "two"):
        for module in (functions, memo):
            monkeypatch.setattr(module, "code", lambda source=source: source)
        evaluate(
            table(real_arrays()), table(generated_arrays()), metrics=["nearest_other"], features=[], cache=tmp_path
        )
    assert [len(list(tmp_path.glob(p))) for p in ("baselines-*.npz", "small*-*.npy")] == [2, 2]


def test_the_digest_of_the_code_changes_with_every_file(tmp_path, monkeypatch):
    for name in ("a.py", "b/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1")
    monkeypatch.setattr(functions, "__file__", str(tmp_path / "a.py"))
    digests = [functions.code.__wrapped__()]
    (tmp_path / "b" / "c.py").write_text("x = 2")
    digests.append(functions.code.__wrapped__())
    monkeypatch.setattr(functions, "__version__", "0")
    assert len({*digests, functions.code.__wrapped__()}) == 3


def test_without_a_cache_nothing_is_written_into_an_earlier_one(tmp_path):
    real, made = table(real_arrays()), table(generated_arrays())
    evaluate(real, made, metrics=["best_match"], features=[], cache=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    evaluate(real, made, metrics=["kid", "manifold"], features=["radiomics"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_baselines_are_bound_to_labels_and_pixels(tmp_path):
    arrays = real_arrays()
    patients, held = torch.arange(24) % 5, arrays["patient"] == 0
    others = {"patient": patients, "held_out": patients == 0}
    for changed in ({}, others, {"held_out": held}, {"images": arrays["images"] / 2}):
        evaluate(
            table(arrays | changed), table(generated_arrays()), metrics=["best_match"], features=[], cache=tmp_path
        )
    assert len(list(tmp_path.glob("baselines-*.npz"))) == 4


def test_a_digest_changes_with_every_value_shape_and_type():
    parts = [
        (1,), (1.0,), ("1",), (None,), (1, 2), ((1, 2),), ("1;2",), (torch.arange(4),), (np.arange(4),),
        (torch.arange(4).reshape(2, 2),), (torch.arange(4, dtype=torch.int32),), (torch.arange(4) + 1,), (),
    ]  # fmt: skip
    hashes = [digest(*p) for p in parts]
    assert len(set(hashes)) == len(parts) - 1  # a tensor and an array of the same content are the same
    assert digest(torch.arange(4).reshape(2, 2).T) == digest(np.array([[0, 2], [1, 3]]))


@pytest.mark.parametrize("folder", ["", 5, ["a"]])
def test_a_folder_that_is_no_path_is_refused(folder, tmp_path, monkeypatch):
    """An empty name was the working folder."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JsddpmError, match=r"OPTION.*is no path"):
        SliceTable.from_arrays(None, z_bin=[0], pathology=[0]).memo.keep_in(folder)
    assert list(tmp_path.iterdir()) == []
