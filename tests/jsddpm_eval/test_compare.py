"""Differences of evaluations: closed-form tests, corrected over bins; what cannot be compared is refused by field."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from jsddpm.binning import ZBinning
from jsddpm.errors import JsddpmError
from jsddpm_eval.compare import compare, summary
from jsddpm_eval.multiplicity import holm_adjusted
from jsddpm_eval.results import Cell, Results, Score
from jsddpm_reports.comparison import comparison_text

BINNING = ZBinning((24, 93), 4)


def results(values, half=0.2, name="kid_radiomics", **provenance):
    """One cell per value, bins in order, pathology 0."""
    cells = [
        Cell(
            z_bin=k,
            pathology=0,
            scores={
                name: Score.undefined("too few")
                if v is None
                else Score(value=v, interval=None if half is None else (v - half, v + half))
            },
        )
        for k, v in enumerate(values)
    ]
    known = {"real": {"store": "abc", "held_out_split": "test"}, "seed": 0, "features": [{"name": "r", "hash": "1"}]}
    return Results(binning=BINNING.to_dict(), provenance=known | provenance, utilization={}, generation=cells)


def test_differences_are_those_of_normal_theory_corrected_over_bins():
    a, b = [1.0, 1.0, 1.0, None], [1.1, 0.2, 1.5, 1.0]
    found = compare(results(a), results(b))
    assert [d.cell for d in found] == ["bin 0 control", "bin 1 control", "bin 2 control"]
    error = 0.2 / norm.ppf(0.975) * np.sqrt(2)
    p = 2 * norm.sf(np.abs([0.1, -0.8, 0.5]) / error)
    order = np.argsort(p)
    expected = np.empty(3)
    expected[order] = np.maximum.accumulate(p[order] * [3, 2, 1])
    assert [d.p_value for d in found] == pytest.approx(expected.clip(max=1).tolist())
    assert [d.interval for d in found] == [
        pytest.approx((x - 0.2 * np.sqrt(2), x + 0.2 * np.sqrt(2))) for x in (0.1, -0.8, 0.5)
    ]
    assert [d.better for d in found] == [None, "second", "first"]  # a KID is better when lower
    assert summary(found) == "kid_radiomics: better in 1, worse in 1 of 3"


def test_direction_and_missing_intervals():
    up = compare(results([20.0], name="psnr"), results([25.0], name="psnr"))
    assert up[0].better == "second"
    none = compare(results([20.0], half=None), results([25.0]))
    assert (none[0].difference, none[0].interval, none[0].p_value) == (5.0, None, None)
    assert summary(none) == "no score of any condition is told apart"
    undirected = compare(
        results([0.1], half=0.001, name="diversity_rmse"), results([0.2], half=0.001, name="diversity_rmse")
    )
    assert (undirected[0].better, undirected[0].told_apart) == (None, True)
    assert summary(undirected) == "diversity_rmse: other in 1 of 1"


def test_false_alarms_stay_below_the_level_over_all_bins():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        a, b = rng.normal(0, 0.2 / norm.ppf(0.975), (2, 10))
        alarms += any(d.told_apart for d in compare(results(list(a)), results(list(b))))
    assert alarms <= 300 * 0.05 + 3 * np.sqrt(300 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"real": {"store": "xyz", "held_out_split": "test"}}, "real.store: abc and xyz"),
        ({"real": {"store": "abc", "held_out_split": "val"}}, "real.held_out_split: test and val"),
        ({"features": [{"name": "r", "hash": "2"}]}, "features.r.hash: 1 and 2"),
        ({"seed": 1}, "seed: 0 and 1"),
    ],
)
def test_other_conditions_are_refused_by_field(change, message):
    with pytest.raises(JsddpmError, match=f"NOT_COMPARABLE.*{message}"):
        compare(results([1.0]), results([1.0], **change))


def test_other_bins_are_refused():
    other = results([1.0]).model_copy(update={"binning": ZBinning((24, 93), 5).to_dict()})
    with pytest.raises(JsddpmError, match=r"binning.n_bins: 4 and 5"):
        compare(results([1.0]), other)


@given(st.dictionaries(st.integers(), st.floats(0, 1), max_size=8))
def test_adjusted_p_values_reject_what_the_step_down_procedure_rejects(p_values):
    adjusted = holm_adjusted(p_values)
    assert set(adjusted) == set(p_values)
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, key in enumerate(sorted(p_values, key=p_values.__getitem__)):
            if p_values[key] * (len(p_values) - rank) > level:
                break
            rejected.add(key)
        assert {k for k, p in adjusted.items() if p <= level} == rejected


def test_tables_hold_the_same_in_every_format():
    found = compare(results([1.0, 2.0]), results([0.1, 2.0]))
    rows = list(csv.DictReader(comparison_text(found, ".csv").splitlines()))
    assert [float(r["difference"]) for r in rows] == pytest.approx([-0.9, 0.0])
    markdown = comparison_text(found, ".md").splitlines()
    assert markdown[2].startswith(
        "| bin 0 control | kid_radiomics | 1.00 | 0.10 | −0.90 | −1.18 to −0.62 | <0.001 | second |"
    )
    latex = comparison_text(found, ".tex")
    assert r"\toprule" in latex
    assert r"kid\_radiomics" in latex
    assert latex.count(r"\\") == 3


def test_the_command_compares_folders(tmp_path, monkeypatch, capsys):
    from jsddpm_cli.app import main

    for name, values in (("a", [1.0, 2.0]), ("b", [0.1, 2.0]), ("c", [1.0, 2.0])):
        (tmp_path / name).mkdir()
        results(values).write(tmp_path / name / "results.json")

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["jsddpm", "compare", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        return status, *capsys.readouterr()

    status, out, err = call(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "t.tex")
    assert (status, "second" in out, "better in 1, worse in 0 of 2" in err) == (0, True, True)
    assert (tmp_path / "t.tex").is_file()
    status, out, _ = call(tmp_path / "a", tmp_path / "b", tmp_path / "c" / "results.json", "--format", "json")
    assert [len(t) for t in json.loads(out)["differences"].values()] == [2, 2]
    assert call(tmp_path / "a")[0] == 2
    assert call(tmp_path / "a", tmp_path / "b", "--score", "fid")[0] == 2
