"""Diversity over seeds beside real slices of different patients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from jsddpm_eval.functional.diversity import pair_dissimilarity, pair_distance, pair_rmse, pairs, vendi_score
from jsddpm_eval.functional.reconstruction import ms_ssim_fits
from jsddpm_eval.jackknife import jackknife_variance, t_interval
from jsddpm_eval.results import Influence, Score
from jsddpm_eval.samples import Samples
from jsddpm_eval.uncertainty import Floor, one_per_patient

MAX_PAIRS = 200
"""Pairs of slices compared by SSIM; with more, evenly spread ones."""

_VENDI_DRAWS = 20


def diversity_scores(real: Samples, made: Samples, *, seed: int) -> dict[str, Score]:
    """Mean pairwise differences, and Vendi scores at equal n, of one condition.

    Args:
        real: Real slices of the condition.
        made: Its generated slices.
        seed: Seed of the draws behind the Vendi scores.
    """
    context = {"n_real": len(real), "n_generated": len(made), "n_patients": real.n_patients}
    size = tuple(real.image.shape[1:])
    units = {"diversity_rmse": "intensity"}
    if min(size) >= 11:
        units["diversity_ssim"] = "1 - SSIM"
    if ms_ssim_fits(size):
        units["diversity_ms_ssim"] = "1 - MS-SSIM"
    units |= {f"diversity_{name}": "distance" for name in made.features}
    if len(made) < 2:
        reason = f"{len(made)} generated slices have no pairs"
        names = units | {f"vendi_{name}": "slices" for name in made.features}
        return {n: Score.undefined(reason, unit=u, **context) for n, u in names.items()}
    chosen, across = pairs(len(made)), pairs(len(real), real.patient)
    scores = {}
    for name, unit in units.items():
        few, others = (chosen, across) if name == "diversity_rmse" else (_thin(chosen), _thin(across))
        own, real_values = (_differences(name, s, p) for s, p in ((made, few), (real, others)))
        scores[name] = Score(
            value=float(own.mean()), unit=unit, **_pair_fields(own, few, len(made)),
            floor=float(real_values.mean()) if len(real_values) else None, **context,
        )  # fmt: skip
    return scores | {f"vendi_{name}": _vendi(real, made, name, seed, context) for name in made.features}


def _differences(name: str, samples: Samples, chosen: Tensor) -> Tensor:
    if name == "diversity_rmse":
        return pair_rmse(samples.image, chosen) if len(chosen) else torch.empty(0)
    if name == "diversity_ssim":
        return pair_dissimilarity(samples.image, chosen, data_range=1.0).double()
    if name == "diversity_ms_ssim":
        return pair_dissimilarity(samples.image, chosen, data_range=1.0, multiscale=True).double()
    return pair_distance(samples.features[name.removeprefix("diversity_")], chosen)


def _pair_fields(values: Tensor, chosen: Tensor, count: int) -> dict[str, Any]:
    """Interval and influences of a mean over pairs: pairs share samples, so one sample at a time is left out."""
    total = torch.zeros(count, dtype=torch.float64)
    number = torch.zeros(count, dtype=torch.float64)
    for column in (0, 1):
        total.index_add_(0, chosen[:, column], values.double())
        number.index_add_(0, chosen[:, column], torch.ones(len(values), dtype=torch.float64))
    if count < 4:
        return {}
    mean, left_out = float(values.double().mean()), (values.double().sum() - total) / (len(values) - number)
    interval = t_interval(mean, [(jackknife_variance(left_out), count)])
    return (
        {} if interval is None else {"interval": interval, "influence": Influence.of(mean, samples=left_out.tolist())}
    )


def _vendi(real: Samples, made: Samples, name: str, seed: int, context: dict[str, int]) -> Score:
    """Vendi score of as many samples as there are patients, beside one real slice of each patient."""
    count = min(len(made), real.n_patients)
    context = context | {"n_generated": min(count, len(made)), "n_real": count}
    told: dict[str, Any] = {"unit": "slices", **context}
    if count < 2:
        return Score.undefined("fewer than 2 patients to compare with at equal n", **told)
    generator = torch.Generator().manual_seed(seed)
    own, floor = [], []
    for _ in range(_VENDI_DRAWS):
        own.append(vendi_score(made.features[name][torch.randperm(len(made), generator=generator)[:count]]))
        single = one_per_patient(real.patient, generator)
        floor.append(vendi_score(real.features[name][single[torch.randperm(len(single), generator=generator)[:count]]]))
    real_floor = Floor.of(floor)
    return Score(
        value=float(torch.tensor(own).double().mean()), floor=None if real_floor is None else real_floor.mean, **told
    )


def _thin(chosen: Tensor) -> Tensor:
    """At most ``MAX_PAIRS`` pairs, evenly spread over the list."""
    step = -(-len(chosen) // MAX_PAIRS)
    return chosen[:: max(step, 1)]
