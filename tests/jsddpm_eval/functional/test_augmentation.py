"""Augmented pairs stay pairs: the mask moves with the image, and the same draw gives the same pair."""

from __future__ import annotations

import torch

from jsddpm_eval.functional.augmentation import augmented


def squares(count):
    image = torch.zeros(count, 1, 32, 24)
    image[..., 10:20, 8:16] = 1
    return image


def test_the_mask_moves_with_the_image():
    image, mask = augmented(squares(64), squares(64), torch.Generator().manual_seed(0))
    assert ((image > 0.5) != (mask > 0.5)).float().mean() < 0.02
    areas = mask.sum((1, 2, 3))
    assert areas.min() > 40  # nothing is moved out of the picture
    assert areas.unique().numel() > 8
    assert image.min() >= 0
    assert image.max() <= 1


def test_one_draw_gives_one_pair():
    first, again, other = (augmented(squares(4), squares(4), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[1], other[1])
