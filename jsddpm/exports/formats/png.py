"""PNG pictures of 8 bits, an image and a mask (0 or 255) of every slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jsddpm.exports.formats import ExportFormat
from jsddpm.files import atomic_open

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jsddpm.exports.cases import Case
    from jsddpm.exports.dataset import DataSet


def _write(data: DataSet, folder: Path, done: Callable[[], None]) -> None:
    from PIL import Image

    for case in data.cases:
        for name, picture in _pictures(case):
            with atomic_open(folder / f"{name}.png") as stream:
                Image.fromarray(picture).save(stream, "PNG")
        done()
    data.write_origin(folder)


def _pictures(case: Case) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Names and pixels ``(H, W)`` of a case's slices; those of a volume have its name and their position."""
    import numpy as np

    names = [case.name] if len(case.rows) == 1 else [f"{case.name}_z{z:03d}" for z in case.z]
    for name, row in zip(names, case.rows, strict=True):
        yield f"{name}_image", np.rint(case.store.images(row[None])[0] * 255).astype(np.uint8)
        if case.store.has_masks:
            yield f"{name}_mask", case.store.masks(row[None])[0].astype(np.uint8) * 255


FORMAT = ExportFormat(
    name="png",
    help="8-bit pictures of every slice, CASE_image.png and CASE_mask.png",
    write=_write,
    one_unit=False,
    folds=False,
)
