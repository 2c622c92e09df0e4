"""``jsddpm export``: slice stores as data sets of other tools, or as plain files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from jsddpm.errors import usage_error
from jsddpm.exports.formats import formats
from jsddpm.wording import counted, enumerated
from jsddpm_cli.anonymity import AnonymiseOption, KeyOption, codes_for, refuse_key_alone
from jsddpm_cli.console import FormatOption, emit, note, tracked
from jsddpm_cli.options import seed_option

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(formats())]
UnitName = Literal["auto", "volumes", "slices"]

app = typer.Typer()
ORDER = 65


@app.command(epilog="Example: jsddpm export nnunet store more --out nnUNet_raw/Dataset501_FLAIR")
def export(
    form: Annotated[
        FormatName,
        typer.Argument(metavar="FORMAT", help="; ".join(f"{k}: {v.help}" for k, v in formats().items())),
    ],
    stores: Annotated[list[Path], typer.Argument(metavar="STORE...", help="Real and generated stores.")],
    out: Annotated[Path, typer.Option(help="New folder for the data set.")],
    cases: Annotated[
        UnitName, typer.Option(help="Unit of a case; auto: volumes if all slices are part of a volume, else slices.")
    ] = "auto",
    z_range: Annotated[
        tuple[int, int] | None,
        typer.Option(
            help="First and last slice to keep (default: all of a volume; of single slices, those that were binned)",
            metavar="LO HI",
        ),
    ] = None,
    modality: Annotated[
        str, typer.Option(help="Modality of the images: the channel of nnU-Net, the suffix of BIDS.")
    ] = "FLAIR",
    skull_stripped: Annotated[
        bool, typer.Option("--skull-stripped", help="Say that the images show only the brain, which BIDS records.")
    ] = False,
    folds: Annotated[
        int | None,
        typer.Option(min=1, help="Number of folds of nnU-Net, by patient (default: 5, or the number of patients)"),
    ] = None,
    seed: Annotated[int, seed_option("Seed of the folds.")] = 0,
    anonymise: AnonymiseOption = False,
    key: KeyOption = None,
    how: FormatOption = "table",
) -> None:
    """Write stores as a data set for nnU-Net or a BIDS tool, or as NIfTI or PNG files; stores may be combined.

    Generated cases are marked, and are in the training part of every nnU-Net fold. Then patients of the split train,
    whom the generator may have memorised, are not used for validation. Test patients remain the test set.
    """
    from jsddpm.exports.dataset import export_stores
    from jsddpm.places import refuse_existing
    from jsddpm.slices.store import SliceStore
    from jsddpm_reports.terminal import results_table

    refuse_existing(out)
    refuse_key_alone(key, anonymise=anonymise)
    if folds is not None and not formats()[form].folds:
        raise usage_error("OPTION", f"the format {form} has no folds", fix="leave out --folds")
    opened = [SliceStore(path) for path in stores]
    codes = [codes_for(s, key, out) if anonymise and s.kind == "real" else None for s in opened]
    with tracked("cases") as bar:
        data = export_stores(
            opened, out, form, unit=None if cases == "auto" else cases, z_range=z_range, modality=modality,
            skull_stripped=skull_stripped, folds=folds, seed=seed, codes=codes, progress=bar.update,
        )  # fmt: skip
    real = [case for case in data.cases if not case.synthetic]
    values: dict[str, Any] = {
        "format": form,
        "cases": len(data.cases),
        "synthetic": len(data.cases) - len(real),
        "patients": len({case.patient for case in real}),
        "test": sum(case.split == "test" for case in real),
        "folds": [{part: len(names) for part, names in fold.items()} for fold in data.folds],
    }
    rows = [[k, str(v)] for k, v in values.items() if k != "folds"]
    rows += [
        [f"fold {i}", f"{f['train']} to train on, {f['val']} to validate on"] for i, f in enumerate(values["folds"])
    ]
    emit(results_table(["", ""], rows), values, how)
    if formats()[form].one_unit and len(data.distances) > 1:
        found = enumerated([f"{mm:g} mm ({counted(count, 'case')})" for mm, count in data.distances.items()])
        note(f"slices of the cases lie at several distances: {found}; a segmentation network resamples all to one")
    note(f"data set in {out}")
