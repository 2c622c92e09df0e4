"""Two halves of one generator's samples are not told apart, though patients are paired."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from jsddpm_eval.comparison import compare
from worlds import World

METRICS = ["intensity", "head", "texture", "sharpness"]


@pytest.mark.long
def test_halves_of_one_generator_differ_in_no_more_scores_than_the_level_says():
    world, found, tested = World(patients=12), 0, 0
    for seed in range(12):
        made, bins = World(seed=50 + seed).new(16), torch.arange(8) % 2
        first, second = (world.evaluation(made[k::2], bins, (), METRICS).results for k in (0, 1))
        differences = compare(first, second)
        found += len({d.score for d in differences if d.significant})
        tested += len({d.score for d in differences if d.p_value is not None and d.paired})
    assert tested > 100
    assert found <= 0.05 * tested + 3 * np.sqrt(0.05 * tested)
