"""A whole evaluation: both protocols, their provenance, and the files they leave."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from jsddpm.diffusion.generate import best_device
from jsddpm.files import make_directory, write_text
from jsddpm.slices.dataset import SliceDataset
from jsddpm.slices.store import SliceStore
from jsddpm.training.checkpoint import load_denoiser
from jsddpm_eval.features.registry import DEFAULT
from jsddpm_eval.generation import Generation, Progress, evaluate_generation
from jsddpm_eval.panels import Panels
from jsddpm_eval.reconstruction import evaluate_reconstruction
from jsddpm_eval.results import Results
from jsddpm_eval.tables import to_csv
from jsddpm_eval.utilization import bin_utilization
from jsddpm_eval.verdict import verdict

_VERSIONED = ("jsddpm", "torch", "torchmetrics", "torch-fidelity", "numpy", "scipy", "scikit-image")


def evaluate(
    real: SliceStore,
    generated: SliceStore | None,
    out: str | Path,
    *,
    split: str = "test",
    checkpoint: str | Path | None = None,
    seed: int = 0,
    features: Sequence[str] = DEFAULT,
    feature_cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Results:
    """Evaluate, writing ``results.json``, ``per_bin.csv``, ``per_slice.csv``, ``lesions.csv`` and ``panels.npz``.

    Args:
        real: Real store.
        generated: Generated store for the bin-aware protocol; None leaves it out.
        out: Folder for the files, which are replaced one by one.
        split: Held-out split.
        checkpoint: Network for the exact reconstruction; None leaves it out.
        seed: Seed of everything random in the evaluation.
        features: Feature extractors, as :func:`~jsddpm_eval.features.registry.make_extractors` takes them.
        feature_cache: Folder of feature tables and trained networks; ``features`` below ``out`` when None.
        progress: See :data:`~jsddpm_eval.generation.Progress`.

    Raises:
        JsddpmError: When the stores, or store and checkpoint, do not belong together.
    """
    out = make_directory(out)
    say = progress or (lambda *_: None)
    provenance: dict[str, Any] = {
        "real": {
            "store": real.fingerprint,
            "patients": len(np.unique(real.patients)),
            "held_out_split": split,
        },
        "versions": {name: version(name) for name in _VERSIONED} | {"python": platform.python_version()},
        "seed": seed,
    }
    reconstruction, generation = [], Generation([], [])
    binning = generated.binning if generated is not None else None
    if checkpoint is not None:
        say("exact reconstruction", 0, 1)
        denoiser, info = load_denoiser(checkpoint, expected=binning, device=best_device())
        binning = info.binning
        dataset = SliceDataset(real, binning, split)
        reconstruction = evaluate_reconstruction(
            denoiser, info, dataset, progress=lambda done, total: say("exact reconstruction", done, total)
        )
        provenance["checkpoint"] = {"step": info.step, "weights": "ema", "training_store": info.store}
        provenance["checkpoint"]["config"] = info.config.model_dump(mode="json")
    if generated is not None:
        generation = evaluate_generation(
            real, generated, split=split, seed=seed, features=features,
            folder=Path(feature_cache or out / "features"), progress=say,
        )  # fmt: skip
        provenance["generated"] = {"store": generated.fingerprint, "slices": len(generated.index)}
        provenance["generated"] |= {
            k: generated.info[k] for k in ("sampling", "seed", "provenance") if k in generated.info
        }
        provenance["features"] = generation.extractors
        provenance["features_asked"] = list(features)
        say("panels", 0, 1)
        Panels.collect(real, generated, generation.nearest, generation.nearest_psnr).write(out / "panels.npz")
    if binning is None:
        raise ValueError("nothing to evaluate: give generated slices, a checkpoint, or both")
    results = Results(
        binning=binning.to_dict(),
        provenance=provenance,
        utilization=bin_utilization(binning.z_range, binning.n_bins, binning.n_slices, allow_empty_bins=True),
        reconstruction=reconstruction,
        generation=generation.cells,
        confusion=generation.confusion,
    )
    results = results.model_copy(update={"verdict": verdict(results)})
    results.write(out / "results.json")
    write_text(out / "per_bin.csv", to_csv(list(results.rows())))
    if generation.per_slice:
        write_text(out / "per_slice.csv", to_csv(generation.per_slice))
    if generated is not None:
        write_text(out / "lesions.csv", to_csv(generation.lesions))
    return results
