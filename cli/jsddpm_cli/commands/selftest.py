"""``jsddpm selftest``: which faults an evaluation on a cohort finds, measured with faults planted into its slices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import FormatOption, emit, note, tracked
from jsddpm_cli.options import BinsOption, JobsOption, RangeOption, SamplesOption, chosen_range, seed_option

app = typer.Typer()
ORDER = 74


@app.command(epilog="Example: jsddpm selftest store")
def selftest(
    store: Annotated[Path, typer.Argument(help="Real store.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results; repeat the command to continue (default: STORE.selftest)"),
    ] = None,
    z_range: RangeOption = None,
    bins: BinsOption = 10,
    samples: SamplesOption = 16,
    perfect: Annotated[
        int, typer.Option(min=0, help="Number of draws without a fault, for the rate of false alarms.")
    ] = 10,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Fault or family of faults, as docs/reference/faults.md lists them; repeatable (default: 13 faults)"
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Plant every fault.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Plant each fault at its middle strength only.")] = False,
    seed: Annotated[int, seed_option("Seed of the division of patients and of all draws.")] = 0,
    jobs: JobsOption = None,
    how: FormatOption = "table",
) -> None:
    """Plant faults of graded strength into slices of a store, and report which faults the evaluation finds.

    The patients are divided at random: one half are the real patients, and slices of the other half stand for the
    samples of a perfect generator. Reports of later evaluations against the store show the results in STORE.selftest.
    """
    from jsddpm.binning import ZBinning
    from jsddpm.publish import beside
    from jsddpm.runtime import cores
    from jsddpm.slices.store import SliceStore
    from jsddpm_eval.folder import SELFTEST
    from jsddpm_eval.selftest.run import CORE
    from jsddpm_eval.selftest.run import selftest as run
    from jsddpm_reports.selftest import HEADINGS, alarms, fault_rows
    from jsddpm_reports.terminal import results_table

    if every and fault:
        raise usage_error("OPTION", "--all and --fault exclude each other", fix="give one of them")
    opened = SliceStore(store).of_kind("real")
    place = out or beside(store, SELFTEST)
    chosen = chosen_range(z_range, opened)
    with tracked("trials") as bar:
        values = run(
            store, place, ZBinning(chosen, bins, n_slices=opened.n_slices), faults=() if every else fault or CORE,
            perfect=perfect, samples=samples, seed=seed, jobs=jobs or cores(), quick=quick, progress=bar.update,
        )  # fmt: skip
    table = results_table(HEADINGS[:-1], [row[:-1] for row in fault_rows(values)])
    emit(table, values, how, below=[*values["sentences"], alarms(values)])
    note(f"results {place / 'selftest.json'}")
