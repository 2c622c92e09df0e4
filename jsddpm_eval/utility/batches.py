"""The batches of a training, drawn so that arms differ only in their training sets.

Real slices, their order and their lesions are the same for every arm of a seed; an arm replaces some of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jsddpm_eval.functional.augmentation import augmented
from jsddpm_eval.functional.transplant import blended, carved
from jsddpm_eval.real_slices import Images, Masks, Rows, Slices
from jsddpm_eval.utility.arms import PASTED, Arm
from jsddpm_eval.utility.cohort import Fold
from jsddpm_eval.utility.protocol import Training


class Batches:
    """An endless stream of batches of one arm in one fold.

    Args:
        slices: All real slices.
        fold: The fold.
        arm: What is shown.
        training: Size of a batch, and its share of lesion slices.
        key: Numbers that decide the draws; equal ones for all arms that are to be paired.
    """

    def __init__(self, slices: Slices, fold: Fold, arm: Arm, training: Training, key: tuple[int, ...]) -> None:
        self._slices, self._fold, self._arm, self._training = slices, fold, arm, training
        self._real = _pools(fold.train, slices.masks[fold.train])
        generated = fold.generated
        self._made = None if generated is None else _pools(np.arange(len(generated.images)), generated.masks)
        self._rng = {name: np.random.default_rng([*key, crc32(name.encode())]) for name in ("real", "made", "pasted")}
        self._draw = torch.Generator().manual_seed(int(np.random.default_rng(key).integers(1 << 62)))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Images in [0, 1] and masks of 0 and 1, both float32 ``(B, 1, H, W)``."""
        while True:
            images, masks = self._next()
            pair = torch.from_numpy(images)[:, None], torch.from_numpy(masks)[:, None].float()
            yield augmented(*pair, self._draw) if self._arm.augmented else pair

    def _next(self) -> tuple[Images, Masks]:
        size = self._training.batch_size
        lesion = np.arange(size) < round(self._training.lesion_share * size)
        rows = _picked(self._real, lesion, self._rng["real"])
        images, masks = self._slices.images[rows], self._slices.masks[rows]
        if self._arm.transplant is not None:
            for place in np.flatnonzero(lesion)[: round(PASTED * lesion.sum())]:
                images[place], masks[place] = self._pasted(int(rows[place]))
        if self._arm.generated and self._made is not None and self._fold.generated is not None:
            chosen = self._rng["made"].permutation(size)[: round(self._arm.generated * size)]
            rows_drawn = _picked(self._made, lesion[chosen], self._rng["made"])
            images[chosen], masks[chosen] = (
                self._fold.generated.images[rows_drawn],
                self._fold.generated.masks[rows_drawn],
            )
        return images, masks

    def _pasted(self, donor: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The lesion of a slice in a slice of another training patient, of the same bin where there is one."""
        s, rng, pool = self._slices, self._rng["pasted"], self._fold.train
        others = pool[s.patient[pool] != s.patient[donor]]
        near = others[s.z_bin[others] == s.z_bin[donor]]
        host = int(rng.choice(near if len(near) else others))
        slices = s.images[host], s.masks[host], s.images[donor], s.masks[donor]
        return blended(*slices) if self._arm.transplant == "poisson" else carved(*slices, rng)


def _pools(rows: Rows, masks: Masks) -> tuple[Rows, Rows]:
    """Rows without and with a lesion; where there are none of one kind, those of the other."""
    ill = masks.any((1, 2))
    without, with_ = rows[~ill], rows[ill]
    return (without if len(without) else with_), (with_ if len(with_) else without)


def _picked(pools: tuple[Rows, Rows], lesion: NDArray[np.bool_], rng: np.random.Generator) -> Rows:
    """A row for each place, with a lesion where it is asked for."""
    places = rng.random(len(lesion))
    sizes = np.where(lesion, len(pools[1]), len(pools[0]))
    numbers = (places * sizes).astype(np.intp)
    return np.where(lesion, pools[1][np.where(lesion, numbers, 0)], pools[0][np.where(lesion, 0, numbers)])
