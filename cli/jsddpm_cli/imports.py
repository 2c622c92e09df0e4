"""``jsddpm cache import``, and its options: which layout, and what files cannot say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jsddpm.slices.importing.items import Pathology
from jsddpm.slices.importing.layouts import import_layouts
from jsddpm_cli import sources
from jsddpm_cli.console import note, tracked

if TYPE_CHECKING:
    LayoutName = str
else:
    LayoutName = Literal[("auto", *import_layouts())]

LayoutOption = Annotated[
    LayoutName,
    typer.Option(
        help="; ".join([*(f"{k}: {v.help}" for k, v in import_layouts().items()), "auto: the only one that fits."])
    ),
]
PathologyOption = Annotated[
    Pathology | None, typer.Option(help="What slices were asked for, where files do not say it; mask: as it shows.")
]
FieldsOption = Annotated[
    str | None,
    typer.Option(
        help="What file names say, such as 'z{z_bin}_c{pathology}_{}'; {z}, {seed} and {group} too, {} is anything."
    ),
]
WithoutMasksOption = Annotated[bool, typer.Option("--without-masks", help="The generator makes no masks.")]
ValueRangeOption = Annotated[
    tuple[float, float] | None, typer.Option(help="Values that mean 0 and 1.", metavar="LO HI")
]
WindowOption = Annotated[
    bool, typer.Option("--window", help="Window each volume as real ones were: percentiles inside the brain.")
]
ClipOption = Annotated[bool, typer.Option("--clip", help="Take the few values that leave the range to its ends.")]
AxesOption = Annotated[
    str | None,
    typer.Option(
        help="Where axes lead (R, L, A, P, S, I): LPS of volumes whose affine says nothing, rows and columns of slices."
    ),
]
SpacingOption = Annotated[
    tuple[float, float, float] | None, typer.Option(help="Voxel size of volumes in mm, along those axes.")
]
ModalityOption = Annotated[str, typer.Option(help="Which images, of BIDS, nnU-Net and Med-DDPM.")]
ControlsOption = Annotated[
    list[str] | None, typer.Option(help="Pattern of BIDS or nnU-Net volumes that have no lesion, and no mask.")
]


def import_(
    source: Annotated[Path, typer.Argument(help="Table, folder or file of samples, in one of the layouts.")],
    real: Annotated[Path, typer.Option(help="Real store it will be compared with.")],
    z_range: Annotated[tuple[int, int], typer.Option(help="Slices that were binned.", metavar="LO HI")],
    out: Annotated[Path, typer.Option(help="New folder for the generated store.")],
    bins: Annotated[int, typer.Option(help="Number of bins.")] = 10,
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
    image_key: Annotated[str | None, typer.Option(help="Image array of .npz files.")] = None,
    mask_key: Annotated[str | None, typer.Option(help="Mask array of .npz files.")] = None,
) -> None:
    """Make a generated store of the slices or volumes that any generator left.

    What the files do not say has to be said by an option, and the error names it; nothing is guessed.
    """
    from jsddpm.binning import ZBinning
    from jsddpm.slices.imported import Facts, IntensityFormat, import_slices
    from jsddpm.slices.store import SliceStore
    from jsddpm_eval.import_check.check import import_check
    from jsddpm_eval.slice_table import SliceTable

    store = SliceStore(real)
    binning = ZBinning(z_range, bins, n_slices=store.n_slices)
    labels = sources.mask_reading(mask_label, mask_threshold).labels
    reading = IntensityFormat(value_range, mask_threshold, image_key, mask_key, labels, window, clip)
    facts = Facts(pathology, fields, axes, spacing, not without_masks, modality, tuple(controls or ()), root)
    with tracked("import") as bar:
        import_slices(
            source, out, binning=binning, real=store, intensities=reading, facts=facts, layout=layout,
            progress=bar.update,
        )  # fmt: skip
    made = SliceStore(out)
    origin = made.info["provenance"]["imported"]
    if origin["files_left"]:
        note(f"files that were not taken: {', '.join(origin['files_left'])}")
    check, table = import_check(SliceTable.from_store(store, binning), binning), SliceTable.from_store(made)
    for suspicion in check.suspicions(table):
        note(f"warning: {suspicion}")
    for question in check.untold(table):
        note(f"not told: {question}")
    note(f"{len(made.index)} slices in {out} (layout {origin['layout']}); evaluate them with")
    note(f"jsddpm eval --real {real} --generated {out} --bin-aware")
