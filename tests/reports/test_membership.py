"""The page and the figure of an audit: every patient is a mark, every name is escaped, nothing is loaded."""

from __future__ import annotations

import copy

import pytest

from evaluations import HOSTILE
from jsddpm_reports.membership import audit_view, control_rows, patients_figure, render_audit


def area(value):
    return {"area": value, "interval": [value - 0.1, value + 0.05]}


@pytest.fixture
def values():
    people = [
        {"patient": f"p{i} {HOSTILE}", "of": "training" if i < 3 else "held-out", "slices": 4, "score": 1.0 - i / 4,
         "scores": [i / 4, -i / 4]}
        for i in range(8)
    ]  # fmt: skip
    return {
        "answer": "off", "reason": "", "asked": "asked", "threat_model": "threat", "sentences": [f"said {HOSTILE}"],
        "limits": ["one attack"], "calibrated_by": "filter", "by_patient": people,
        "attack": area(0.8) | {"without_calibration": area(0.62)},
        "levels": [{"timestep": 55, "noise": 0.1} | area(0.7), {"timestep": 495, "noise": 1.0} | area(0.9)],
        "control": {"filter": area(0.55), "network": None, "training_divisions": None,
                    "held_out_divisions": {"interval": [0.2, 0.8], "beyond": 0.04}},
        "checkpoint": {"step": 7, "training_store": "abc"}, "seed": 0, "jsddpm": "1",
    }  # fmt: skip


def test_every_patient_is_a_mark_of_every_level(values):
    figure = patients_figure(values)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == ["all levels: area 0.80", "noise 0.10: area 0.70", "noise 1.00: area 0.90"]
    for axes, wanted in zip(
        figure.axes, ([p["score"] for p in values["by_patient"]], [i / 4 for i in range(8)]), strict=False
    ):
        marks = [line for line in axes.lines if line.get_marker() in ("s", "o")]
        assert [len(line.get_ydata()) for line in marks] == [3, 5]
        assert sorted(y for line in marks for y in line.get_ydata()) == sorted(wanted)


def test_the_page_escapes_every_name_and_loads_nothing(values):
    html = render_audit(values)
    assert HOSTILE not in html
    assert html.count("&lt;/script&gt;&lt;script&gt;alert(1)") == 9
    assert "Content-Security-Policy" in html
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org/", "")
    assert html == render_audit(copy.deepcopy(values))


def test_an_attack_stands_beside_its_control(values):
    rows = {row[0]: row[1:] for row in control_rows(values)}
    assert rows["attack"] == ["0.80", "0.70 to 0.85"]
    assert rows["a filter that has not seen the patient"] == ["0.55", "0.45 to 0.60"]
    assert rows["halves of the held-out patients alone"] == ["0.50", "0.20 to 0.80"]
    assert "the reference network" not in rows


def test_without_an_attack_the_page_and_the_view_give_the_reason(values):
    values |= {"answer": "unknown", "attack": None, "control": None, "levels": [{"timestep": 55, "noise": 0.1}]}
    for person in values["by_patient"]:
        person |= {"score": None, "scores": None}
    html = render_audit(values)
    assert "<figure" not in html
    assert "–" in html
    assert audit_view(values) is not None
