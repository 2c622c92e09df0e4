"""``jsddpm view``: a page on which a volume and its mask are looked through."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jsddpm_cli.console import FormatOption, emit, note

app = typer.Typer()
ORDER = 76


@app.command(epilog="Example: jsddpm view brains-nifti/synthetic_0000_image.nii.gz --out view.html")
def view(
    image: Annotated[Path, typer.Argument(help="Volume, .nii or .nii.gz.")],
    out: Annotated[Path, typer.Option(help="New HTML file.")],
    mask: Annotated[Path | None, typer.Option(help="Mask of the volume.")] = None,
    how: FormatOption = "table",
) -> None:
    """Write a page with three planes of a volume that follow the pointer, with its mask over them; it works offline."""
    from jsddpm.cohort.nifti import open_nifti
    from jsddpm.files import write_text
    from jsddpm.places import refuse_existing
    from jsddpm_reports.viewer import volume_page

    refuse_existing(out)
    volume, lesion = open_nifti(image, flat=True), None if mask is None else open_nifti(mask, flat=True)
    write_text(out, volume_page(volume, lesion, title=image.name))
    emit(None, {"out": str(out), "shape": list(volume.data.shape), "mask": mask is not None}, how)
    note(f"written {out}")
