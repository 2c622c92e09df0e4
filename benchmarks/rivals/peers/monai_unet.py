"""MONAI's DiffusionModelUNet with the settings of its 2D DDPM tutorial, given labels; prints JSON.

``example``: noise is predicted with Adam and a learning rate of 2.5e-5, as the tutorial does. ``tuned``: x0 with 5e-4.
"""

from __future__ import annotations

import torch
from budget import finish, read_task, train
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler

BATCH, SAMPLING_STEPS = 16, 50


def main() -> None:
    task = read_task()
    kind, rate = {"example": ("epsilon", 2.5e-5), "tuned": ("sample", 5e-4)}[task["variant"]]
    network = DiffusionModelUNet(
        spatial_dims=2, in_channels=2, out_channels=2, channels=(128, 256, 256), attention_levels=(False, True, True),
        num_res_blocks=1, num_head_channels=256, num_class_embeds=task["conditions"],
    )  # fmt: skip
    noises = DDPMScheduler(num_train_timesteps=1000, prediction_type=kind)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)

    def loss(x0: torch.Tensor, token: torch.Tensor, step: int, steps: int) -> torch.Tensor:
        noise, t = torch.randn_like(x0), torch.randint(1000, (len(x0),))
        predicted = network(noises.add_noise(x0, noise, t), t, class_labels=token)
        return torch.nn.functional.mse_loss(predicted, noise if kind == "epsilon" else x0)

    record = train(task, list(network.parameters()), optimizer, loss, lambda *_: 1.0, batch_size=BATCH, clip=None)
    sampler = DDIMScheduler(num_train_timesteps=1000, prediction_type=kind)
    sampler.set_timesteps(SAMPLING_STEPS)
    network.eval()
    finish(task, _drawn(network, sampler, task), record)


@torch.inference_mode()
def _drawn(network: DiffusionModelUNet, sampler: DDIMScheduler, task: dict[str, object]) -> torch.Tensor:
    tokens, size = torch.tensor(task["tokens"]), task["x0"].shape[1:]  # type: ignore[attr-defined]
    generator, parts = torch.Generator().manual_seed(int(task["seed"])), []  # type: ignore[call-overload]
    for labels in tokens.split(32):
        x = torch.randn((len(labels), *size), generator=generator)
        for t in sampler.timesteps:
            x, _ = sampler.step(network(x, t.expand(len(x)), class_labels=labels), int(t), x)
        parts.append(x)
    return torch.cat(parts)


if __name__ == "__main__":
    main()
