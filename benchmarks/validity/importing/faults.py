"""Faults of an import as a whole: what goes wrong between a generator and a file, or between a file and a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from benchmarks.validity.importing.samples import Samples

Plant = Callable[[Samples, np.random.Generator], Samples]


@dataclass(frozen=True)
class ImportFault:
    """A fault of an import.

    Attributes:
        name: What happened.
        plant: Plants it into samples.
        called: Names of suspicions that describe it.
        kinds: Kinds of form in which it can happen.
        question: Word of the question that it raises, which a check may declare undetermined.
    """

    name: str
    plant: Plant
    called: tuple[str, ...]
    kinds: tuple[str, ...] = ("slices", "volumes")
    question: str = ""


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


def _zoomed(rows: float, columns: float) -> Plant:
    """Slices resized as if their pixels had another size; volumes whose header says so."""

    def plant(made: Samples, _: np.random.Generator) -> Samples:
        if made.depth > 1:
            row, column, z = made.spacing
            # a wrong size of all voxels, or one of two axes alone
            return replace(made, spacing=(row * rows, column * columns, z * (rows if rows == columns else 1)))
        images, masks = _resized(made.images, rows, columns, 1), _resized(made.masks, rows, columns, 0) > 0.5
        return replace(made, images=images, masks=masks)

    return plant


def _resized(stack: np.ndarray, rows: float, columns: float, order: int) -> np.ndarray:
    """Slices zoomed about their centre, in the same frame."""
    scaled = ndimage.zoom(stack.astype(np.float32), (1, rows, columns), order=order)
    for axis in (1, 2):
        n, m = stack.shape[axis], scaled.shape[axis]
        if m >= n:
            scaled = np.take(scaled, np.arange((m - n) // 2, (m - n) // 2 + n), axis)
        else:
            room = [(0, 0)] * 3
            room[axis] = (n - m) // 2, n - m - (n - m) // 2
            scaled = np.pad(scaled, room)
    return np.clip(scaled, 0, 1)


def _other_masks(made: Samples, _: np.random.Generator) -> np.ndarray:
    """The next sample's of the same bin and pathology; of volumes the next volume's."""
    if made.depth > 1:
        return np.roll(made.masks, made.depth, axis=0)
    masks = made.masks.copy()
    for b, p in set(zip(made.z_bin.tolist(), made.pathology.tolist(), strict=True)):
        rows = np.flatnonzero((made.z_bin == b) & (made.pathology == p))
        masks[rows] = made.masks[np.roll(rows, 1)]
    return masks


def _masks_above(made: Samples, _: np.random.Generator) -> np.ndarray:
    """Each mask from the next slice of its volume."""
    return np.roll(_volumes(made, made.masks), 1, axis=1).reshape(made.masks.shape)


def _volumes(made: Samples, stack: np.ndarray) -> np.ndarray:
    return stack.reshape(-1, made.depth, *stack.shape[1:])


def _reordered(made: Samples, order: list[int]) -> Samples:
    """Slices of each volume in another order."""
    images, masks = (_volumes(made, a)[:, order].reshape(a.shape) for a in (made.images, made.masks))
    return replace(made, images=images, masks=masks)


def _reversed(made: Samples, _: np.random.Generator) -> Samples:
    if made.depth > 1:
        return _reordered(made, list(range(made.depth))[::-1])
    return replace(made, z_bin=made.n_bins - 1 - made.z_bin, z=made.z.max() + made.z.min() - made.z)


def _as_text(made: Samples, _: np.random.Generator) -> Samples:
    """Bins or slices numbered from 1 whose names were sorted as text: 1, 10, 2, ..."""
    if made.depth > 1:
        return _reordered(made, sorted(range(made.depth), key=lambda z: f"{z + 1}.png"))
    first, last = int(made.z.min()), int(made.z.max())
    bins = sorted(range(made.n_bins), key=lambda b: f"bin{b + 1}")
    places = sorted(range(first, last + 1), key=lambda z: f"slice{z + 1}")
    return replace(made, z_bin=np.argsort(bins)[made.z_bin], z=first + np.argsort(places)[made.z - first])


def _one_bin_up(made: Samples, _: np.random.Generator) -> Samples:
    """Bins that another tool numbered from another end of the range; the last keeps its number."""
    width = -(-(made.z.max() - made.z.min() + 1) // made.n_bins)
    return replace(made, z_bin=np.minimum(made.z_bin + 1, made.n_bins - 1), z=np.minimum(made.z + width, made.z.max()))


def _repeated(made: Samples, _: np.random.Generator) -> Samples:
    """A fifth of the samples, or of the volumes, once more in place of the next ones."""
    n = max(1, len(made.images) // made.depth // 5) * made.depth
    images, masks = made.images.copy(), made.masks.copy()
    images[n : 2 * n], masks[n : 2 * n] = images[:n], masks[:n]
    return replace(made, images=images, masks=masks)


def _saved_twice(made: Samples, _: np.random.Generator) -> Samples:
    """The first tenth once more at the end."""
    n = max(1, len(made.images) // made.depth // 10) * made.depth
    columns = {name: getattr(made, name) for name in ("images", "masks", "z", "z_bin", "pathology")}
    return replace(made, **{name: np.concatenate([values, values[:n]]) for name, values in columns.items()})


def _of_some(every: int, change: Plant) -> Plant:
    """The change in one of so many samples, or volumes, and none in the others."""

    def plant(made: Samples, rng: np.random.Generator) -> Samples:
        changed = change(made, rng)
        # samples lie in the order of their conditions: chosen at random, every condition can have some
        units = rng.permutation(len(made.images) // made.depth) % every == 0
        chosen = np.repeat(units, made.depth)[:, None, None]
        images, masks = (
            np.where(chosen, a, b) for a, b in ((changed.images, made.images), (changed.masks, made.masks))
        )
        return replace(made, images=images, masks=masks)

    return plant


def _other_contrast(x: np.ndarray) -> np.ndarray:
    """Bright where the image was dark, inside the head."""
    return np.where(x > 0.1, 0.85 - 0.6 * x, x)


def _other_generator(x: np.ndarray) -> np.ndarray:
    """Smoother and darker."""
    return 0.7 * ndimage.gaussian_filter(x, (0, 2, 2))


def _own_range(x: np.ndarray) -> np.ndarray:
    """Each slice from its least to its greatest value."""
    low, high = x.min(axis=(1, 2), keepdims=True), x.max(axis=(1, 2), keepdims=True)
    return (x - low) / np.maximum(high - low, 1e-6)


_MIRRORED, _BACKWARDS = _laid(lambda x: x[:, :, ::-1]), _laid(lambda x: x[:, ::-1])
FAULTS = (
    ImportFault("left and right exchanged", _MIRRORED, ("orientation",), question="left"),
    ImportFault("front and back exchanged", _BACKWARDS, ("orientation",)),
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
    ImportFault("an offset before the cast to 8 bits", _valued(lambda x: x + 0.25), ("intensity",)),
    ImportFault("gamma of 1/2.2", _valued(lambda x: x ** (1 / 2.2)), ("intensity",)),
    ImportFault("gamma of 2.2", _valued(lambda x: x**2.2), ("intensity",)),
    ImportFault("each slice over its own range", _valued(_own_range), ("intensity",)),
    ImportFault("8-bit values in 16 bits", _valued(lambda x: x / 257), ("intensity",)),
    ImportFault("pixels of 0.8 of their size", _zoomed(0.8, 0.8), ("size", "order")),
    ImportFault("pixels of 1.25 of their size", _zoomed(1.25, 1.25), ("size", "order")),
    ImportFault("pixels taken for square", _zoomed(1, 0.85), ("size",)),
    ImportFault("images and masks off by 5 pixels", _laid(lambda x: np.roll(x, 5, 1)), ("place",)),
    ImportFault("masks off by 1 pixel", _masked(lambda m, _: np.roll(m.masks, 1, 2)), ("mask place", "pairs")),
    ImportFault("masks off by 3 pixels", _masked(lambda m, _: np.roll(m.masks, 3, 1)), ("mask place", "pairs")),
    ImportFault("masks mirrored", _masked(lambda m, _: m.masks[:, :, ::-1].copy()), ("pairs", "mask place")),
    ImportFault("masks of other images", _masked(_other_masks), ("pairs", "mask place")),
    ImportFault("masks of the next slice", _masked(_masks_above), ("pairs", "mask place"), ("volumes",)),
    ImportFault("lesion and background exchanged", _masked(lambda m, _: ~m.masks), ("masks",)),
    ImportFault("masks empty", _masked(lambda m, _: np.zeros_like(m.masks)), ("masks",), ("slices",), "masks"),
    ImportFault("order of z reversed", _reversed, ("order",)),
    ImportFault("sorted as text", _as_text, ("order",)),
    ImportFault("bins off by one", _one_bin_up, ("order",), ("slices",)),
    ImportFault("bins numbered from 1", lambda m, _: replace(m, z_bin=m.z_bin + 1), ("order",), ("slices",)),
    ImportFault(
        "bins of another number", lambda m, _: replace(m, z_bin=m.z_bin * 8 // 10, n_bins=8), ("order",), ("slices",)
    ),
    ImportFault("slices numbered from 1", lambda m, _: replace(m, z=m.z + 1), ("order",), ("slices",)),
    ImportFault(
        "pathology inverted",
        lambda m, _: replace(m, pathology=1 - m.pathology, declared="control"),
        ("masks", "pathology"),
    ),
    ImportFault("samples repeated", _repeated, ("repeated",)),
    ImportFault("a batch saved twice", _saved_twice, ("repeated",)),
    ImportFault("masks of 0, 2 and 255", lambda made, _: replace(made, labels=(0, 255, 2)), ()),
    ImportFault("masks with interpolated edges", lambda made, _: replace(made, soft=True), ()),
    ImportFault("images and masks exchanged", lambda made, _: replace(made, swapped=True), ("intensity",)),
    ImportFault("half of the samples mirrored", _of_some(2, _MIRRORED), ("part turned",), question="left"),
    ImportFault("half of the samples front to back", _of_some(2, _BACKWARDS), ("part turned",)),
    ImportFault("one sample of 20 inverted", _of_some(20, _valued(lambda x: 1 - x)), ("foreign",)),
    ImportFault("one sample of 20 of another contrast", _of_some(20, _valued(_other_contrast)), ("foreign",)),
    ImportFault("one sample of 20 of another generator", _of_some(20, _valued(_other_generator)), ("foreign",)),
)
"""Every fault; one that nothing may be called has to be refused."""
