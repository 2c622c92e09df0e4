"""Make the pictures of faults in this folder: python docs/tutorial/faults.py.

Phantom patients are made and divided as ``jsddpm selftest`` divides them. Each picture shows slices of them at the
left, and at the right the same samples with the fault that a check looks for, planted as ``jsddpm selftest`` plants it.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.measure import find_contours

from jsddpm.binning import ZBinning
from jsddpm.cohort.phantom import make_phantom_cohort
from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.sources import read_cohort
from jsddpm.files import write_bytes
from jsddpm.slices.build import build_slice_cache
from jsddpm_eval.real_slices import GeneratedArrays, Images, Masks
from jsddpm_eval.selftest.cohort import opened
from jsddpm_eval.selftest.fault import known_faults
from jsddpm_eval.selftest.world import World

SUBJECTS, CONTROLS, SAMPLES = 24, 6, 8
SPEC = Preprocessing((112, 136, 112), (1.5, 1.5, 1.5))
BINNING = ZBinning((20, 99), 8, n_slices=112)
ORANGE, BLACK = (255, 140, 26), (0, 0, 0)
GAP, WIDTH = 6, 1480

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Example:
    """What the picture of a check shows.

    Attributes:
        fault: Name of a planted fault.
        strength: Its strength.
        z_bin: Bin of the slices.
        pathology: 0 control, 1 lesion.
        shown: Samples at each side, numbered within the condition.
        part: Rows and columns that are shown, in pixels; the whole head where None.
    """

    fault: str
    strength: float
    z_bin: int
    pathology: int
    shown: tuple[int, ...]
    part: tuple[slice, slice] | None = None


DETAIL = slice(20, 76), slice(28, 84)
EXAMPLES = {
    "collapsed": Example("few_slices", 1, 4, 0, (0, 1, 2)),
    "control_lesion": Example("control_lesions", 1, 4, 0, (0, 1)),
    "copied": Example("copy_turned", 4, 4, 0, (0, 1, 2)),
    "disobeyed": Example("lesions_unmasked", 1, 4, 1, (2, 7)),
    "intensity": Example("bias_field", 0.4, 5, 0, (0, 1, 2)),
    "lesion_contrast": Example("masks_moved", 10, 4, 1, (2, 7)),
    "lesion_shape": Example("masks_more_parts", 4, 4, 1, (2, 7)),
    "misplaced": Example("bins_up", 3, 3, 0, (0, 1, 2)),
    "outliers": Example("garbage_tiles", 0.2, 4, 0, (0, 1, 2)),
    "outline": Example("narrowed", 0.85, 4, 0, (0, 1, 2)),
    "sharpness": Example("blur", 1.5, 4, 0, (0, 2), DETAIL),
    "texture": Example("checkerboard", 0.05, 4, 0, (0, 2), DETAIL),
    "unlike_real": Example("quantised", 8, 4, 0, (0, 2), DETAIL),
}
"""By name of the check."""


def main(out: Path, store: Path) -> None:
    """Write one WebP picture for each check.

    Args:
        out: Folder of the pictures.
        store: Slice store of phantom patients.
    """
    world = opened(store, BINNING, seed=0).world(SAMPLES, np.random.default_rng(0))
    for check, example in EXAMPLES.items():
        target = io.BytesIO()
        drawn(example, world).save(target, "webp", quality=82, method=6)
        write_bytes(out / f"{check}.webp", target.getvalue())


def phantom_store(folder: Path) -> Path:
    """A store of phantom patients."""
    cohort = make_phantom_cohort(folder / "cohort", subjects=SUBJECTS, controls=CONTROLS)
    build_slice_cache(read_cohort(cohort).require_clean(), folder / "store", spec=SPEC)
    return folder / "store"


def drawn(example: Example, world: World) -> Image.Image:
    """Real slices at the left of an orange line, samples with the fault at its right, masks outlined."""
    planted = known_faults()[example.fault].generate(world, example.strength, np.random.default_rng(0))
    rows = np.flatnonzero((world.z_bin == example.z_bin) & (world.pathology == example.pathology))[list(example.shown)]
    real = _copied(planted, rows, world) if example.fault.startswith("copy") else world.draw[rows]
    sides = [
        list(_panels(world.slices.images[real], world.slices.masks[real], example)),
        list(_panels(planted.images[rows], planted.masks[rows], example)),
    ]
    line, gap = (np.full((len(sides[0][0]), GAP, 3), colour, np.uint8) for colour in (ORANGE, BLACK))
    parts = [*_spaced(sides[0], gap), gap, line, gap, *_spaced(sides[1], gap)]
    return Image.fromarray(np.concatenate(parts, axis=1))


def _copied(planted: GeneratedArrays, rows: NDArray[np.intp], world: World) -> list[np.intp]:
    """The training slice of its bin that is nearest to each sample, by squared difference."""
    slices, nearest = world.slices, []
    for row in rows:
        pool = world.training[slices.z_bin[world.training] == planted.z_bin[row]]
        nearest.append(pool[np.argmin(((slices.images[pool] - planted.images[row]) ** 2).sum((1, 2)))])
    return nearest


def _panels(images: Images, masks: Masks, example: Example) -> Iterator[Picture]:
    """Each slice in colours, enlarged by a whole number of times."""
    part = example.part or (slice(None), slice(None))
    for whole, outlined in zip(images, masks, strict=True):
        image, mask = whole[part], outlined[part]
        times = max(1, (WIDTH // (2 * len(images)) - GAP) // image.shape[1])
        grey = np.clip(np.round(image * 255), 0, 255).astype(np.uint8).repeat(times, 0).repeat(times, 1)
        picture = Image.fromarray(grey).convert("RGB")
        pen = ImageDraw.Draw(picture)
        for line in find_contours(np.pad(mask.astype(np.float32), 1), 0.5):
            pen.line([(float(x - 0.5) * times, float(y - 0.5) * times) for y, x in line], ORANGE, 3)
        yield np.asarray(picture)


def _spaced(panels: list[Picture], gap: Picture) -> list[Picture]:
    return [part for panel in panels for part in (gap, panel)][1:]


if __name__ == "__main__":
    here = Path(__file__).parent / "faults"
    if len(sys.argv) > 1:
        main(here, Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(here, phantom_store(Path(folder)))
