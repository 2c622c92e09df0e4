"""Where a score lies relative to its yardstick."""

from __future__ import annotations

import pytest

from jsddpm_eval.results import Score
from jsddpm_eval.standing import Standing, standing

BAND = {"floor": 5.0, "floor_interval": (4.0, 6.0)}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"value": 6.0} | BAND, Standing(0)),
        ({"value": 4.0, "interval": (0, 9)} | BAND, Standing(0)),
        ({"value": 6.1} | BAND, Standing(1)),
        ({"value": 7.0, "interval": (6.0, 8)} | BAND, Standing(1)),
        ({"value": 7.0, "interval": (6.1, 8)} | BAND, Standing(1, certain=True)),
        ({"value": 3.0, "interval": (2, 4)} | BAND, Standing(-1)),
        ({"value": 3.0, "interval": (2, 3.9)} | BAND, Standing(-1, certain=True)),
        ({"value": 7.0, "interval": (4, 9)} | BAND, Standing(1)),
        ({"value": 7.0, "interval": (5, 9), "floor": 5.0}, Standing(0)),
        ({"value": 7.0, "interval": (5.1, 9), "floor": 5.0}, Standing(1, certain=True)),
        ({"value": 5.0, "floor": 5.0}, Standing(0)),
        ({"value": 4.9, "floor": 5.0}, Standing(-1)),
        ({"value": 4.9, "interval": (4, 6)}, None),
    ],
)
def test_a_score_lies_below_like_or_above_real_slices(fields, expected):
    assert standing(Score(**fields)) == expected


def test_an_undefined_score_lies_nowhere():
    assert standing(Score.undefined("too few", floor=1.0)) is None
