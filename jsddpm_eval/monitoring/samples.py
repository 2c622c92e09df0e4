"""Scores of samples of a network during training, against held-out patients; real slices are evaluated once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from jsddpm.binning import ZBinning
from jsddpm.errors import usage_error
from jsddpm.seeds import check_seed
from jsddpm.slices.store import SliceStore
from jsddpm_eval.features.crossfit import Fold
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.networks import MOST_SLICES, shrunk
from jsddpm_eval.features.registry import DEFAULT, make_extractors
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.metrics.base import Cell, Context
from jsddpm_eval.metrics.feature_distance import KID, kid_between_halves, kid_estimate
from jsddpm_eval.metrics.feature_pair import FeaturePair
from jsddpm_eval.metrics.obedience import EMPTY, PRESENT, lesion_pixels
from jsddpm_eval.metrics.position import BINS, ZRegressor, middles, train_z_regressor
from jsddpm_eval.metrics.seen_distance import GAP, SeenDistance
from jsddpm_eval.monitoring.copies import CopySearch
from jsddpm_eval.results.score import Influence, Score
from jsddpm_eval.settled import settled
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.baseline import baseline_of
from jsddpm_eval.stats.jackknife import jackknife_variance
from jsddpm_eval.stats.limits import ALPHA, MIN_UNITS
from jsddpm_eval.stats.mix import mix_weights

_MOST_TRAIN = 2000  # training slices in a kernel distance; of more, evenly spread ones


@dataclass(frozen=True)
class SampleScores:
    """Scores of the samples of one check.

    Attributes:
        values: Scores by name; undefined ones are left out.
        baselines: The same scores of other patients.
        kid: KID against held-out patients, mean over the feature spaces; None if it is undefined.
        influence: Its jackknife influences by held-out patient and by sample.
        copying: Whether samples copy training slices more often than held-out slices appear to.
        signs: Signs of memorisation, in words.
    """

    values: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, float] = field(default_factory=dict)
    kid: float | None = None
    influence: Influence = field(default_factory=Influence)
    copying: bool = False
    signs: tuple[str, ...] = ()


class SampleMonitor:
    """Judges samples by held-out patients.

    Values of real slices are computed once, by :meth:`prepare` or the first call, and kept in ``cache`` for other
    trainings on the same slices.

    Args:
        real: Real slices of training patients and of held-out ones (``held_out``), with their binning.
        features: Feature spaces of the KID; those that are trained on training slices are left out without any.
        seed: Seed of the networks of scores.
        cache: Folder for values of real slices; None writes nothing.

    Raises:
        JsddpmError: ``SLICES`` (status 2) for slices without a binning, or of fewer than three held-out patients.

    >>> images = torch.rand((32, 16, 16), generator=torch.Generator().manual_seed(0))
    >>> labels = {"z_bin": [0, 1] * 16, "pathology": [0] * 32, "binning": ZBinning((0, 9), 2, n_slices=10)}
    >>> patient = [i // 4 for i in range(32)]
    >>> real = SliceTable.from_arrays(images, patient=patient, held_out=[p > 3 for p in patient], **labels)
    >>> monitor = SampleMonitor(real, features=["radiomics"])
    >>> monitor(SliceTable.from_arrays(images[:16].repeat(2, 1, 1), **labels)).values["copied"]  # training slices
    1.0
    """

    def __init__(
        self,
        real: SliceTable,
        *,
        features: Sequence[str | Extractor] = DEFAULT,
        seed: int = 0,
        cache: str | Path | None = None,
    ) -> None:
        if real.binning is None:
            raise usage_error("SLICES", "the real slices have no binning", fix="give the argument binning")
        self.binning, real = real.binning, real.rooted()  # values that are kept are those of a whole table
        self.held_out, self.train = real.where(real.held_out), real.where(~real.held_out)
        if self.held_out.n_patients < MIN_UNITS:
            what = (
                f"{MIN_UNITS} held-out patients are needed to judge samples, and there are {self.held_out.n_patients}"
            )
            raise usage_error("SLICES", what, fix="hold out more patients: jsddpm cache resplit")
        self.real, self.features, self.cache = real, features, cache
        self.seed = check_seed(seed)
        self._ready = False

    @classmethod
    def of_store(
        cls, store: SliceStore | str | Path, binning: ZBinning, *, split: str = "val", cache: str | Path | None = None
    ) -> SampleMonitor:
        """Judge by one held-out split of a store; its other held-out patients are not used."""
        return cls(SliceTable.from_store(store, binning, split=split, only=("train", split)), cache=cache)

    def prepare(self) -> None:
        """Compute the values of real slices."""
        if self._ready:
            return
        memo = self.real.memo
        memo.keep_in(self.cache)
        with settled():
            _ = self._regressor, self._search, [space.of(self.real) for space in self._spaces], self._position_baseline
        memo.save()
        self._ready = True

    def __call__(self, samples: SliceTable) -> SampleScores:
        """Score samples, always of the same number for each condition.

        Raises:
            JsddpmError: Errors of the feature extractors.
        """
        self.prepare()
        with settled():
            values, baselines, kid, influence = self._kid(samples)
            baselines |= self._position_baseline
            values |= self._position(samples)
            if samples.has_masks and self.real.has_masks:
                values |= self._masks(samples)
                baselines |= {name: v for name, v in self._masks(self.train).items() if name.startswith("lesion_area")}
            copied = self._search(samples) if self._search else Score.undefined("no training slices")
            gap, opened = self._seen_gap(samples)
        signs = []
        copying = copied.p_value is not None and copied.p_value <= ALPHA
        if copied.value is not None and self._search:
            values["copied"], baselines["copied"] = copied.value, self._search.baseline
        if copying:
            signs.append(f"{copied.value:.0%} of the samples are copies of training slices")
        if gap is not None:
            values["seen_gap"], baselines["seen_gap"] = gap, 0.0
        if opened:
            signs.append("samples are nearer to training patients than to held-out ones")
        return SampleScores(values, baselines, kid, influence, copying, tuple(signs))

    @cached_property
    def _spaces(self) -> list[FeatureSpace]:
        extractors = make_extractors(self.features, self.real, seed=self.seed, folder=self.real.memo.folder)
        return [FeatureSpace(extractor, self.real) for extractor in extractors if not extractor.missing]

    @cached_property
    def _search(self) -> CopySearch | None:
        return CopySearch.of(self.real, self.binning.n_bins)

    @cached_property
    def _regressor(self) -> ZRegressor | None:
        if not len(self.train):
            return None
        train = self.train.spread(MOST_SLICES)
        fold = Fold(0, train, train.mapped(lambda batch: shrunk(batch.images)))
        return train_z_regressor(fold, self.binning.z_range, seed=self.seed, folder=self.real.memo.folder)

    @cached_property
    def _position_baseline(self) -> dict[str, float]:
        return self._position(self.held_out)

    def _kid(self, samples: SliceTable) -> tuple[dict[str, float], dict[str, float], float | None, Influence]:
        """KID of every feature space, its baselines, the mean over the spaces and its influences."""
        scores, halves = {}, {}
        for space in self._spaces:
            pair = FeaturePair.of(self.held_out, samples, space, self.binning.n_bins)
            scores[space.name] = score = kid_estimate(pair)
            if score.value is not None:
                key = ("kid between halves", self.seed, space.extractor.key, pair.halves)
                distances = self.real.memo.values(key, lambda pair=pair: kid_between_halves(pair, self.seed))  # type: ignore[misc]
                halves[KID.named(space.name)] = baseline_of(distances).baseline
        values = {KID.named(name): score.value for name, score in scores.items()}
        baselines = {name: v for name, v in halves.items() if v is not None}
        left_out = [
            s.influence for s in scores.values() if s.influence and s.influence.patients and s.influence.samples
        ]
        defined = {name: v for name, v in values.items() if v is not None}
        if not scores or len(left_out) < len(scores):
            return defined, baselines, None, Influence()
        influence, kid = _mean_influence(left_out), float(np.mean(list(defined.values())))
        defined |= {KID.name: kid, "kid_error": _error(influence)}
        if len(baselines) == len(defined) - 2:
            baselines[KID.name] = float(np.mean(list(baselines.values())))
        return defined, baselines, kid, influence

    def _position(self, table: SliceTable) -> dict[str, float]:
        """Mean distance of the predicted position from the middle of the bin, in bin widths, over conditions."""
        network, binning = self._regressor, self.binning
        if network is None or not len(table):
            return {}
        with torch.no_grad():
            read = table.mapped(lambda batch: network(batch.images).double())
        distance = (read - middles(binning).double()[table.z_bin]).abs() / binning.width
        return {BINS.name: float((distance * _even(table.token(binning.n_bins))).sum())}

    def _masks(self, table: SliceTable) -> dict[str, float]:
        """Shares of masks that obey, and areas of lesions beside those of held-out patients in the same bins."""
        pixels, is_lesion = lesion_pixels(table), table.pathology == 1
        shares = {PRESENT.name: (pixels > 0)[is_lesion], EMPTY.name: (pixels == 0)[~is_lesion]}
        values = {name: float(obeyed.double().mean()) for name, obeyed in shares.items() if len(obeyed)}
        generated, real = table.where(is_lesion & (pixels > 0)), self.held_out.where(lesion_pixels(self.held_out) > 0)
        generated = generated.where(torch.isin(generated.z_bin, real.z_bin))
        real = real.where(torch.isin(real.z_bin, generated.z_bin))
        if len(generated):
            weight = mix_weights(real.z_bin, generated.z_bin)[real.z_bin].numpy()
            pixel = self.real.spacing[0] * self.real.spacing[1]
            areas = (lesion_pixels(generated) * pixel).numpy(), (lesion_pixels(real) * pixel).numpy()
            values["lesion_area_distance"] = float(wasserstein_distance(*areas, v_weights=weight))
            values["lesion_area_ratio"] = float(areas[0].mean() / np.average(areas[1], weights=weight))
        return values

    def _seen_gap(self, samples: SliceTable) -> tuple[float | None, bool]:
        """KID to held-out less KID to training patients, and whether the difference is significant."""
        fair = [space for space in self._spaces if not space.extractor.saw_training]
        if not fair:
            return None, False
        rows = torch.cat([self.held_out.row, self.train.spread(_MOST_TRAIN).row])
        real = self.real.where(torch.isin(self.real.row, rows))
        context = Context(real, samples, self.binning, fair, self.seed, frozenset())
        scores = SeenDistance().compute(Cell(None, None, real, samples, real), context)
        gaps = [scores[GAP.named(space.name)] for space in fair]
        known = [gap.value for gap in gaps if gap.value is not None]
        return (float(np.mean(known)) if known else None), any(gap.interval and gap.interval[0] > 0 for gap in gaps)


def _mean_influence(parts: Sequence[Influence]) -> Influence:
    """Influences of the mean of several scores with the same units."""
    patients = {name: float(np.mean([p.patients[name] for p in parts])) for name in parts[0].patients}
    samples = tuple(np.mean([p.samples for p in parts], axis=0).tolist())
    return Influence(patients=patients, samples=samples, sample_blocks=parts[0].sample_blocks)


def _error(influence: Influence) -> float:
    """Standard error by the jackknife over patients and samples."""
    of_samples = jackknife_variance(influence.samples, influence.sample_blocks or None)
    return float((jackknife_variance(list(influence.patients.values())) + of_samples) ** 0.5)


def _even(tokens: Tensor) -> Tensor:
    """Weights that sum to 1 and give every condition the same, ``(N,)``."""
    _, place, counts = tokens.unique(return_inverse=True, return_counts=True)
    weights: Tensor = 1 / (len(counts) * counts[place]).double()
    return weights
