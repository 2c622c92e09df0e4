"""Results: strict JSON, a tidy table, scores by name, a page and a chart for a notebook."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
import torch
from matplotlib import pyplot
from matplotlib.figure import Figure

from jsddpm.errors import JsddpmError
from jsddpm_eval.bins.utilization import bin_utilization
from jsddpm_eval.checks.verdict import with_findings
from jsddpm_eval.metrics.feature_distance import KID
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Counts, Score
from jsddpm_eval.results.specs import CheckSpec, Finding, ScoreSpec
from jsddpm_eval.stats.intervals import mean_spread
from synthetic import BINNING

NAMES = ScoreSpec(name="a", heading="A", group="closeness", definition="", place="compact")


def results(cells, **more):
    return Results(
        binning=BINNING.to_dict(), provenance={}, utilization=bin_utilization((5, 34), 5, 40), generation=cells, **more
    )


@pytest.fixture
def kids():
    """Two bins of a KID in two feature spaces, one of them undefined; pooled as well."""

    def cell(value, **where):
        scores = {
            f"kid_{space}": Score(value=v, interval=(v - 1, v + 1), baseline=1.0).placed(KID, space)
            if v is not None
            else Score.undefined("too few <b>").placed(KID, space)
            for space, v in (("x", value), ("y", 9.0))
        }
        return Cell(scores=scores, **where)

    where = [{"z_bin": k, "pathology": p} for k in range(5) for p in (0, 1)]
    return results([cell(0.5), *(cell(None if w == where[3] else 2.0 + w["z_bin"], **w) for w in where)], specs=(KID,))


def test_results_are_strict_json_and_come_back(tmp_path):
    whole = results(
        [Cell(z_bin=0, pathology=1, scores={"a": Score(value=1.5, interval=(1, 2)), "b": Score.undefined("why")})],
        specs=(NAMES,),
    )
    whole.write(tmp_path / "r.json")
    json.loads((tmp_path / "r.json").read_text(), parse_constant=pytest.fail)
    assert Results.read(tmp_path / "r.json") == whole
    assert whole.undefined() == ["bin 0 lesion: b (why)"]
    rows = list(whole.rows())
    assert [(r["score"], r["value"], r["reason"], r["z_first"], r["z_last"]) for r in rows] == [
        ("a", 1.5, None, 5, 10), ("b", None, "why", 5, 10),
    ]  # fmt: skip
    assert (rows[0]["interval_low"], rows[0]["interval_high"], rows[0]["pathology"]) == (1, 2, "lesion")
    (tmp_path / "r.json").write_text('{"version": 2}')
    with pytest.raises(JsddpmError, match="RESULTS") as caught:
        Results.read(tmp_path / "r.json")
    assert caught.value.status == 4


def test_results_replace_results_alone(tmp_path):
    whole, file = results([]), tmp_path / "data.json"
    for content in ('{"mine": 1}', "not JSON", ""):
        file.write_text(content)
        with pytest.raises(JsddpmError, match="EXISTS"):
            whole.write(file)
        assert [p.name for p in tmp_path.iterdir()] == ["data.json"]
        assert file.read_text() == content
    file.unlink()
    whole.write(file)
    whole.write(file)
    assert Results.read(file) == whole
    (tmp_path / "other.influence.json").write_text('{"mine": 1}')
    with pytest.raises(JsddpmError, match=r"EXISTS.*") as caught:
        whole.write(tmp_path / "other.json")
    assert Path(caught.value.file) == tmp_path / "other.influence.json"
    with pytest.raises(JsddpmError, match=r"OPTION.*\.json"):
        whole.write(tmp_path / "results.csv")
    assert not (tmp_path / "other.json").exists()


def test_influences_travel_beside_the_results_and_only_with_them(tmp_path):
    values = [[1.0, 2, 3, 4.5], [5.0, 6, 7, 9]]
    scores = [
        Score.of(sum(v) / 4, Counts(), mean_spread(torch.tensor(v), torch.arange(4).numpy().astype(str)))
        for v in values
    ]
    whole = results([]).model_copy(
        update={"reconstruction": tuple(Cell(z_bin=k, scores={"psnr": s}) for k, s in enumerate(scores))}
    )
    whole.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == whole
    assert whole.has_influences
    assert "influence" not in (tmp_path / "results.json").read_text()
    (tmp_path / "results.json").write_text((tmp_path / "results.json").read_text() + "\n")
    with pytest.raises(JsddpmError, match=r"RESULTS.*SHA256SUMS"):
        Results.read(tmp_path / "results.json")
    (tmp_path / "SHA256SUMS").unlink()  # as of results that were copied alone
    assert not Results.read(tmp_path / "results.json").has_influences


def test_a_score_is_found_by_spec_or_full_name_and_by_condition(kids):
    assert kids["kid"].value == kids["kid_x"].value == 0.5
    assert kids["kid_y"].value == 9
    assert kids["kid", 3, "lesion"] == kids["kid_x", 3, 1] == kids.score("kid", 3, "lesion")
    assert kids["kid", 3, "lesion"].value == 5
    assert kids["kid", 1, "lesion"].value is None
    assert kids.spaces() == ["x", "y"]
    assert kids["kid", 3, " Lesion"] == kids["kid", 3, "1"] == kids["kid", 3, 1]
    for key, code, message in (
        (("kid", 9, 0), "SCORE", "a bin from 0 to 4"),
        ("fid", "SCORE", "one of kid_x, kid_y"),
        (("kid", 1, "tumour"), "PATHOLOGY", "'tumour' is unknown"),
    ):
        with pytest.raises(JsddpmError, match=message) as caught:
            kids[key]
        assert (caught.value.code, caught.value.status) == (code, 2)


def test_a_score_that_a_condition_lacks_is_refused_with_the_conditions_that_have_it(kids):
    """A cell of a bin with both pathologies has few scores, or none."""
    more = kids.model_copy(update={"generation": (*kids.generation, Cell(z_bin=1, scores={}))})
    with pytest.raises(JsddpmError, match=r"bin 1 has no score 'kid'") as caught:
        more["kid", 1]
    assert caught.value.fix == (
        "use a condition with this score: all bins; bin 0 control; bin 0 lesion; bin 1 control; bin 1 lesion; "
        "bin 2 control and 5 more"
    )
    with pytest.raises(JsddpmError, match="fix: use one of kid_x, kid_y"):
        more["fid", 1]


def test_the_frame_is_tidy(kids):
    frame = kids.to_frame()
    assert len(frame) == 22
    one = frame[(frame.score == "kid_x") & (frame.z_bin == 3) & (frame.pathology == "lesion")]
    assert one.value.tolist() == [5]
    assert set(frame.spec) == {"kid"}
    assert set(frame.space) == {"x", "y"}


def test_printing_results_takes_one_line(kids):
    said = "<Results of 10 conditions, 22 scores: kid_x 0.5, kid_y 9; 0 sentences of verdict>"
    assert str(kids) == repr(kids) == said


def test_the_page_of_a_notebook_is_inert_and_says_the_verdict(kids):
    page = with_findings(kids)._repr_html_()
    assert "<b>" not in page
    assert "too few &lt;b&gt;" in page
    assert "<p>None of 1 check is off, none is fine, 1 is unknown.</p>" in page
    assert page.count("<tr>") == 11 + 2  # the conditions, the one check, and both headings
    assert "<td>bin 3 lesion</td>" in page


def test_an_answer_of_a_condition_is_that_of_all_checks_asked_of_it():
    checks = [CheckSpec(name=n, heading=n, question=n, rule="", pathology=1 if n == "c" else None) for n in "abc"]
    given = {
        "a": {(0, 0): "fine", (0, 1): "fine", (1, 0): "fine", (1, 1): "fine", (2, 0): "unknown"},
        "b": {(0, 0): "fine", (0, 1): "fine", (1, 0): "off", (1, 1): "fine", (2, 0): "fine", (None, None): "off"},
        "c": {(0, 1): "fine", (None, 1): "off", (1, None): "off"},
    }
    findings = [
        Finding(check=n, answer=answer, z_bin=k, pathology=p, score="s")
        for n, parts in given.items()
        for (k, p), answer in parts.items()
    ]
    whole = results([], checks=checks, findings=findings)
    # of bin 1 lesion the check c was not made; what is said of the whole is none of a condition's
    assert whole.answers() == {(0, 0): "fine", (0, 1): "fine", (1, 0): "off", (1, 1): "unknown", (2, 0): "unknown"}
    assert {name: f.place for name, f in whole.whole().items()} == {"b": (None, None), "c": (None, 1)}
    assert whole.counts("b") == {"off": 1, "fine": 4, "unknown": 0}


def test_undefined_scores_are_those_of_the_specs_asked_for(kids):
    assert kids.undefined() == kids.undefined({"kid"}) == ["bin 1 lesion: kid_x (too few <b>)"]
    assert kids.undefined("kid_x") == kids.undefined(["kid_x", "kid_y"]) == kids.undefined()
    assert kids.undefined("kid_y") == []
    for unknown in ("fid", ["kid", "k"]):
        with pytest.raises(JsddpmError, match=r"SCORE.*use one of kid, kid_x, kid_y"):
            kids.undefined(unknown)


def test_the_chart_shows_values_intervals_and_baselines(kids):
    axes = kids.plot("kid")
    control, lesion = axes.lines
    assert list(control.get_xdata()) == [0, 1, 2, 3, 4]
    assert list(lesion.get_xdata()) == [0, 2, 3, 4]  # bin 1 is undefined
    assert list(lesion.get_ydata()) == [2, 4, 5, 6]
    spans = [c.get_segments()[0].tolist() for c in axes.collections]
    assert [[0.0, 1.0], [0.0, 3.0]] in spans  # the interval of bin 0
    assert [[-0.3, 1.0], [0.3, 1.0]] in spans  # its baseline
    assert axes.get_ylabel() == "kid"
    assert axes.figure.number in pyplot.get_fignums()  # a notebook shows the figures that pyplot knows
    pyplot.close(axes.figure)
    with pytest.raises(JsddpmError, match="SCORE"):
        kids.plot("fid")
    assert not pyplot.get_fignums()


def test_a_chart_of_what_no_bin_has_is_refused(kids):
    pooled = Cell(scores={"total": Score(value=1.0)})
    alone = results([]).model_copy(update={"reconstruction": (Cell(timestep=5, scores={"psnr": Score(value=30.0)}),)})
    for whole, name, message in (
        (alone, None, "evaluate generated slices"),
        (alone, "psnr", "evaluate generated slices"),
        (results([pooled, *kids.cells()]), "total", "use one of kid_x, kid_y"),
    ):
        with pytest.raises(JsddpmError, match=message) as caught:
            whole.plot(name)
        assert (caught.value.code, caught.value.status) == ("SCORE", 2)


def test_a_chart_without_a_value_says_so():
    undefined = results([Cell(z_bin=k, pathology=0, scores={"a": Score.undefined("too few")}) for k in range(2)])
    axes = undefined.plot("a", Figure().subplots())
    assert [text.get_text() for text in axes.texts] == ["undefined in every bin"]


def test_results_cannot_be_changed_by_what_they_hand_out(kids):
    before = kids.model_dump_json()
    kids.pooled["new"] = kids.pooled["kid_x"]
    for facts in (kids.provenance, kids.binning, kids.utilization):
        for change in (lambda f: f.update(seed=9), lambda f: f.__setitem__("seed", 9), lambda f: f.clear()):
            with pytest.raises(TypeError, match="cannot be changed"):
                change(facts)
    assert kids.model_dump_json() == before
    for copied in (copy.deepcopy(kids), pickle.loads(pickle.dumps(kids))):
        assert copied == kids
        with pytest.raises(TypeError, match="cannot be changed"):
            copied.provenance["seed"] = 9


@pytest.mark.parametrize("key", [3, None, (), (3, "kid"), ("kid", 0, 1, 2), ["kid"]])
def test_a_key_that_names_no_score_is_refused(kids, key):
    with pytest.raises(JsddpmError, match="is no name of a score"):
        kids[key]
