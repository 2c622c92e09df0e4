"""``jsddpm sample``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import note, tracked

if TYPE_CHECKING:
    from jsddpm.binning import Condition
    from jsddpm.training.checkpoint import CheckpointInfo


class SamplerName(StrEnum):
    """Samplers by name."""

    ddpm = "ddpm"
    ddim = "ddim"
    dpmpp = "dpmpp"
    unipc = "unipc"


class Weights(StrEnum):
    """Which weights to sample from."""

    ema = "ema"
    raw = "raw"


def sample(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the generated store.")],
    per_condition: Annotated[
        int | None, typer.Option("--per-condition", min=1, help="Samples of each condition.")
    ] = None,
    bins: Annotated[str | None, typer.Option("--bins", help="Bins, such as 0,3,7 [default: all]")] = None,
    pathology: Annotated[str | None, typer.Option("--pathology", help="0, 1 or 0,1 [default: both]")] = None,
    sampler: Annotated[SamplerName | None, typer.Option("--sampler", help="Sampler.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Sampling steps.")] = None,
    guidance: Annotated[float | None, typer.Option("--guidance", min=0, help="Guidance weight.")] = None,
    eta: Annotated[float | None, typer.Option("--eta", min=0, max=1, help="Share of step noise in ddim.")] = None,
    weights: Annotated[Weights, typer.Option("--weights", help="Averaged or raw weights.")] = Weights.ema,
    nifti: Annotated[Path | None, typer.Option("--nifti", help="Also write NIfTI stacks, into a new folder.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Also write PNG pictures, into a new folder.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same samples.")] = 0,
    share: Annotated[
        str | None, typer.Option("--share", help="Draw part I of N only: --share 2/8", metavar="I/N")
    ] = None,
) -> None:
    """Draw samples of every trained condition into a generated slice store.

    Interrupted, the same command goes on. With --share, or under torchrun, processes draw a part each, on any number of
    machines that see the folder; the last to finish publishes the store.
    """
    from jsddpm.files import refuse_existing

    others = [folder for folder in (nifti, png) if folder is not None]
    for folder in others:
        refuse_existing(folder)
    if len({out, *others}) <= len(others):
        raise usage_error("OPTION", "two outputs into one folder", fix="give --out, --nifti and --png their own")
    changes = {
        "per_condition": per_condition,
        "sampler": sampler and sampler.value,
        "steps": steps,
        "guidance": guidance,
        "eta": eta,
    }
    chosen: dict[str, object] = {k: v for k, v in changes.items() if v is not None}
    run_sampling(run, out, chosen, bins, pathology, seed, weights=weights.value, share=_share(share))
    if others and out.exists():
        from jsddpm.diffusion.formats import write_pngs, write_stacks
        from jsddpm.slices.store import SliceStore

        if nifti is not None:
            note(f"NIfTI stacks in {write_stacks(SliceStore(out), nifti)}")
        if png is not None:
            note(f"pictures in {write_pngs(SliceStore(out), png)}")


def run_sampling(
    run: Path,
    out: Path,
    changes: dict[str, object],
    bins: str | None,
    pathology: str | None,
    seed: int,
    *,
    weights: Literal["ema", "raw"] = "ema",
    share: tuple[int, int] = (0, 1),
) -> Path:
    """Sample with a progress bar."""
    from jsddpm.config import SamplingConfig
    from jsddpm.diffusion.generate import best_device, generate_store
    from jsddpm.training.checkpoint import load_denoiser
    from jsddpm.training.run import last_checkpoint

    denoiser, info = load_denoiser(last_checkpoint(run), weights=weights, device=best_device())
    conditions = _conditions(info, bins, pathology)
    sampling = SamplingConfig.model_validate(info.config.sampling.model_dump() | changes)
    if sampling.guidance != 1 and info.config.unconditional_share == 0:
        raise usage_error(
            "GUIDANCE",
            "the run was trained without null tokens",
            fix="use guidance 1, or train with unconditional_share > 0",
        )
    with tracked("sampling") as bar:
        generate_store(
            denoiser,
            out,
            conditions=conditions,
            binning=info.binning,
            diffusion=info.config.diffusion,
            sampling=sampling,
            size=info.size,
            spacing=info.spacing,
            seed=seed,
            provenance={"training_store": info.store, "step": info.step, "weights": weights},
            share=share,
            progress=bar.update,
        )
    if out.exists():
        note(f"{len(conditions)} conditions x {sampling.per_condition} samples in {out}")
    else:
        note(f"part {share[0] + 1} of {share[1]} is drawn; the last part to finish publishes {out}")
    return out


def _share(text: str | None) -> tuple[int, int]:
    """This process's number and how many there are: as asked for, or as torchrun says."""
    if text is None:
        from jsddpm.training.trainer import processes

        rank, local, machines = processes()
        return rank, local * machines
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise usage_error("OPTION", f"--share {text!r}", fix="give I/N with 1 <= I <= N, such as 2/8")
    return int(number) - 1, int(count)


def _conditions(info: CheckpointInfo, bins: str | None, pathology: str | None) -> list[Condition]:
    """The conditions asked for; one the network was never trained on is refused, or left out when not named."""
    from jsddpm.binning import Condition

    n = info.binning.n_bins
    wanted = [
        Condition(k, p)
        for p in _numbers(pathology, range(2), "--pathology")
        for k in _numbers(bins, range(n), "--bins")
    ]
    unseen = [c for c in wanted if c not in set(info.trained)]
    if unseen and bins is not None:
        raise usage_error(
            "UNTRAINED",
            f"no training slice of {', '.join(c.name for c in unseen[:3])}",
            fix="choose conditions it was trained on",
        )
    if unseen:
        note(f"left out, without a training slice: {', '.join(c.name for c in unseen)}")
    chosen = [c for c in wanted if c not in set(unseen)]
    if not chosen:
        raise usage_error("UNTRAINED", "none of these conditions has a training slice", fix="choose others")
    return chosen


def _numbers(text: str | None, allowed: range, option: str) -> list[int]:
    if text is None:
        return list(allowed)
    try:
        numbers = [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if not numbers or not set(numbers) <= set(allowed):
        raise usage_error(
            "OPTION",
            f"{option} {text!r}",
            fix=f"give numbers from {allowed[0]} to {allowed[-1]}, such as 0,1",
        )
    return sorted(set(numbers))
