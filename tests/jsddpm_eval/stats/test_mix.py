"""Weights of real slices, counted by hand."""

from __future__ import annotations

import torch

from jsddpm_eval.stats.mix import mix_weights


def test_weighed_real_slices_have_the_generated_mix_in_double_precision():
    generator = torch.Generator().manual_seed(0)
    real, generated = (torch.randint(0, 5, (count,), generator=generator) for count in (700, 300))
    real, generated = real[real != 4], generated[generated != 2]
    weights = mix_weights(real, generated)
    assert weights[[2, 4]].tolist() == [0, 0]
    for condition in (0, 1, 3):
        ours, theirs = real.tolist().count(condition), generated.tolist().count(condition)
        assert float(weights[condition]) == theirs / ours
    assert mix_weights(real, generated[:0]).tolist() == [0] * 4
