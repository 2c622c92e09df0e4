"""Augmented pairs stay pairs: the mask moves with the image, and the same draw gives the same pair."""

from __future__ import annotations

import pytest
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


@pytest.mark.parametrize("size", [(64, 192), (192, 64), (96, 96)], ids=str)
@pytest.mark.parametrize("upright", [False, True], ids=["lying", "upright"])
def test_pairs_are_turned_by_up_to_fifteen_degrees_whatever_the_shape_of_the_slice(size, upright):
    """The angle of a bar, by its second moments, in pixels."""
    bar = torch.zeros(400, 1, *size)
    rows, columns = (15, 2) if upright else (2, 15)
    bar[..., size[0] // 2 - rows : size[0] // 2 + rows, size[1] // 2 - columns : size[1] // 2 + columns] = 1
    _, masks = augmented(bar, bar, torch.Generator().manual_seed(0))
    angles = []
    for mask in masks[:, 0]:
        row, column = (v - v.mean() for v in torch.nonzero(mask).double().unbind(1))
        angles.append(0.5 * torch.atan2(2 * (row * column).mean(), (column**2 - row**2).mean()))
    turned = torch.rad2deg(torch.stack(angles))
    turned = 90 - turned.abs() if upright else turned.abs()
    assert 13 < turned.max() < 16
