"""MONAI's DiffusionModelUNet with the settings of its 2D DDPM tutorial, given labels; prints JSON.

``example``: noise is predicted in batches of 16 by Adam with a learning rate of 2.5e-5, as the tutorial does.
``tuned``: x0 is, in batches of 4 with 5e-4 that falls along half a cosine, in bfloat16, by a network half as wide.
"""

from __future__ import annotations

import torch
from budget import denoising, drawn, finish, half_cosine, read_task, train, tuned
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDPMScheduler


def main() -> None:
    task = read_task()
    kind, rate, batch, width = ("sample", 5e-4, 4, 64) if tuned(task) else ("epsilon", 2.5e-5, 16, 128)
    network = DiffusionModelUNet(
        spatial_dims=2, in_channels=2, out_channels=2, channels=(width, 2 * width, 2 * width), num_res_blocks=1,
        attention_levels=(False, True, True), num_head_channels=2 * width, num_class_embeds=task["conditions"],
    )  # fmt: skip
    noises = DDPMScheduler(num_train_timesteps=1000, prediction_type=kind)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)

    def predicted(x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = network(x, t.expand(len(x)), class_labels=labels)
        return output

    def share(step: int, steps: int) -> float:
        return half_cosine(step, steps) if tuned(task) else 1.0

    loss = denoising(predicted, noises.add_noise, kind)
    record = train(task, list(network.parameters()), optimizer, loss, share, batch_size=batch, clip=None)
    network.eval()
    finish(task, drawn(task, predicted, kind), record)


if __name__ == "__main__":
    main()
