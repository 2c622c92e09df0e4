"""``jsddpm cache import``, and its options: the layout, and facts that the files do not state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jsddpm.slices.importing.items import asked_pathology
from jsddpm.slices.importing.layouts import import_layouts
from jsddpm.wording import counted
from jsddpm_cli import sources
from jsddpm_cli.console import FormatOption, command_line, emit, note, tracked
from jsddpm_cli.options import BinsOption

if TYPE_CHECKING:
    LayoutName = str
else:
    LayoutName = Literal[("auto", *import_layouts())]

LayoutOption = Annotated[
    LayoutName,
    typer.Option(
        help="\n".join([*(f"{k}: {v.help}" for k, v in import_layouts().items()), "auto: the only one that fits."]),
        metavar="LAYOUT",
    ),
]
PathologyOption = Annotated[
    str | None,
    typer.Option(
        help="Pathology that samples were conditioned on, if the files do not say it; mask: take it from the masks.",
        metavar="control|lesion|mask",
    ),
]
FieldsOption = Annotated[
    str | None,
    typer.Option(
        help="Pattern of the file names, such as 'z{z_bin}_c{pathology}'; fields are {z_bin}, {z}, {pathology}, {seed} "
        "and {group}; {} is any text."
    ),
]
WithoutMasksOption = Annotated[bool, typer.Option("--without-masks", help="Import images that have no masks.")]
ValueRangeOption = Annotated[
    tuple[float, float] | None, typer.Option(help="Values that are mapped to 0 and 1.", metavar="LO HI")
]
WindowOption = Annotated[
    bool, typer.Option("--window", help="Window each volume as the real ones were: by percentiles inside the brain.")
]
ClipOption = Annotated[bool, typer.Option("--clip", help="Clip the few values outside the range to its ends.")]
AxesOption = Annotated[
    str | None,
    typer.Option(
        help="Direction of each axis (R, L, A, P, S or I): LPS for volumes whose affine does not say it; of rows and "
        "columns for slices."
    ),
]
SpacingOption = Annotated[
    tuple[float, float, float] | None,
    typer.Option(help="Size of a voxel of the volumes in mm, along the axes of --axes.", metavar="MM MM MM"),
]
FirstSliceOption = Annotated[
    int | None,
    typer.Option(
        help="Slice of the real store at which each volume begins (default: volumes lie in the middle).", min=0
    ),
]
ModalityOption = Annotated[str, typer.Option(help="Which images to take, in BIDS, nnU-Net and Med-DDPM layouts.")]
ControlsOption = Annotated[
    list[str] | None,
    typer.Option(help="Pattern of BIDS or nnU-Net volumes without a lesion and without a mask; repeatable."),
]


def import_(
    source: Annotated[
        Path, typer.Argument(help="Table, folder or file of samples, in one of the layouts of --layout.")
    ],
    real: Annotated[Path, typer.Option(help="Real store to compare the samples with.")],
    z_range: Annotated[tuple[int, int], typer.Option(help="First and last slice that was binned.", metavar="LO HI")],
    out: Annotated[Path, typer.Option(help="New folder for the generated store.")],
    bins: BinsOption = 10,
    layout: LayoutOption = "auto",
    pathology: PathologyOption = None,
    fields: FieldsOption = None,
    without_masks: WithoutMasksOption = False,
    value_range: ValueRangeOption = None,
    window: WindowOption = False,
    clip: ClipOption = False,
    mask_label: sources.MaskLabelOption = None,
    mask_threshold: sources.MaskThresholdOption = None,
    axes: AxesOption = None,
    spacing: SpacingOption = None,
    modality: ModalityOption = "flair",
    controls: ControlsOption = None,
    root: sources.RootOption = None,
    first_slice: FirstSliceOption = None,
    image_key: Annotated[str | None, typer.Option(help="Name of the image array in .npz files.")] = None,
    mask_key: Annotated[str | None, typer.Option(help="Name of the mask array in .npz files.")] = None,
    how: FormatOption = "table",
) -> None:
    """Make a generated store from the slices or volumes of any generator.

    Nothing is guessed: if the files do not say something that has to be known, the error names the option that says it.

    --format json lists the warnings and what could not be checked.
    """
    from jsddpm.binning import ZBinning
    from jsddpm.errors import JsddpmError, usage_error
    from jsddpm.slices.imported import Facts, IntensityFormat, import_slices
    from jsddpm.slices.store import SliceStore
    from jsddpm.wording import first_names
    from jsddpm_eval.import_check.check import import_check
    from jsddpm_eval.import_check.copies import of_patients
    from jsddpm_eval.slice_table import SliceTable

    store = SliceStore(real)
    try:
        binning = ZBinning(z_range, bins, n_slices=store.n_slices)
    except JsddpmError as error:
        cure = "give the --z-range and --bins with which the samples were generated"
        raise usage_error(error.code, error.what, fix=cure) from None
    labels = sources.mask_reading(mask_label, mask_threshold).labels
    reading = IntensityFormat(
        value_range=value_range, mask_threshold=mask_threshold, mask_labels=labels, window=window, clip=clip
    )
    facts = Facts(
        pathology=None if pathology is None else asked_pathology(pathology), fields=fields, axes=axes, spacing=spacing,
        masks=not without_masks, modality=modality, controls=tuple(controls or ()), root=root, image_key=image_key,
        mask_key=mask_key, first_slice=first_slice,
    )  # fmt: skip
    with tracked("import") as bar:
        import_slices(
            source, out, binning=binning, real=store, intensities=reading, facts=facts, layout=layout,
            progress=bar.update,
        )  # fmt: skip
    imported = SliceStore(out)
    origin = imported.info["provenance"]["imported"]
    for told in origin.get("notes", []):
        note(told)
    if origin["files_left"]:
        note(f"files that were not imported: {first_names(origin['files_left'])}")
    reference, table = SliceTable.from_store(store, binning), SliceTable.from_store(imported)
    check = import_check(reference, binning)
    suspicions, untold = [*of_patients(reference, table), *check.suspicions(table)], check.untold(table)
    for suspicion in suspicions:
        note(f"warning: {suspicion}")
    for question in untold:
        note(f"not checked: {question}")
    found = {"slices": len(imported.index), "layout": origin["layout"], "files_left": origin["files_left"]}
    found |= {"notes": origin.get("notes", []), "warnings": [vars(suspicion) for suspicion in suspicions]}
    emit(None, found | {"not_checked": untold}, how)
    note(f"{counted(len(imported.index), 'slice')} in {out} (layout {origin['layout']}); evaluate them with")
    note(command_line("jsddpm", "eval", "--real", real, "--generated", out, "--bin-aware"), unbroken=True)
