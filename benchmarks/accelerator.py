"""Slices per second in training and in sampling, of a GPU or a CPU, beside MONAI's network; its share of the peak.

    python benchmarks/accelerator.py --out reports/gallery/benchmarks/accelerator.md

Every network is measured as it is and in the ways of VARIANTS. The peak is that of a product of two large matrices in
bfloat16, measured in the same run. ``--quick`` measures small batches of one small network.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import seconds
from jsddpm.binning import ZBinning
from jsddpm.config import load_config
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.files import write_text
from jsddpm.runtime import best_device

BINNING = ZBinning((24, 93), 10, n_slices=155)
BACKWARD = 3
"""Operations of a training step, relative to those of a forward pass."""


@dataclass(frozen=True)
class Variant:
    """A way to call a network.

    Attributes:
        name: As the table calls it.
        half: Whether it computes in bfloat16 where that is safe.
        channels_last: Memory format of the network.
        call: ``eager``, ``compiled`` (torch.compile), or ``graph`` (CUDA graphs without a compiler).
    """

    name: str
    half: bool = False
    channels_last: bool = True
    call: str = "eager"


VARIANTS = (
    Variant("float32"),
    Variant("bfloat16", half=True),
    Variant("bfloat16, channels first", half=True, channels_last=False),
    Variant("bfloat16, CUDA graph", half=True, call="graph"),
    Variant("bfloat16, compiled", half=True, call="compiled"),
)


class MonaiNetwork(nn.Module):
    """DiffusionModelUNet with the network of MONAI's 2D DDPM tutorial, given labels."""

    def __init__(self) -> None:
        from monai.networks.nets import DiffusionModelUNet

        super().__init__()
        self.network = DiffusionModelUNet(
            spatial_dims=2, in_channels=2, out_channels=2, channels=(128, 256, 256), num_res_blocks=1,
            attention_levels=(False, True, True), num_head_channels=256, num_class_embeds=BINNING.null_token,
        )  # fmt: skip

    def forward(self, x: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        output: Tensor = self.network(x, timesteps, class_labels=tokens)
        return output


def _preset(name: str, side: int) -> nn.Module:
    config = load_config(name, ["model.self_conditioning=0"])
    return Denoiser(config.model, BINNING, (side, side))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "real64": (lambda: _preset("real64", 64), 64),
    "MONAI tutorial": (MonaiNetwork, 64),
    "real128": (lambda: _preset("real128", 128), 128),
    "slimdiff": (lambda: _preset("slimdiff", 160), 160),
}
"""Networks and the side of their slices."""


class Work:
    """A network on a device, ready to be called in one way on batches of one size."""

    def __init__(self, name: str, variant: Variant, batch: int, device: torch.device) -> None:
        make, side = NETWORKS[name]
        torch.manual_seed(0)
        self.device, self.variant = device, variant
        layout = torch.channels_last if variant.channels_last else torch.contiguous_format
        self.network = make().to(device=device, memory_format=layout)  # type: ignore[call-overload]
        self.inputs = (
            torch.randn(batch, 2, side, side, device=device),
            torch.randint(1000, (batch,), device=device),
            torch.randint(BINNING.null_token, (batch,), device=device),
        )
        self.call: Callable[..., Tensor] = self.network

    def operations(self) -> int:
        """Floating-point operations of one slice in a forward pass."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.network(*(value[:1] for value in self.inputs))
        return counter.get_total_flops()

    def training(self) -> Callable[[], None]:
        """A step: forward, backward, clipping and AdamW."""
        self.network.train()
        weights = list(self.network.parameters())
        optimizer = torch.optim.AdamW(weights, lr=1e-4, fused=True)
        target = torch.randn_like(self.inputs[0])
        if self.variant.call == "graph":
            with self._precision(cache=False):
                self.call = torch.cuda.make_graphed_callables(self.network, self.inputs, allow_unused_input=True)
        self._compile()

        def step() -> None:
            with self._precision(cache=self.variant.call != "graph"):
                output = self.call(*self.inputs)
            (output.float() - target).square().mean().backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()

        return step

    def sampling(self) -> Callable[[], None]:
        """A call of the network without gradients."""
        self.network.eval()
        self._compile()
        if self.variant.call == "graph":
            return self._captured()

        @torch.inference_mode()
        def one() -> None:
            with self._precision():
                self.call(*self.inputs)

        return one

    def _captured(self) -> Callable[[], None]:
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        with torch.inference_mode(), self._precision(cache=False):
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self.network(*self.inputs)
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(graph):
                self.network(*self.inputs)
        return graph.replay

    def _compile(self) -> None:
        if self.variant.call == "compiled":
            mode = "reduce-overhead" if self.device.type == "cuda" else None
            self.call = torch.compile(self.network, mode=mode)

    def _precision(self, *, cache: bool = True) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.variant.half, cache_enabled=cache)


def call_seconds(work: Callable[[], object], device: torch.device, *, repeats: int) -> float:
    """Median time of a call, in rounds of ``repeats`` calls."""

    def calls() -> None:
        for _ in range(repeats):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return seconds(calls) / repeats


def peak(device: torch.device, side: int, *, repeats: int) -> float:
    """Operations per second of a product of two square matrices in bfloat16."""
    first, second = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / call_seconds(lambda: first @ second, device, repeats=repeats)


def rows(device: torch.device, *, quick: bool) -> Iterator[dict[str, Any]]:
    """One row for each network, variant and kind of work."""
    highest = peak(device, 512 if quick else 8192, repeats=1 if quick else 10)
    plans = [("training", 2 if quick else 16), *(("sampling", n) for n in ((2,) if quick else (64, 512)))]
    for name in ("real64",) if quick else NETWORKS:
        for kind, batch in plans:
            for variant in VARIANTS:
                if variant.call == "graph" and device.type != "cuda":
                    continue
                work = Work(name, variant, batch, device)
                operations = work.operations() * (BACKWARD if kind == "training" else 1)
                call = work.training() if kind == "training" else work.sampling()
                took = call_seconds(call, device, repeats=1 if quick else 20)
                yield {
                    "network": name, "work": kind, "batch": batch, "variant": variant.name,
                    "ms": took * 1e3, "slices_per_s": batch / took, "of_peak": operations * batch / took / highest,
                }  # fmt: skip
                torch.compiler.reset()


def table(found: list[dict[str, Any]], machine: str) -> str:
    """The rows as markdown."""
    lines = [
        f"{machine}; torch {torch.__version__}.",
        "",
        "| network | work | batch | variant | ms | slices/s | of the peak |",
    ]
    lines.append("|---|---|---:|---|---:|---:|---:|")
    lines += [
        f"| {r['network']} | {r['work']} | {r['batch']} | {r['variant']} | {r['ms']:.3g} | {r['slices_per_s']:.3g} "
        f"| {r['of_peak']:.1%} |"
        for r in found
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print a row as it is measured, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default=best_device().type, help="cuda or cpu [default: the GPU if there is one]")
    parser.add_argument("--quick", action="store_true", help="small batches of one small network")
    parser.add_argument("--out", type=Path, help="also write the table here")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    torch.backends.cudnn.benchmark = True
    found = []
    for row in rows(device, quick=chosen.quick):
        found.append(row)
        print(row, flush=True)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    if chosen.out is not None:
        write_text(chosen.out, table(found, machine))


if __name__ == "__main__":
    main()
