"""Bin-aware metrics of generated slices, keyed by condition: the public entry for notebooks and training loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from jsddpm.binning import ZBinning
from jsddpm_eval.distances import FeaturePair, distance_scores
from jsddpm_eval.features import radiomics
from jsddpm_eval.features.extractor import Extractor, Standardizer
from jsddpm_eval.functional.best_match import best_match
from jsddpm_eval.functional.frechet import effective_dimension
from jsddpm_eval.matching import Reference, equal_count, match_scores
from jsddpm_eval.neighbourhood import manifold_scores, memorisation_scores
from jsddpm_eval.results import Cell, Score
from jsddpm_eval.samples import Samples, gathered, numbered
from jsddpm_eval.variety import diversity_scores


class BinAwareMetrics(Metric):
    """Everything that compares generated with real slices, per bin x pathology and pooled.

    Real and generated slices are added in any order and any number of batches; states are concatenated across
    processes. Best match compares with all real slices of the bin; the rest with the real slices of the same bin and
    pathology. Pooled distances weigh real slices to the generated mix of conditions.

    Args:
        binning: The binning the slices were asked for.
        extractors: Feature spaces for distances.
        seed: Seed of everything drawn: patient halves, relabellings, one slice per patient.
        progress: Called by :meth:`compute` with (bins done, bins).

    >>> metrics = BinAwareMetrics(ZBinning((0, 9), 2, n_slices=10))
    >>> slices = {0: [torch.zeros(1, 12, 12), torch.full((1, 12, 12), 0.4)]}
    >>> round(metrics.compute_bin_aware_psnr(torch.full((1, 12, 12), 0.5), 0, slices), 3)
    20.0
    """

    full_state_update = False
    image: list[Tensor]
    token: list[Tensor]
    patient: list[Tensor]
    held_out: list[Tensor]

    def __init__(
        self,
        binning: ZBinning,
        *,
        extractors: Sequence[Extractor] = (radiomics.EXTRACTOR,),
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        super().__init__(dist_sync_fn=gathered)
        self.binning, self.extractors, self.seed, self.progress = binning, tuple(extractors), seed, progress
        self.per_slice: dict[str, Tensor] = {}
        for name in ("image", "token", "patient", "held_out"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self, image: Tensor, token: Tensor, patient: Tensor | None = None, held_out: Tensor | None = None
    ) -> None:
        """Add slices.

        Args:
            image: ``(B, H, W)`` in [0, 1].
            token: Condition tokens, int64 ``(B,)``.
            patient: Patient numbers of real slices, int64 ``(B,)``; None for generated slices.
            held_out: Whether the generator was not trained on these real slices, boolean ``(B,)``; None when it may
                have been trained on any.

        Raises:
            ValueError: When images leave [0, 1] (another window, or 0..255), or are not finite.
        """
        if image.ndim != 3 or len(image) != len(token):
            raise ValueError(f"images {tuple(image.shape)} and {len(token)} tokens do not fit")
        if len(image) and not (torch.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
            raise ValueError("images must be finite and within [0, 1]")
        self.image.append(image.float())
        self.token.append(token.long())
        self.patient.append(torch.full_like(token, -1) if patient is None else patient.long())
        self.held_out.append(torch.zeros_like(token, dtype=torch.bool) if held_out is None else held_out.bool())

    def compute(self) -> list[Cell]:
        """Scores pooled over everything first, then of each condition, in token order.

        Leaves in :attr:`per_slice`, for the generated slices in the order they were added, ``best_match_psnr``,
        ``train_psnr``, ``held_out_psnr`` (dB; NaN where there is no such real slice in the bin) and ``train_row``
        (which of the real slices, in the order added; -1 where there is none).
        """
        samples = self._samples()
        n = self.binning.n_bins
        made, real = samples.where(samples.generated), samples.where(~samples.generated)
        del samples  # these are many pixels
        bins = {k: equal_count(real.patient[real.token % n == k]) for k in (made.token % n).unique().tolist()}
        count = min((c for k, c in bins.items() if (real.token % n == k).any()), default=0)
        self.dimensions = {
            e.name: effective_dimension(self._reference(real.light, e).features[e.name]) if len(real) > 1 else 0
            for e in self.extractors
        }
        self.per_slice = {name: torch.full((len(made),), torch.nan, dtype=torch.float64) for name in _PER_SLICE}
        self.per_slice["train_row"].fill_(-1)
        cells = {-1: Cell(scores=self._features(real.light, made.light))}
        for k in range(n):
            here = real.where(real.token % n == k)
            reference = Reference.of(here) if k in bins else Reference(here, torch.empty(0, 0))
            for token in (k, k + n):
                like, own = here.where(here.token == token), made.where(made.token == token)
                found = match_scores(own, reference, token, count)
                for name, values in found.per_slice.items():
                    self.per_slice[name][made.token == token] = values.double()
                scores = found.scores | diversity_scores(like, own, seed=self.seed)
                scores |= self._features(like.light, own.light)
                cells[token] = Cell(z_bin=k, pathology=token // n, scores=scores)
            if self.progress:
                self.progress(k + 1, n)
        return [cells[token] for token in sorted(cells)]

    def compute_bin_aware_psnr(
        self,
        generated: Tensor,
        z_bin: int,
        reference_slices: Mapping[int, Sequence[Tensor]],
        data_range: float = 1.0,
    ) -> float:
        """PSNR in dB of one generated slice against the best-matching reference slice of its bin.

        Args:
            generated: One slice.
            z_bin: Its bin.
            reference_slices: Real slices of each bin, of the same shape.
            data_range: 1 for [0, 1].

        Raises:
            ValueError: When the bin has no reference slice.
        """
        references = reference_slices.get(z_bin, ())
        if not references:
            raise ValueError(f"bin {z_bin} has no reference slice")
        value, _ = best_match(generated[None], torch.stack(list(references)), data_range=data_range)
        return float(value[0])

    def _samples(self) -> Samples:
        image, token, patient, held_out = (
            dim_zero_cat(state).cpu() for state in (self.image, self.token, self.patient, self.held_out)
        )
        generated = patient < 0
        row = torch.where(generated, generated.cumsum(0), (~generated).cumsum(0)) - 1
        samples = Samples(image, token, patient, held_out & ~generated, row)
        for extractor in self.extractors:
            raw = extractor(image)
            fair = ~generated & (samples.held_out | (not extractor.saw_training))
            scaled = Standardizer.fit(raw[fair])(raw) if extractor.standardize and fair.any() else raw
            samples.features[extractor.name] = scaled
        return samples

    def _reference(self, real: Samples, extractor: Extractor) -> Samples:
        """Real slices that are a fair reference in a feature space."""
        return real.where(real.held_out) if extractor.saw_training else real

    def _features(self, real: Samples, made: Samples) -> dict[str, Score]:
        scores: dict[str, Score] = {}
        for extractor in self.extractors:
            name, fair = extractor.name, self._reference(real, extractor)
            pair = FeaturePair.of(fair, made, name, self.dimensions[name])
            scores |= distance_scores(pair, name, seed=self.seed)
            if pair.strata is not None:
                scores |= distance_scores(pair.joint(), f"joint_{name}", seed=self.seed)
            scores |= manifold_scores(pair, name, seed=self.seed)
            scores |= memorisation_scores(real, made, name, cells=2 * self.binning.n_bins)
        return scores


_PER_SLICE = ("best_match_psnr", "train_psnr", "train_row", "held_out_psnr")

__all__ = ["BinAwareMetrics", "numbered"]
