"""Bin-aware metrics of generated slices, keyed by condition: the public entry for notebooks and training loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from jsddpm.binning import Condition, ZBinning
from jsddpm_eval.features import radiomics
from jsddpm_eval.functional.best_match import best_match, pairwise_mse
from jsddpm_eval.functional.diversity import pair_dissimilarity, pair_rmse, pairs
from jsddpm_eval.functional.frechet import frechet_distance
from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.results import Cell, Score
from jsddpm_eval.uncertainty import Statistic, jackknife_interval, patient_halves_floor

Extractor = Callable[[Tensor], Tensor]
"""Features of ``(N, H, W)`` images in [0, 1]: float64 ``(N, d)``."""

MIN_SAMPLES = 2
_MAX_PAIRS = 400


class BinAwareMetrics(Metric):
    """Best-match PSNR, diversity, FID and KID of generated slices, per bin x pathology and pooled.

    Real and generated slices are added in any order and any number of batches; states are concatenated across
    processes. Best match compares with all real slices of the bin; diversity, FID and KID with the real slices of
    the same bin and pathology.

    Args:
        binning: The binning the slices were asked for.
        extractor: Features for FID and KID.
        extractor_name: Their name in the scores.
        seed: Seed of the random patient halves of the floors.

    >>> metrics = BinAwareMetrics(ZBinning((0, 9), 2, n_slices=10))
    >>> slices = {0: [torch.zeros(1, 12, 12), torch.full((1, 12, 12), 0.4)]}
    >>> round(metrics.compute_bin_aware_psnr(torch.full((1, 12, 12), 0.5), 0, slices), 3)
    20.0
    """

    full_state_update = False
    image: list[Tensor]
    token: list[Tensor]
    patient: list[Tensor]

    def __init__(
        self,
        binning: ZBinning,
        *,
        extractor: Extractor = radiomics.extract,
        extractor_name: str = radiomics.NAME,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.binning, self.extractor, self.extractor_name, self.seed = (
            binning,
            extractor,
            extractor_name,
            seed,
        )
        for name in ("image", "token", "patient"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, image: Tensor, token: Tensor, patient: Tensor | None = None) -> None:
        """Add slices.

        Args:
            image: ``(B, H, W)`` in [0, 1].
            token: Condition tokens, int64 ``(B,)``.
            patient: Patient numbers of real slices, int64 ``(B,)``; None for generated slices.

        Raises:
            ValueError: When images leave [0, 1] (another window, or 0..255), or are not finite.
        """
        if image.ndim != 3 or len(image) != len(token):
            raise ValueError(f"images {tuple(image.shape)} and {len(token)} tokens do not fit")
        if not (torch.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
            raise ValueError("images must be finite and within [0, 1]")
        self.image.append(image.float())
        self.token.append(token.long())
        self.patient.append(torch.full_like(token, -1) if patient is None else patient.long())

    def compute(self) -> list[Cell]:
        """Scores pooled over everything first, then of each condition, in token order."""
        image, token, patient = (torch.cat(list(state)).cpu() for state in (self.image, self.token, self.patient))
        real = patient >= 0
        raw = self.extractor(image)
        features = radiomics.Standardizer.fit(raw[real])(raw)
        samples = _Samples(image, token, patient, features)
        cells = [Cell(scores=self._distances(samples.of(generated=False), samples.of(generated=True)))]
        for number in range(2 * self.binning.n_bins):
            condition = Condition.from_token(number, self.binning.n_bins)
            same_bin = token % self.binning.n_bins == condition.z_bin
            made = samples.of(generated=True, where=token == number)
            scores = self._best_match(samples.of(generated=False, where=same_bin), made)
            like = samples.of(generated=False, where=token == number)
            scores |= self._diversity(like, made) | self._distances(like, made)
            cells.append(Cell(z_bin=condition.z_bin, pathology=condition.pathology, scores=scores))
        return cells

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

    def _best_match(self, real: _Samples, made: _Samples) -> dict[str, Score]:
        context = {"n_real": len(real), "n_generated": len(made), "n_patients": real.patients}
        if not len(real) or not len(made):
            missing = "no real slice in this bin" if len(made) else "nothing generated for this condition"
            return {"best_match_psnr": Score.undefined(missing, unit="dB", **context)}
        values, _ = best_match(made.image, real.image, data_range=1.0)
        copies = int(torch.isinf(values).sum())
        if copies:
            reason = f"{copies} of {len(made)} generated slices are exact copies of real ones"
            return {"best_match_psnr": Score.undefined(reason, unit="dB", **context)}
        floor = _leave_one_patient_out(real)
        return {"best_match_psnr": Score(value=float(values.mean()), unit="dB", floor=floor, **context)}

    def _diversity(self, real: _Samples, made: _Samples) -> dict[str, Score]:
        context = {"n_real": len(real), "n_generated": len(made), "n_patients": real.patients}
        names = {"diversity_rmse": "intensity", "diversity_ssim": "1 - SSIM"}
        if len(made) < MIN_SAMPLES:
            reason = f"{len(made)} generated slices have no pairs"
            return {n: Score.undefined(reason, unit=u, **context) for n, u in names.items()}
        chosen = pairs(len(made))
        across = _thin(pairs(len(real), real.patient))
        measured = {
            "diversity_rmse": (pair_rmse(made.image, chosen), pair_rmse(real.image, across)),
            "diversity_ssim": (
                pair_dissimilarity(made.image, chosen, data_range=1.0),
                pair_dissimilarity(real.image, across, data_range=1.0),
            ),
        }
        return {
            name: Score(
                value=float(own.mean()),
                unit=names[name],
                floor=float(other.mean()) if len(other) else None,
                **context,
            )
            for name, (own, other) in measured.items()
        }

    def _distances(self, real: _Samples, made: _Samples) -> dict[str, Score]:
        return {
            f"fid_{self.extractor_name}": self._distance(frechet_distance, real, made, needs=real.features.shape[1]),
            f"kid_{self.extractor_name}": self._distance(kernel_distance, real, made, needs=0),
        }

    def _distance(self, statistic: Statistic, real: _Samples, made: _Samples, *, needs: int) -> Score:
        context = {"n_real": len(real), "n_generated": len(made), "n_patients": real.patients}
        smaller = min(len(real), len(made))
        if smaller < MIN_SAMPLES:
            which = "real" if len(real) < MIN_SAMPLES else "generated"
            return Score.undefined(f"needs at least 2 {which} slices", **context)
        few = smaller <= needs
        reason = f"{smaller} slices for {needs} features: biased upwards, compare with the floor only" if few else None
        names = np.asarray(real.patient.numpy().astype(str))
        interval = jackknife_interval(statistic, real.features, names, made.features)
        floor = patient_halves_floor(statistic, real.features, names, count=len(made), seed=self.seed)
        return Score(
            value=statistic(real.features, made.features),
            status="unreliable" if few else "ok", reason=reason, interval=interval, floor=floor, **context,
        )  # fmt: skip


class _Samples:
    """Slices with their tokens, patients (-1 for generated) and features."""

    def __init__(self, image: Tensor, token: Tensor, patient: Tensor, features: Tensor) -> None:
        self.image, self.token, self.patient, self.features = image, token, patient, features

    def __len__(self) -> int:
        return len(self.image)

    @property
    def patients(self) -> int:
        return len(self.patient[self.patient >= 0].unique())

    def of(self, *, generated: bool, where: Tensor | None = None) -> _Samples:
        keep = (self.patient < 0) == generated
        keep = keep if where is None else keep & where
        return _Samples(self.image[keep], self.token[keep], self.patient[keep], self.features[keep])


def _leave_one_patient_out(real: _Samples) -> float | None:
    """Yardstick: best match of each real slice among the other patients' slices of the bin, mean over slices."""
    names = real.patient.unique()
    if len(names) < 2:
        return None
    mse = pairwise_mse(real.image, real.image)
    mse[real.patient[:, None] == real.patient[None]] = torch.inf
    nearest = mse.min(dim=1).values
    psnr = 10 * torch.log10(1 / nearest)
    return float(psnr.mean()) if torch.isfinite(psnr).all() else None


def _thin(chosen: Tensor) -> Tensor:
    """At most ``_MAX_PAIRS`` pairs, evenly spread over the list."""
    step = -(-len(chosen) // _MAX_PAIRS)
    return chosen[:: max(step, 1)]


def numbered(names: NDArray[np.str_]) -> Tensor:
    """Patient names as numbers from 0, in name order, int64 ``(N,)``."""
    return torch.from_numpy(np.unique(names, return_inverse=True)[1].astype(np.int64))


__all__ = ["BinAwareMetrics", "Extractor", "numbered"]
