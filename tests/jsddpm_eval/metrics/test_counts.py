"""Scores over several conditions rest on those that both sides have, and their counts say so."""

from __future__ import annotations

import pytest

import metric_tester as tester
from jsddpm_eval.metrics.registry import metrics
from worlds import BINNING


@pytest.mark.usefixtures("brief_networks")
@pytest.mark.parametrize("name", ["position", "memorisation", "lesion_shape"])
def test_samples_of_bins_without_real_slices_change_no_score_over_bins(name):
    """The same evaluation without them: value, interval, baseline and counts; chance alone is over all samples."""
    arrays, asked = tester.real_arrays(), tester.generated_arrays()
    of_bin = [tester.chosen(side, side["z_bin"] == 0) for side in (arrays, asked)]
    real, common, every = (tester.table(side | {"binning": BINNING}) for side in (*of_bin, asked))
    with_them, without = (tester.scores_of(metrics()[name], real, made).generation[:3] for made in (every, common))
    for mine, others in zip(with_them, without, strict=True):
        assert mine.n_generated == 2 * others.n_generated
        compared = {n: s for n, s in mine.scores.items() if n != "z_error_chance_bins"}
        assert compared == {n: others.scores[n] for n in compared}
    assert any(score.value is not None for score in with_them[0].scores.values())
