"""Metrics are found by their files, scores by their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import jsddpm_eval.metrics
from jsddpm.errors import JsddpmError
from jsddpm_eval.metrics.base import Metric
from jsddpm_eval.metrics.feature_distance import KID
from jsddpm_eval.metrics.reconstruction import SPECS as RECONSTRUCTION
from jsddpm_eval.metrics.registry import chosen, metrics
from jsddpm_eval.results.specs import GROUPS


def test_every_file_with_a_metric_is_registered():
    folder = Path(jsddpm_eval.metrics.__file__).parent
    written = {p.stem for p in folder.glob("*.py") if "\nMETRIC = " in p.read_text()}
    assert {type(m).__module__.rpartition(".")[2] for m in metrics().values()} == written
    assert len(metrics()) == len(written)


def test_names_are_unique_and_every_score_is_described():
    specs = [spec for metric in metrics().values() for spec in metric.specs]
    names = [spec.name for spec in specs]
    assert len(set(names)) == len(names)
    for name in set(names) & set(metrics()):  # such a name stands for the whole family
        assert name in {spec.name for spec in metrics()[name].specs}
    for spec in specs:
        assert spec.heading
        assert spec.definition
        assert spec.group in GROUPS
        assert spec.reading or spec.place in ("further", "hidden"), spec.name


def test_every_score_says_what_it_does_not_detect():
    """As nouns that follow a colon; the reconstruction's scores too, which no metric computes."""
    for spec in [*RECONSTRUCTION, *(spec for metric in metrics().values() for spec in metric.specs)]:
        assert spec.blind_to, spec.name
        assert not spec.blind_to.endswith("."), spec.name
        assert spec.help.endswith(f"Not detected: {spec.blind_to}.")


def test_scores_whose_p_value_is_of_another_hypothesis_say_so():
    hypotheses = {s.name: s.hypothesis for m in metrics().values() for s in m.specs if s.hypothesis}
    assert "new patients" in hypotheses["kid"]
    assert "slices of patients" in hypotheses["lesion_contrast"]


def test_metrics_are_chosen_by_family_by_score_and_as_objects():
    every, wanted = chosen(None)
    assert [m.name for m in every] == list(metrics())
    assert wanted == {s.name for m in every for s in m.specs}
    picked, wanted = chosen(["lesion_area", "kid", "fid", metrics()["best_match"]])
    assert [m.name for m in picked] == ["best_match", "feature_distance", "lesion_shape"]
    assert wanted == {"lesion_area", "kid", "fid", *(s.name for s in metrics()["best_match"].specs)}
    with pytest.raises(JsddpmError, match="unknown metric or score 'fids'") as caught:
        chosen(["fids"])
    assert (caught.value.code, caught.value.status) == ("METRIC", 2)
    assert "fid" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "score", "space"),
    [("kid_slice-encoder", "kid", "slice-encoder"), ("mind_ssd_net.pt2", None, None), ("fid_my_net", "fid", "my_net")],
)
def test_a_column_of_a_table_is_refused_with_its_score_and_extractor(name, score, space):
    with pytest.raises(JsddpmError, match="METRIC") as caught:
        chosen([name])
    assert (caught.value.fix == f"ask for {score}, and for the feature extractor {space}") == (score is not None)


def test_one_metric_is_asked_for_alone():
    mine = Mine("mine", "own")
    assert chosen(mine) == chosen([mine]) == ([mine], frozenset({"own"}))


@pytest.mark.parametrize(
    ("asked", "fix"), [([Metric], "Metric\\(\\)"), (Metric, "Metric\\(\\)"), ([3], "or a name"), ([None], "or a name")]
)
def test_what_is_no_metric_is_refused_with_what_to_give(asked, fix):
    with pytest.raises(JsddpmError, match=f"METRIC.*fix: give an instance.*{fix}"):
        chosen(asked)


class Mine(Metric):
    def __init__(self, name, score):
        self.name, self.specs = name, (replace(KID, name=score),)

    def compute(self, cell, context):
        return {}


@pytest.mark.parametrize(
    "asked",
    [
        [Mine("mine", "kid")], [Mine("kid", "mine")], [Mine("best_match", "mine")], ["kid", Mine("mine", "fid")],
        [Mine("mine", "a"), Mine("mine", "b")], [Mine("mine", "a"), Mine("other", "a")],
    ],
)  # fmt: skip
def test_a_metric_with_the_name_of_another_one_or_of_its_score_is_refused(asked):
    with pytest.raises(JsddpmError, match="has the name of another metric or score") as caught:
        chosen(asked)
    assert (caught.value.code, caught.value.status) == ("METRIC", 2)
    mine = Mine("mine", "own")
    assert chosen([mine, mine, "kid"])[1] == {"own", "kid"}
