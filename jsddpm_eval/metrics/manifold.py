"""Precision, recall, density and coverage of generated slices, from feature distances."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from jsddpm.wording import counted
from jsddpm_eval.functional.neighbours import NEIGHBOURS, distances, expected_coverage, manifold
from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.metrics.feature_pair import FeaturePair
from jsddpm_eval.results.score import Baseline, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.stats.resampling import one_per_patient, one_per_unit, relabelled

_DRAWS = 10
_RELABELLINGS = 10
_LARGE = 500  # samples; of so many, one relabelling is as good as many
_MOST = 2000  # generated samples compared; with more, evenly spread ones


_spec = partial(ScoreSpec, group="neighbourhood", per_space=True, unit="share", better="higher")
_ONE_EACH = "k = 3, one slice of each patient, mean of ten draws"
_FIDELITY, _LOOPS = "torch-fidelity | 2e-8 (its float32)", "loops; simulation | 0; within 3.5 standard errors"
_KYNKAANNIEMI, _NAEEM = "1904.06991", "2002.09797"
_NARROW = "missing variety, because samples near a few real slices are enough for the best value"
_WIDE = "bad samples, as long as other samples lie near the real slices"
SPECS = (
    _spec("precision", "precision", f"share of generated samples inside the ball of some real one; {_ONE_EACH}",
          source=_KYNKAANNIEMI, verified=_FIDELITY, blind_to=_NARROW),
    _spec("recall", "recall", f"share of real samples inside the ball of some generated one; {_ONE_EACH}",
          source=_KYNKAANNIEMI, verified=_FIDELITY, blind_to=_WIDE),
    _spec("density", "density", "real balls that hold a generated sample, per sample, divided by k; "
          f"{_ONE_EACH}; baseline 1", unit="", source=_NAEEM, verified=_LOOPS, blind_to=_NARROW),
    _spec("coverage", "coverage", f"share of real balls that hold a generated sample; {_ONE_EACH}; "
          "baseline 1 - prod (n - i) / (n + m - i)", source=_NAEEM, verified=_LOOPS, blind_to=_WIDE),
)  # fmt: skip


class NearestNeighbourManifold(Metric):
    """Precision, recall, density and coverage with one real slice of each patient, beside what equals would reach.

    Neighbouring slices of one brain would make tiny balls; one slice per patient, drawn at random and averaged over
    draws, keeps real samples independent; of generated volumes one slice is drawn likewise. The baseline is the
    expectation between equals at these counts: 1 for density and Naeem et al.'s closed form for coverage; the mean over
    relabelled samples for precision and recall, and for all four when conditions are pooled.
    """

    name = "manifold"
    specs = SPECS

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """The four shares in every feature space."""
        scores: dict[str, Score] = {}
        for space in context.spaces:
            generated = cell.generated.spread(_MOST)
            pair = FeaturePair.of(cell.real, generated, space, context.binning.n_bins)
            shares = self._shares(pair, context.seed)
            scores |= {spec.named(space.name): score for spec, score in zip(self.specs, shares, strict=True)}
        return scores

    def _shares(self, pair: FeaturePair, seed: int) -> list[Score]:
        owner, m = pair.owner, len(pair.unit.unique())
        n_patients = int(owner.max()) + 1 if len(owner) else 0
        counts = pair.counts._replace(n_real=n_patients, n_generated=m)
        if min(n_patients, m) <= NEIGHBOURS:
            units = counted(m, f"generated {'slice' if m == len(pair.unit) else 'volume'}")
            which = counted(n_patients, "patient") if n_patients <= NEIGHBOURS else units
            return [Score.undefined(f"{which}: none has {NEIGHBOURS} neighbours among the others", counts)] * 4
        generator = torch.Generator().manual_seed(seed)
        values, expected = [], []
        for _ in range(_DRAWS):
            rows, generated = one_per_patient(owner, generator), one_per_unit(pair.unit, generator)
            x = torch.cat([pair.real[rows], pair.generated[generated]])
            between = distances(x, x)
            strata = None if pair.strata is None else torch.cat([pair.strata[0][rows], pair.strata[1][generated]])
            count = _RELABELLINGS if len(x) < _LARGE else 1
            observed, *others = relabelled(len(rows), m, strata, count, generator)
            values.append(_of_labels(between, observed))
            expected += [_of_labels(between, labels) for labels in others]
        means, baselines = (torch.tensor(v, dtype=torch.float64).mean(0).tolist() for v in (values, expected))
        if pair.strata is None:
            baselines[2], baselines[3] = 1.0, expected_coverage(n_patients, m)
        return [Score.of(v, counts, baseline=Baseline(b)) for v, b in zip(means, baselines, strict=True)]


METRIC = NearestNeighbourManifold()


def _of_labels(between: Tensor, real: Tensor) -> list[float]:
    a, b = torch.nonzero(real)[:, 0], torch.nonzero(~real)[:, 0]
    shares = manifold(between[a][:, a], between[b][:, b], between[a][:, b])
    return [shares.precision, shares.recall, shares.density, shares.coverage]
