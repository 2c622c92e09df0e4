"""Training slices seen through a network: noised to a third of its schedule, and denoised."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from alterations import Images, Masks, Pair
from cohorts import with_splits
from numpy.typing import NDArray

from jsddpm.binning import ZBinning
from jsddpm.config import load_config
from jsddpm.diffusion.objective import add_noise, alphas_cumprod, predict_x0
from jsddpm.diffusion.pictures import to_image_and_mask
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.schedulers import make_scheduler
from jsddpm.files import make_directory, write_text
from jsddpm.registry import SAMPLERS
from jsddpm.slices.store import SliceStore
from jsddpm.training.run import train

_SETTINGS = (
    "model.patch_size=2", "optimizer.learning_rate=5e-4", "objective.lesion_weight=1",
)  # fmt: skip
_STEPS = 20


class Network:
    """A network trained on some patients of a store.

    Args:
        store: Real store.
        patients: Those it is trained on.
        binning: Its bins.
        steps: Of training.
        work: Where trained networks are kept.
    """

    def __init__(self, store: SliceStore, patients: Sequence[str], binning: ZBinning, steps: int, work: Path) -> None:
        chosen = set(patients)
        name = hashlib.sha256(repr((sorted(chosen), steps, _SETTINGS, store.fingerprint)).encode()).hexdigest()[:12]
        folder = make_directory(work / name)
        checkpoint = folder / "run" / "checkpoints" / "last.ckpt"
        if not (folder / "trained").exists():
            everybody = sorted(set(store.patients.tolist()))
            checked = next(p for p in everybody if p not in chosen)  # one patient: every check reads all of its slices
            sides = {p: "train" if p in chosen else "val" if p == checked else "test" for p in everybody}
            own = with_splits(store, sides, folder / "store")
            low, high = binning.z_range
            lengths = f"binning.z_range=[{low},{high}]", f"trainer.max_steps={steps}", "trainer.check_every=300"
            train(load_config("demo", [*_SETTINGS, *lengths]), own, folder / "run", resume=checkpoint.exists())
            write_text(folder / "trained", "")
        self.pipeline = JointPipeline.from_checkpoint(checkpoint)

    @torch.inference_mode()
    def seen(self, images: Images, masks: Masks, z_bin: NDArray[np.int64], pathology: NDArray[np.int64]) -> Pair:
        """Slices after noise of a third of the schedule, and the sampler's way back."""
        pipe = self.pipeline
        sampling = pipe.sampling_with(steps=3 * _STEPS, sampler="ddpm")
        scheduler, abar = make_scheduler(pipe.diffusion, sampling), alphas_cumprod(pipe.diffusion)
        generator = torch.Generator().manual_seed(0)
        sampler = SAMPLERS.load("ddpm").SAMPLER
        steps = [t for t in scheduler.timesteps if int(t) < pipe.diffusion.num_train_timesteps / 3]
        tokens = torch.from_numpy(z_bin + pipe.binning.n_bins * pathology)
        clean = torch.from_numpy(np.stack([images, masks.astype(np.float32)], 1)) * 2 - 1
        x = add_noise(clean, torch.randn(clean.shape, generator=generator), steps[0].expand(len(clean)), abar)
        for t in steps:
            at = t.expand(len(x))
            x0 = predict_x0(pipe.denoiser(x, at, tokens).float(), x, at, abar, pipe.diffusion.prediction_type)
            options = sampler.step_options(sampling, lambda: torch.randn(clean.shape, generator=generator))
            x = scheduler.step(x0.clamp(-1, 1), t, x, **options).prev_sample
        return to_image_and_mask(x.clamp(-1, 1))
