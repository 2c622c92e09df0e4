"""One network of a study on one fold: trained within a budget, sampled slice by slice, judged by held-out patients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.budget import train_within
from benchmarks.studies.variants import Variant
from jsddpm.binning import Condition, ZBinning
from jsddpm.config import RunConfig
from jsddpm.diffusion.pictures import to_image_and_mask
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.sampling import SampleId
from jsddpm.slices.resplit import resplit
from jsddpm.slices.store import SliceStore
from jsddpm.slices.writer import Shard, new_store
from jsddpm.training.recommended import Recommendation
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.registry import DEFAULT
from jsddpm_eval.results.results import Results

METRICS = (
    "kid", "kid_held_out", "z_error_bins", "lesion_area", "lesion_present", "control_empty", "diversity_rmse",
    "copied_share", "copied_train_share", "copy_gap",
)  # fmt: skip


@dataclass(frozen=True)
class Protocol:
    """Settings that all trainings of a study share.

    Attributes:
        cpu_seconds: Budget of a training.
        per_condition: Samples of each bin and pathology.
        base: Changes of the preset for every training.
        metrics: Metrics of the samples.
        features: Feature spaces.
    """

    cpu_seconds: float = 600
    per_condition: int = 16
    base: tuple[str, ...] = ()
    metrics: tuple[str, ...] = METRICS
    features: tuple[str, ...] = DEFAULT


@dataclass(frozen=True)
class Training:
    """A network: its settings, its fold and its seed.

    Args:
        protocol: What it shares with the others.
        settings: Changes of the preset.
        recommended: The preset and range that the whole store asks for; folds share them, so that they can be pooled.
        store: The fold's store.
        place: Folder of the run, the samples and the evaluations.
        seed: Of weights, batches, noise and samples.
    """

    protocol: Protocol
    settings: tuple[str, ...]
    recommended: Recommendation
    store: SliceStore
    place: Path
    seed: int

    def trained(self) -> dict[str, float]:
        """Train, or resume; return steps, CPU seconds of this call, and number of weights."""
        done = train_within(self.protocol.cpu_seconds, self._config, self.store, self.place / "run")
        weights = sum(p.numel() for p in self._pipe().denoiser.parameters())
        return {"steps": done.steps, "cpu_seconds": done.cpu_seconds, "parameters": weights}

    def evaluated(self, variant: Variant) -> Results:
        """Draw and judge the samples of a variant of this network; what is there is read."""
        name = _slug(variant.key[1]) or "own"
        samples, file = self.place / f"samples-{name}", self.place / f"evaluation-{name}" / "results.json"
        if not file.is_file():
            if not samples.is_dir():
                self._draw(samples, dict(key.split("=") for key in variant.sampling))
            file.parent.mkdir(exist_ok=True)
            judged, cache = self.protocol, self.place.parent / "features"
            evaluate(
                self.store, SliceStore(samples), metrics=judged.metrics, features=judged.features, cache=cache
            ).write(file)
        return Results.read(file)

    def _config(self, fixed: tuple[str, ...]) -> RunConfig:
        return self.recommended.config([*self.protocol.base, *self.settings, f"seed={self.seed}", *fixed])

    def _pipe(self) -> JointPipeline:
        return JointPipeline.from_checkpoint(self.place / "run" / "checkpoints" / "last.ckpt", device="cpu")

    def _draw(self, out: Path, sampling: dict[str, Any]) -> None:
        """Samples of slices spread over every local bin, each drawn with the network's own token of its slice.

        A network with global bins cannot be asked for a local bin, only for the global bin its slice lies in; asking
        slice by slice is fair to both.
        """
        pipe, count = self._pipe(), self.protocol.per_condition
        own = pipe.binning
        local = ZBinning(own.z_range, own.n_bins, n_slices=own.n_slices)
        wanted = list(self._wanted(local, pipe))
        ids = [SampleId(Condition(int(own.index(z)), c.pathology), c.z_bin * count + k) for z, c, k in wanted]
        settings = pipe.sampling_with(**{k: int(v) if v.isdigit() else v for k, v in sampling.items()})
        image, mask = to_image_and_mask(pipe.sample(ids, settings, self.seed))
        rows = {
            "z_index": [z for z, _, _ in wanted],
            "pathology": [c.pathology for _, c, _ in wanted],
            "sample": [k for _, _, k in wanted],
            "seed": [i.seed(self.seed) for i in ids],
        }
        with new_store(
            out, kind="generated", n_slices=local.n_slices, spacing=pipe.spacing, binning=local.to_dict(),
            seed=self.seed,
        ) as writer:  # fmt: skip
            writer.add(Shard("generated", image, mask, rows))

    def _wanted(self, local: ZBinning, pipe: JointPipeline) -> list[tuple[int, Condition, int]]:
        """Slice, local condition and number of each sample, of the conditions that have training slices."""
        rows = self.store.index[self.store.select(binning=local, split="train")]
        bins = np.asarray(local.index(rows["z_index"].astype(int)))
        wanted = []
        for z_bin, pathology in sorted(set(zip(bins.tolist(), rows["pathology"].tolist(), strict=True))):
            own = {c.z_bin for c in pipe.trained if c.pathology == pathology}
            here = [z for z in local.slices(z_bin) if int(pipe.binning.index(z)) in own]
            count, condition = self.protocol.per_condition, Condition(z_bin, pathology)
            wanted += [(here[k * len(here) // count], condition, k) for k in range(count)]
        return wanted


def place_of(protocol: Protocol, variant: Variant, seed: int) -> str:
    """Folder of a network in that of its fold."""
    return f"{_slug(variant.key[0]) or 'preset'}-{protocol.cpu_seconds:g}s-{seed}"


def fold_store(store: SliceStore, manifest: Path, fold: Path) -> SliceStore:
    """The store of a fold, made where it is not there."""
    return SliceStore(fold / "store" if (fold / "store").is_dir() else resplit(store, manifest, fold / "store"))


def _slug(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text)


def score_rows(results: Results, *, by_bin: bool) -> Sequence[dict[str, Any]]:
    """Value and baseline of every defined score: of the whole, and of bins and pathologies where asked."""
    return [
        {"z_bin": cell.z_bin, "pathology": cell.pathology, "score": name, "spec": score.spec, "space": score.space,
         "value": score.value, "baseline": score.baseline, "n_generated": score.n_generated}
        for cell in results.generation if by_bin or cell.key == (None, None, None)
        for name, score in cell.scores.items() if score.value is not None
    ]  # fmt: skip
