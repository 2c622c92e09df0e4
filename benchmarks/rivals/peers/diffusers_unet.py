"""diffusers' UNet2DModel with the defaults of its unconditional training example, given labels; prints JSON.

``example``: noise is predicted in batches of 16 with a learning rate of 1e-4, as the example does.
``tuned``: x0 is, in batches of 4 with 5e-4, in bfloat16, by a network half as wide.
"""

from __future__ import annotations

import torch
from budget import denoising, drawn, finish, read_task, train, tuned
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.optimization import get_cosine_schedule_with_warmup

WARMUP = 500


def main() -> None:
    task = read_task()
    kind, rate, batch, width = ("sample", 5e-4, 4, 64) if tuned(task) else ("epsilon", 1e-4, 16, 128)
    network = UNet2DModel(
        sample_size=task["x0"].shape[-1],
        in_channels=2,
        out_channels=2,
        layers_per_block=2,
        block_out_channels=tuple(width * n for n in (1, 1, 2, 2, 4, 4)),
        down_block_types=(*["DownBlock2D"] * 4, "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", *["UpBlock2D"] * 4),
        num_class_embeds=task["conditions"],
    )
    noises = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear", prediction_type=kind)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8)

    def predicted(x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = network(x, t, class_labels=labels).sample
        return output

    def share(step: int, steps: int) -> float:
        unit = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        warmup = min(WARMUP, steps // 4)  # 500 steps are more than a budget of minutes holds
        schedule: float = get_cosine_schedule_with_warmup(unit, warmup, steps).lr_lambdas[0](step)
        return schedule

    loss = denoising(predicted, noises.add_noise, kind)
    record = train(task, list(network.parameters()), optimizer, loss, share, batch_size=batch)
    network.eval()
    finish(task, drawn(task, predicted, kind), record)


if __name__ == "__main__":
    main()
