"""Faults of an import as a whole: what goes wrong between a generator and a file, or between a file and a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from benchmarks.validity.import_files import Samples

Plant = Callable[[Samples, np.random.Generator], Samples]


@dataclass(frozen=True)
class ImportFault:
    """A fault, what it may be called, and in which kind of layout it can happen."""

    name: str
    plant: Plant
    called: tuple[str, ...]
    kinds: tuple[str, ...] = ("slices", "volumes")


def _laid(move: Callable[[np.ndarray], np.ndarray]) -> Plant:
    return lambda made, _: replace(
        made, images=np.ascontiguousarray(move(made.images)), masks=np.ascontiguousarray(move(made.masks))
    )


def _valued(change: Callable[[np.ndarray], np.ndarray]) -> Plant:
    return lambda made, _: replace(made, images=np.clip(change(made.images), 0, 1).astype(np.float32))


def _masked(change: Callable[[Samples, np.random.Generator], np.ndarray]) -> Plant:
    return lambda made, rng: replace(made, masks=change(made, rng))


def _wrapped(gain: float) -> Callable[[np.ndarray], np.ndarray]:
    """Scaled by 255 and more before the cast to 8 bits."""
    return lambda x: (np.rint(x * 255 * gain).astype(np.int64) % 256) / 255


def _zoomed(factor: float) -> Plant:
    """Slices resized as if their pixels had another size; volumes whose header says so."""

    def plant(made: Samples, _: np.random.Generator) -> Samples:
        if made.depth > 1:
            return replace(made, spacing=tuple(s * factor for s in made.spacing))
        return replace(made, images=_resized(made.images, factor, 1), masks=_resized(made.masks, factor, 0) > 0.5)

    return plant


def _resized(stack: np.ndarray, factor: float, order: int) -> np.ndarray:
    n = stack.shape[1]
    scaled = ndimage.zoom(stack.astype(np.float32), (1, factor, factor), order=order)
    m = scaled.shape[1]
    if m >= n:
        first = (m - n) // 2
        return np.clip(scaled[:, first : first + n, first : first + n], 0, 1)
    out, first = np.zeros(stack.shape, np.float32), (n - m) // 2
    out[:, first : first + m, first : first + m] = scaled
    return np.clip(out, 0, 1)


def _other_masks(made: Samples, _: np.random.Generator) -> np.ndarray:
    """The next sample's of the same bin and pathology; of volumes the next volume's."""
    if made.depth > 1:
        return np.roll(made.masks, made.depth, axis=0)
    masks = made.masks.copy()
    for b, p in set(zip(made.z_bin.tolist(), made.pathology.tolist(), strict=True)):
        rows = np.flatnonzero((made.z_bin == b) & (made.pathology == p))
        masks[rows] = made.masks[np.roll(rows, 1)]
    return masks


def _reversed(made: Samples, _: np.random.Generator) -> Samples:
    if made.depth == 1:
        return replace(made, z_bin=made.n_bins - 1 - made.z_bin)
    turned = [a.reshape(-1, made.depth, *a.shape[1:])[:, ::-1].reshape(a.shape) for a in (made.images, made.masks)]
    return replace(made, images=turned[0], masks=turned[1])


def _as_text(made: Samples, _: np.random.Generator) -> Samples:
    """Bins numbered from 1 whose names were sorted as text: 1, 10, 2, ..."""
    order = sorted(range(made.n_bins), key=lambda b: f"bin{b + 1}")
    return replace(made, z_bin=np.argsort(order)[made.z_bin])


def _repeated(made: Samples, _: np.random.Generator) -> Samples:
    """A fifth of the samples, or of the volumes, once more in place of the next ones."""
    n = max(1, len(made.images) // made.depth // 5) * made.depth
    images, masks = made.images.copy(), made.masks.copy()
    images[n : 2 * n], masks[n : 2 * n] = images[:n], masks[:n]
    return replace(made, images=images, masks=masks)


FAULTS = (
    ImportFault("left and right exchanged", _laid(lambda x: x[:, :, ::-1]), ("orientation",)),
    ImportFault("front and back exchanged", _laid(lambda x: x[:, ::-1]), ("orientation",)),
    ImportFault("transposed", _laid(lambda x: x.transpose(0, 2, 1)), ("orientation",)),
    ImportFault("turned by 90 degrees", _laid(lambda x: np.rot90(x, 1, (1, 2))), ("orientation",)),
    ImportFault("turned by 180 degrees", _laid(lambda x: x[:, ::-1, ::-1]), ("orientation",)),
    ImportFault("inverted", _valued(lambda x: 1 - x), ("inverted",)),
    ImportFault("wrapped at 8 bits", _valued(_wrapped(1.6)), ("wrapped", "intensity")),
    ImportFault("scaled by 255 twice", _valued(_wrapped(255)), ("wrapped", "intensity", "inverted")),
    ImportFault("window of 0.8 of the range", _valued(lambda x: x / 0.8), ("intensity",)),
    ImportFault("window of 1.25 of the range", _valued(lambda x: x / 1.25), ("intensity",)),
    ImportFault("[-1, 1] taken for [0, 1]", _valued(lambda x: x * 2 - 1), ("intensity",)),
    ImportFault("[0, 1] taken for [-1, 1]", _valued(lambda x: (x + 1) / 2), ("intensity",)),
    ImportFault("8-bit values in 16 bits", _valued(lambda x: x / 257), ("intensity",)),
    ImportFault("pixels of 0.8 of their size", _zoomed(0.8), ("size", "order")),
    ImportFault("pixels of 1.25 of their size", _zoomed(1.25), ("size", "order")),
    ImportFault("masks off by 1 pixel", _masked(lambda m, _: np.roll(m.masks, 1, 2)), ("mask place", "pairs")),
    ImportFault("masks off by 3 pixels", _masked(lambda m, _: np.roll(m.masks, 3, 1)), ("mask place", "pairs")),
    ImportFault("masks mirrored", _masked(lambda m, _: m.masks[:, :, ::-1].copy()), ("pairs", "mask place")),
    ImportFault("masks of other images", _masked(_other_masks), ("pairs", "mask place")),
    ImportFault("lesion and background exchanged", _masked(lambda m, _: ~m.masks), ("masks",)),
    ImportFault("masks empty", _masked(lambda m, _: np.zeros_like(m.masks)), ("masks",), ("slices",)),
    ImportFault("order of z reversed", _reversed, ("order",)),
    ImportFault("bins sorted as text", _as_text, ("order",), ("slices",)),
    ImportFault("samples repeated", _repeated, ("repeated",)),
    ImportFault("masks of 0, 2 and 255", lambda made, _: replace(made, labels=(0, 255, 2)), ()),
    ImportFault("images and masks exchanged", lambda made, _: replace(made, swapped=True), ("intensity",)),
)
"""Every fault; one that nothing may be called has to be refused."""
