"""Masks that lie beside their lesions, belong to other images, or mark the background."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from jsddpm.wording import counted
from jsddpm_eval.import_check.suspicion import CHANCE, PLAIN, RealReference, Suspicion, Values
from jsddpm_eval.slice_table import SliceTable

_REACH = 8
"""Pixels by which masks are moved to either side, in slices of 64; more in larger ones."""
_MOST_REACH = 12
_RING = 3
_FEW = 6  # pixels of a mask, below which its contrast says little
_MOST = 0.5  # of the slice: a lesion that large is the background
_KEPT = 0.5  # of the contrast of real lesions
_AGREED = CHANCE**0.5  # each of two halves


def masks(reference: RealReference, generated: SliceTable) -> list[Suspicion]:
    """Suspicions about the masks of a set; none if either side has no masks."""
    if not _comparable(reference.real, generated):
        return []
    return misread(reference.real, generated) or _placed(reference, generated)


def misread(real: SliceTable, generated: SliceTable) -> list[Suspicion]:
    """A suspicion if masks are empty or inverted, with any number of patients; none if either side has no masks."""
    if not _comparable(real, generated):
        return []
    lesions = generated.where(generated.pathology == 1)
    share = lesions.mapped(lambda t: t.masks.double().mean(dim=(1, 2))).numpy()
    if (share > _MOST).mean() > 0.5:
        what = f"masks cover {share.mean():.0%} of lesion slices"
        return [Suspicion("masks", what, "exchange lesion and background: --mask-label 0")]
    if not share.any():
        cure = "check --mask-label, --mask-threshold and which files are the masks"
        return [Suspicion("masks", "no slice that was to have a lesion has one in its mask", cure)]
    return []


def _comparable(real: SliceTable, generated: SliceTable) -> bool:
    """Whether both sides have masks, and some samples a lesion."""
    return real.has_masks and generated.has_masks and bool((generated.pathology == 1).any())


def _placed(reference: RealReference, generated: SliceTable) -> list[Suspicion]:
    """A suspicion if masks do not lie on the lesions of their images."""
    reach = min(_MOST_REACH, max(_REACH, _REACH * max(reference.real.size) // 64))
    real, imported = (
        reference.once("contrasts", lambda: _contrasts(reference.real, reach)),
        _contrasts(generated, reach),
    )
    at_mask = reference.compare(real[:, reach, reach], generated, imported[:, reach, reach])
    if at_mask is None:
        return []
    sign = float(np.sign(at_mask.real))
    if moved := _moved(reference, generated, sign * real, sign * imported, reach):
        rows, columns = moved
        directions = [f"{counted(abs(rows), 'pixel')} {'above' if rows > 0 else 'below'}"] * bool(rows)
        directions += [f"{counted(abs(columns), 'pixel')} {'left' if columns > 0 else 'right'} of"] * bool(columns)
        what = f"masks lie {' and '.join(directions)} what the images show"
        return [Suspicion("mask place", what, "check how images and masks were cropped, padded or resized")]
    if at_mask.p_value < PLAIN and sign * at_mask.generated < _KEPT * sign * at_mask.real:
        what = (
            f"images show little where masks are: contrast {at_mask.generated:.2f}, at real lesions {at_mask.real:.2f}"
        )
        cure = (
            "check that images and masks of the same sample are paired and lie the same way, and that images are sharp"
        )
        return [Suspicion("pairs", what, cure)]
    return []


def _moved(
    reference: RealReference, generated: SliceTable, real: Values, imported: Values, reach: int
) -> tuple[int, int] | None:
    """Rows and columns by which masks are misplaced; found in one half of the units, and tested in the other."""
    half = np.unique(generated.unit.numpy(), return_inverse=True)[1] % 2
    defined = np.isfinite(imported[:, reach, reach])
    moves = []
    for number in (0, 1):
        picked = imported[(half == number) & defined]
        if not len(picked):
            return None
        row, column = np.unravel_index(int(picked.mean(0).argmax()), picked.shape[1:])
        gains = [values[:, row, column] - values[:, reach, reach] for values in (real, imported)]
        comparison = reference.compare(gains[0], generated, np.where(half == number, np.nan, gains[1]))
        if comparison is None or comparison.p_value > _AGREED or not comparison.real < 0 < comparison.generated:
            return None
        moves.append((int(row) - reach, int(column) - reach))
    apart = max(abs(a - b) for a, b in zip(*moves, strict=True))
    return moves[0] if apart <= 1 else None


def _contrasts(table: SliceTable, reach: int) -> Values:
    """Contrast of each image at its mask moved by up to ``reach``, ``(N, 2 * reach + 1, 2 * reach + 1)``.

    The mean inside the mask less that of a ring of 3 pixels around it, in standard deviations of the slice; NaN for
    slices without a lesion.
    """
    return table.mapped(lambda t: _of_lesions(t, reach)).numpy()


def _of_lesions(part: SliceTable, reach: int) -> Tensor:
    """:func:`_contrasts` of one batch."""
    out = torch.full((len(part), 2 * reach + 1, 2 * reach + 1), torch.nan, dtype=torch.float64)
    keep = torch.nonzero((part.pathology == 1) & (part.masks.sum(dim=(1, 2)) >= _FEW))[:, 0]
    if len(keep):
        lesions = part.where(keep)
        out[keep] = _moved_contrast(lesions.images, lesions.masks.float(), reach).double()
    return out


def _moved_contrast(images: Tensor, lesion: Tensor, reach: int) -> Tensor:
    """The contrasts by cross-correlation of padded slices, float64 ``(n, 2 * reach + 1, 2 * reach + 1)``."""
    grown = F.max_pool2d(lesion[:, None], 2 * _RING + 1, stride=1, padding=_RING)[:, 0]
    size = [s + 2 * reach for s in images.shape[1:]]
    spectrum = torch.fft.rfft2(images.double(), s=size)

    def moved(weights: Tensor) -> Tensor:
        kernel: Tensor = (weights / weights.sum(dim=(1, 2), keepdim=True).clamp_min(1)).double()
        every: Tensor = torch.fft.irfft2(spectrum * torch.fft.rfft2(kernel, s=size).conj(), s=size)
        return every.roll((reach, reach), dims=(1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]

    scale: Tensor = images.double().std(dim=(1, 2)).clamp_min(1e-3)[:, None, None]
    return (moved(lesion) - moved(grown - lesion)) / scale
