"""SLIM-Diff's training step, measured in its own environment; prints JSON.

Run by `benchmarks/training.py` with the Python that PEER_PYTHON names (`pip install slim-diff==1.0.0`). Its own module,
loss and optimiser, without its Lightning loop, logs and callbacks, which only spares it time.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median

import torch
from omegaconf import OmegaConf
from src.diffusion.training.lit_modules import JSDDPMLightningModule


def module(
    channels: list[int],
    attention: list[bool],
    groups: int,
    size: int,
    *,
    bins: int = 30,
    self_conditioning: float = 1.0,
) -> JSDDPMLightningModule:
    """Its model without anatomical priors; the step that is timed is self-conditioned, as `jsddpm` is configured."""
    off = {"enabled": False, "initial_log_vars": [0.0, 0.0], "learnable": False}
    weighted = {"enabled": True, "lesion_weight": 2.0, "background_weight": 1.0}
    return JSDDPMLightningModule(
        OmegaConf.create(
            {
                "data": {
                    "cache_dir": "none",
                    "transforms": {"roi_size": [size, size, 128]},
                    "slice_sampling": {"z_range": [34, 115]},
                },
                "model": {
                    "type": "DiffusionModelUNet", "spatial_dims": 2, "in_channels": 2, "out_channels": 2,
                    "channels": channels, "attention_levels": attention, "num_res_blocks": 2,
                    "num_head_channels": 32, "norm_num_groups": groups, "resblock_updown": False,
                    "use_class_embedding": True, "with_conditioning": False, "dropout": 0.0,
                },
                "conditioning": {
                    "z_bins": bins, "use_sinusoidal": True, "max_z": 127,
                    "cfg": {"enabled": False, "dropout_prob": 0.0, "null_token": 2 * bins},
                },
                "scheduler": {
                    "type": "DDPM", "num_train_timesteps": 1000, "schedule": "cosine", "prediction_type": "sample",
                    "clip_sample": True, "clip_sample_range": 1.0,
                },
                "sampler": {"type": "DDIM", "num_inference_steps": 50, "eta": 0.2, "guidance_scale": 1.0},
                "training": {
                    "self_conditioning": {"enabled": True, "probability": self_conditioning}, "max_epochs": 1,
                    "optimizer": {
                        "type": "AdamW", "lr": 1e-4, "weight_decay": 1e-4, "betas": [0.9, 0.999], "eps": 1e-8,
                    },
                    "lr_scheduler": {"type": "CosineAnnealingLR", "T_max": 100, "eta_min": 1e-6},
                },
                "loss": {
                    "mode": "mse_lp_norm", "lp_norm": {"p": 1.5}, "uncertainty_weighting": off,
                    "lesion_weighted_image": weighted, "lesion_weighted_mask": weighted,
                },
            }
        )
    )  # fmt: skip


def main(settings: str) -> None:
    asked = json.loads(settings)
    network = module(asked["channels"], asked["attention"], asked["groups"], asked["size"]).train()
    optimizer = network.configure_optimizers()["optimizer"]
    shape, times = (asked["batch"], 1, asked["size"], asked["size"]), []
    for step in range(asked["steps"]):
        generator = torch.Generator().manual_seed(step)
        batch = {
            "image": torch.rand(shape, generator=generator) * 2 - 1,
            "mask": (torch.rand(shape, generator=generator) > 0.99).float() * 2 - 1,
            "token": torch.arange(shape[0]) * 7 % 60,
        }
        start = time.process_time()
        loss = network.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        times.append(time.process_time() - start)
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    weights = sum(p.numel() for p in network.model.parameters())
    print(json.dumps({"step_s": median(times[1:]), "peak": peak, "parameters": weights}))


if __name__ == "__main__":
    main(sys.argv[1])
