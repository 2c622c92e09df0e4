"""The table of false alarms over divisions, against the exact interval of SciPy; only the bench draws samples."""

from __future__ import annotations

from importlib import import_module

from scipy.stats import binomtest

from documented import ROOT


def test_divisions_with_an_alarm_are_counted_by_what_is_drawn(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "validity"))
    table = import_module("benchmarks.validity.divisions").table
    rows = [
        {"division": seed, "uniform": way, "alarm": int(bool(names)), "checks": names}
        for way, alarms in (("patient", ["texture"]), ("slice", ["collapsed texture", "collapsed"]))
        for seed, names in enumerate([*alarms, *[""] * (20 - len(alarms))])
    ]
    of_patients, of_slices = table(rows).splitlines()[2:]
    for line, count in ((of_patients, 1), (of_slices, 2)):
        exact = binomtest(count, 20).proportion_ci(method="exact")
        assert f"| 20 | {count} | {100 * exact.low:.0f} to {100 * exact.high:.0f}% |" in line
    assert of_patients.endswith("| texture 1 |")
    assert of_slices.endswith("| collapsed 2, texture 1 |")
    assert table([row | {"alarm": 0, "checks": ""} for row in rows]).count("| none |") == 2
