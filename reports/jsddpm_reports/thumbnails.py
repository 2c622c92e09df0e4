"""A sheet of a store's subjects: one slice of each, the lesion outlined."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from jsddpm.slices.store import SliceStore
from jsddpm.wording import counted
from jsddpm_reports.figures import ORANGE, styled

_COLUMNS = 8
_MOST = 64


@styled
def thumbnail_sheet(store: SliceStore) -> Figure:
    """One slice per subject: where the lesion is largest, else where the brain is, else the middle one.

    At most 64 subjects are shown; the title says how many there are.
    """
    index = store.index
    shown = min(len(store.subjects), _MOST)
    rows = []
    for subject in range(shown):
        slices = np.flatnonzero(index["subject"] == subject)
        lesion, brain = index["lesion_pixels"][slices], np.nan_to_num(index["brain_fraction"][slices])
        rank = lesion if lesion.any() else brain if brain.any() else -np.abs(np.arange(len(slices)) - len(slices) // 2)
        rows.append(int(slices[np.argmax(rank)]))
    chosen = np.asarray(rows, np.intp)
    images, masks = store.images(chosen), store.masks(chosen)
    height = -(-shown // _COLUMNS)
    figure = Figure(figsize=(1.25 * _COLUMNS, 1.55 * height + 0.4), layout="constrained")
    axes = figure.subplots(height, _COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, row, image, mask in zip(axes, chosen, images, masks, strict=False):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if mask.any():
            axis.contour(mask, levels=[0.5], colors=[ORANGE], linewidths=0.8)
        axis.set_title(store.slice_name(int(row)), fontsize=6)
    subjects = counted(len(store.subjects), "subject")
    figure.suptitle(f"{store.kind} store {store.fingerprint}: {shown} of {subjects}", fontsize=9)
    return figure
