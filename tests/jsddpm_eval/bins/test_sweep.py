"""Which number of bins is recommended."""

from __future__ import annotations

from jsddpm_eval.bins.sweep import bin_sweep


def test_sweep_recommends_by_its_rules(store):
    sweep = bin_sweep((24, 93), [5, 10, 50, 80])
    assert [e["bins_used"] for e in sweep["choices"]] == [5, 10, 50, 70]
    assert sweep["recommended"] == 10
    with_store = bin_sweep((5, 34), [2, 5, 15, 30], store=store)
    supported = [
        e["n_bins"] for e in with_store["choices"] if e["cells_assessable"] == e["cells"] and e["slices_per_bin"][0] > 1
    ]
    assert with_store["recommended"] == max(supported)
    assert with_store["choices"][1]["mm_per_bin"] == [9, 9]  # 6 slices of 1.5 mm
    fallback = bin_sweep((5, 34), [30], store=store)
    assert "no choice satisfies every rule" in fallback["reason"]


def test_bins_without_a_slice_are_never_recommended(store):
    for given in (None, store):
        sweep = bin_sweep((5, 34), [31, 40], store=given)  # 30 slices
        assert sweep["recommended"] is None
        assert "slices for 30 bins at most" in sweep["reason"]
        assert bin_sweep((5, 34), [30, 31, 40], store=given)["recommended"] == 30  # one slice each
    assert bin_sweep((24, 24), [1, 2])["reason"].startswith("1 bin: ")
