"""Trainings on the demo cohort at equal cost, side by side: local against global bins, and what the network predicts.

Every variant is trained with the demo preset from several seeds, sampled in the same conditions, and evaluated alike in
the ten local bins. What differs between two variants is taken seed by seed: the mean difference over the seeds, its 95
% interval (t), and a p-value corrected over the bins. Runs are kept in the work folder and reused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats

from jsddpm.binning import Condition, ZBinning
from jsddpm.config import RunConfig, load_config
from jsddpm.diffusion.pictures import to_image_and_mask
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.sampling import SampleId
from jsddpm.files import write_array
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm.training.run import train
from jsddpm_eval.features.registry import DEFAULT, make_extractors
from jsddpm_eval.features.space import FeatureSpace
from jsddpm_eval.folder import evaluate_into
from jsddpm_eval.functional.kernel import kernel_distance
from jsddpm_eval.results.results import Results
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.holm import holm_adjusted

PER_CONDITION = 16
SCORES = {
    "z_error_slices": "position error [slices]",
    "kid_slice-encoder": "KID, slice encoder",
    "kid_radiomics": "KID, radiomics",
    "best_match_psnr": "best match [dB]",
    "diversity_rmse": "diversity (RMSE)",
    "brain_shape": "brain outline (Dice)",
}
"""Scores the studies show. Which of them should be high is for the reader: more diversity is not always better."""


@dataclass(frozen=True)
class Variant:
    """A way to train, as changes of the demo preset."""

    name: str
    settings: tuple[str, ...]
    seeds: tuple[int, ...]


LOCAL = Variant("local", (), (0, 1, 2, 3))
GLOBAL = Variant("global", ("binning.scheme=global",), LOCAL.seeds)
PREDICTIONS = (
    Variant("local", (), (0, 1)),  # predicts x0
    Variant("epsilon", ("diffusion.prediction_type=epsilon",), (0, 1)),
    Variant("v", ("diffusion.prediction_type=v_prediction",), (0, 1)),
)


def run_variant(variant: Variant, seed: int, store: SliceStore, work: Path, say: Callable[[str], None]) -> Results:
    """Train, sample and evaluate one variant from one seed; what is there already is read."""
    place = work / f"{variant.name}-{seed}"
    if not (place / "evaluation" / "results.json").is_file():
        config = load_config("demo", [f"seed={seed}", *variant.settings])
        if not _finished(place / "run", config):
            say(f"training {place.name}")
            train(config, store, place / "run", resume=(place / "run" / "checkpoints" / "last.ckpt").is_file())
        if not (place / "samples").is_dir():
            _draw(place / "run", place / "samples", seed)
        say(f"evaluating {place.name}")
        evaluate_into(place / "evaluation", store, SliceStore(place / "samples"), cache=work / "features")
    return Results.read(place / "evaluation" / "results.json")


def _finished(run: Path, config: RunConfig) -> bool:
    from jsddpm.diffusion.checkpoint import checkpoint_info

    last = run / "checkpoints" / "last.ckpt"
    return last.is_file() and checkpoint_info(last).step >= config.trainer.max_steps


def _draw(run: Path, out: Path, seed: int) -> None:
    """Samples for slices spread over every local bin, each drawn with the network's own token of that slice.

    A network with global bins cannot be asked for a local bin, only for the global bin its slice lies in; asking slice
    by slice is fair to both.
    """
    pipe = JointPipeline.from_checkpoint(run / "checkpoints" / "last.ckpt", device="cpu")
    local = ZBinning(pipe.binning.z_range, pipe.binning.n_bins, n_slices=pipe.binning.n_slices)
    wanted = []
    for token in range(2 * local.n_bins):
        condition = Condition.from_token(token, local.n_bins)
        slices = local.slices(condition.z_bin)
        wanted += [(slices[k * len(slices) // PER_CONDITION], condition, k) for k in range(PER_CONDITION)]
    ids = [
        SampleId(Condition(int(pipe.binning.index(z)), c.pathology), c.z_bin * PER_CONDITION + k) for z, c, k in wanted
    ]
    image, mask = to_image_and_mask(pipe.sample(ids, pipe.sampling, seed))
    rows = {
        "z_index": [z for z, _, _ in wanted],
        "pathology": [c.pathology for _, c, _ in wanted],
        "sample": [k for _, _, k in wanted],
        "seed": [i.seed(seed) for i in ids],
    }
    with new_store(
        out, kind="generated", n_slices=local.n_slices, spacing=pipe.spacing, binning=local.to_dict(), seed=seed
    ) as writer:
        writer.add(Shard("generated", image, mask, rows))


def collect(variants: Sequence[Variant], store: SliceStore, work: Path, say: Callable[[str], None]) -> pd.DataFrame:
    """One row per variant, seed, bin and score: the mean over control and lesion.

    Bin -1 is all of them: the pooled score, or where it is not pooled the mean over conditions.
    """
    rows: list[dict[str, Any]] = []
    for seed in sorted({s for v in variants for s in v.seeds}):
        for variant in (v for v in variants if seed in v.seeds):
            results = run_variant(variant, seed, store, work, say)
            for z_bin in (-1, *range(results.binning["n_bins"])):
                here = [c.scores for c in results.cells() if z_bin in (-1, c.z_bin)]
                for score in SCORES:
                    cells = [results.pooled] if z_bin < 0 and score in results.pooled else here
                    values = [s.value for scores in cells if (s := scores.get(score)) and s.value is not None]
                    if values:
                        rows.append(
                            {
                                "variant": variant.name, "seed": seed, "z_bin": z_bin, "score": score,
                                "value": float(np.mean(values)),
                            }
                        )  # fmt: skip
    return pd.DataFrame(rows)


def differences(values: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Second less first, paired by seed: mean, 95 % interval and p-value (Holm over the bins) per score and bin."""
    wide = values.pivot_table(index=["score", "z_bin", "seed"], columns="variant", values="value")
    paired = (wide[second] - wide[first]).dropna()
    rows = []
    for score in SCORES:
        found = {}
        for z_bin, group in paired[score].groupby("z_bin"):
            test = stats.ttest_1samp(group, 0.0)
            low, high = test.confidence_interval(0.95)
            means = wide.loc[(score, z_bin)][[first, second]].mean()
            found[int(z_bin)] = {
                "score": score, "z_bin": int(z_bin), "seeds": len(group), first: means[first], second: means[second],
                "difference": group.mean(), "low": low, "high": high, "p_value": test.pvalue,
            }  # fmt: skip
        adjusted = holm_adjusted({k: row["p_value"] for k, row in found.items() if k >= 0})
        rows += [row | {"p_value": adjusted.get(k, row["p_value"])} for k, row in found.items()]
    return pd.DataFrame(rows)


SAMPLERS = (("ddim", 20), ("ddpm", 20), ("dpmpp", 20), ("unipc", 20))
_REFERENCE = ("ddim", 200)
_DRAWS, _SAMPLES = 3, 8


def samplers(store: SliceStore, work: Path, say: Callable[[str], None]) -> pd.DataFrame:
    """KID to real slices of each sampler's samples from one network (local bins, seed 0): does a cheap one do as well?

    Three draws of 160 samples each. ``band`` is the 95 % prediction interval of the mean of three more draws of the
    reference, ddim with 200 steps; ``inside`` says whether a sampler's mean is not above it.
    """
    pipe = JointPipeline.from_checkpoint(work / "local-0" / "run" / "checkpoints" / "last.ckpt", device="cpu")
    real = SliceTable.from_store(store, pipe.binning)
    real.memo.keep_in(work / "features")

    def draw(sampler: str, steps: int, seed: int) -> torch.Tensor:
        path = work / "samplers" / f"{sampler}-{steps}-{seed}.npy"
        if not path.is_file():
            say(f"sampling {path.stem}")
            path.parent.mkdir(exist_ok=True)
            settings = {"sampler": sampler, "num_inference_steps": steps, "eta": 0.0}
            write_array(path, pipe(num_per_condition=_SAMPLES, seed=seed, **settings).images)
        return torch.from_numpy(np.load(path, allow_pickle=False))

    rows = []
    for extractor in make_extractors(DEFAULT, real, seed=0, folder=real.memo.folder):
        space = FeatureSpace(extractor, real)
        fair = space.reference(real)

        def distances(sampler: str, steps: int) -> np.ndarray:
            features = [space.of(_table(draw(sampler, steps, 1 + k))) for k in range(_DRAWS)]  # noqa: B023
            return np.array([kernel_distance(space.of(fair), one, fair.patient) for one in features])  # noqa: B023

        own = distances(*_REFERENCE)
        half = stats.t.ppf(0.975, _DRAWS - 1) * own.std(ddof=1) * np.sqrt(2 / _DRAWS)
        for sampler, steps in (_REFERENCE, *SAMPLERS):
            values = distances(sampler, steps)
            rows.append(
                {
                    "features": extractor.name, "sampler": sampler, "steps": steps, "draws": _DRAWS,
                    "kid": values.mean(), "band_low": own.mean() - half, "band_high": own.mean() + half,
                    "inside": bool(values.mean() <= own.mean() + half),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _table(images: torch.Tensor) -> SliceTable:
    """Slices whose condition does not matter, as their features do not depend on it."""
    return SliceTable.from_arrays(images, z_bin=[0] * len(images), pathology=[0] * len(images))
