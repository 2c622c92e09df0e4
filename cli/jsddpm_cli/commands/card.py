"""``jsddpm card``: documents to publish with a model or with samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from jsddpm_cli.console import FormatOption, emit, note
from jsddpm_cli.options import evaluation_folder, require_evaluation

app = typer.Typer()
ORDER = 95


@app.command(epilog="Example: jsddpm card runs/first/evaluation --out runs/first/card")
def card(
    evaluation: Annotated[Path, typer.Argument(help="Evaluation folder or its results.json.")],
    out: Annotated[Path, typer.Option(help="New folder for the documents.")],
    kind: Annotated[
        Literal["model", "data"], typer.Option(help="Subject of the card: the model, or its samples (data).")
    ] = "model",
    run: Annotated[
        Path | None, typer.Option(help="Run that drew the samples (default: the folder that contains the evaluation)")
    ] = None,
    how: FormatOption = "table",
) -> None:
    """Write a Hugging Face card, a methods paragraph with BibTeX, and reviewers' checklists, filled from an evaluation.

    The checklists are CLAIM 2024, MI-CLAIM-GEN and the scorecard for synthetic medical data. Entries that are not known
    are marked, with the reason. No patient is named.
    """
    from jsddpm.places import refuse_existing
    from jsddpm_reports.cards.card import write_cards
    from jsddpm_reports.cards.run import run_of_samples
    from jsddpm_reports.terminal import results_table

    refuse_existing(out)
    require_evaluation(evaluation)
    folder = evaluation_folder(evaluation)
    written = write_cards(folder, out, kind, run_of_samples(folder, run))
    emit(results_table(["written"], [[str(out / name)] for name in written]), {"out": str(out), "files": written}, how)
    note('add the licence, the intended use and all entries that say "not known"')
