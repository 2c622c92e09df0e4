"""``jsddpm checkpoint``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jsddpm_cli.anonymity import AnonymiseOption, KeyOption, codes_for, refuse_key_alone
from jsddpm_cli.console import FormatOption, command_line, emit, note, tracked
from jsddpm_cli.options import BinsOption, WeightsOption, seed_option

app = typer.Typer(name="checkpoint", help="Inspect, audit, export and rebin checkpoints.", no_args_is_help=True)
ORDER = 100


@app.command(epilog="Example: jsddpm checkpoint info runs/first/checkpoints/last.ckpt")
def info(checkpoint: Annotated[Path, typer.Argument(help="Checkpoint file.")], how: FormatOption = "table") -> None:
    """Show the step, the binning and the training data of a checkpoint."""
    from jsddpm.diffusion.checkpoint import checkpoint_info
    from jsddpm_reports.terminal import results_table

    stored = checkpoint_info(checkpoint)
    values = {"step": stored.step, **stored.shareable()}
    shown = {
        "step": stored.step,
        "binning": str(stored.binning),
        "slices": f"{stored.size[0]}x{stored.size[1]}",
        "prediction": stored.config.diffusion.prediction_type,
        "training store": stored.store,
        "started from": "; ".join(f"step {a.step} on store {a.store}" for a in stored.ancestors) or "random weights",
        "trained conditions": f"{len(stored.trained)} of {2 * stored.binning.n_bins}",
    }
    emit(results_table(["", ""], [[k, str(v)] for k, v in shown.items()]), values, how)


@app.command(epilog="Example: jsddpm checkpoint audit runs/first/checkpoints/last.ckpt --store store")
def audit(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint file.")],
    store: Annotated[Path, typer.Option(help="Store that the network was trained on.")],
    out: Annotated[
        Path | None, typer.Option(help="New folder for the results (default: the checkpoint with the suffix .audit)")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint of a network that was hardly or not trained on the patients, as after a short training"
        ),
    ] = None,
    slices: Annotated[int, typer.Option(min=1, help="Largest number of slices of each patient, evenly spread.")] = 24,
    seed: Annotated[int, seed_option("Seed of the noise and of the relabellings.")] = 0,
    anonymise: AnonymiseOption = False,
    key: KeyOption = None,
    how: FormatOption = "table",
) -> None:
    """Test whether a network memorised its patients: membership inference from its loss, with a control."""
    from jsddpm.places import refuse_existing
    from jsddpm.publish import published_directory
    from jsddpm.slices.store import SliceStore
    from jsddpm_eval.membership_statement import audit as ask
    from jsddpm_reports.membership import audit_view, write_audit_page

    refuse_key_alone(key, anonymise=anonymise)
    place, opened = out or checkpoint.with_suffix(".audit"), SliceStore(store)
    refuse_existing(place)
    codes = codes_for(opened, key, place) if anonymise else None
    with published_directory(place) as folder, tracked("patients") as bar:
        values = ask(
            checkpoint, opened, folder, reference=reference, slices=slices, seed=seed, codes=codes, progress=bar.update
        )
        write_audit_page(values, folder / "audit.html")
    emit(audit_view(values), values, how)
    note(f"results {place}")


@app.command(epilog="Example: jsddpm checkpoint export runs/first/checkpoints/last.ckpt model")
def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint file.")],
    out: Annotated[Path, typer.Argument(help="New folder for the pipeline.")],
    weights: WeightsOption = "ema",
    how: FormatOption = "table",
) -> None:
    """Write a pipeline that diffusers opens: network, sampler, condition embedding, model card, configuration.

    DiffusionPipeline.from_pretrained(OUT, trust_remote_code=True) draws the same samples as jsddpm sample with the same
    seed.
    """
    from jsddpm.training.export import export_checkpoint

    export_checkpoint(checkpoint, out, weights=weights)
    emit(None, {"out": str(out), "weights": weights}, how)
    note(f"{'raw' if weights == 'raw' else 'averaged'} weights in {out}")


@app.command(epilog="Example: jsddpm checkpoint rebin last.ckpt --z-range 30 100 --bins 12 --out start.ckpt")
def rebin(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint file.")],
    z_range: Annotated[tuple[int, int], typer.Option(help="New range of slices.", metavar="LO HI")],
    bins: BinsOption,
    out: Annotated[Path, typer.Option(help="New checkpoint, for jsddpm train --warm-start.")],
    how: FormatOption = "table",
) -> None:
    """Map a checkpoint to another binning: each new bin starts as the mean of the trained old bins it overlaps."""
    from jsddpm.binning import ZBinning
    from jsddpm.diffusion.checkpoint import checkpoint_info
    from jsddpm.training.rebin import rebin_checkpoint

    old = checkpoint_info(checkpoint)
    ZBinning(z_range, bins, "local", old.binning.n_slices)
    new = old.config.binning.model_copy(update={"scheme": "local", "z_range": z_range, "n_bins": bins})
    mapping = rebin_checkpoint(checkpoint, out, new)
    orphans = [condition.name for condition in mapping.orphans]
    emit(None, {"out": str(out), "z_range": list(z_range), "n_bins": bins, "without_trained_bin": orphans}, how)
    if orphans:
        note(f"conditions that overlap no trained bin start as the mean of the trained ones: {', '.join(orphans)}")
    note(f"{old.binning} mapped to {bins} bins of {list(z_range)}: {out}")
    lo, hi = z_range
    same = f"--set binning.z_range=[{lo},{hi}] --set binning.n_bins={bins}"
    start = command_line("jsddpm", "train", "--warm-start", out)
    note("continue with")
    note(f"{start} {same} ...", unbroken=True)
