"""Registration finds rotations, scales, shifts and reflections that were planted."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy import ndimage

from jsddpm_eval.functional.patterns import pattern
from jsddpm_eval.functional.registration import mirrored, registered, searched, shifted, small, turned


def image(seed, side=64):
    """Smooth structure that fades towards the edges."""
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((side, side)), 2)
    axis = np.linspace(-1, 1, side)
    return texture * np.exp(-(((axis[:, None] ** 2 + axis**2) / 0.5) ** 2))


def warped(values, degrees, scale):
    """Rotated and scaled about its centre by SciPy."""
    angle, centre = np.deg2rad(degrees), (np.array(values.shape) - 1) / 2
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    return ndimage.affine_transform(values, matrix, centre - matrix @ centre, order=3)


def patterns(*values):
    return pattern(torch.from_numpy(np.stack(values)).float())


@pytest.mark.parametrize("mirror", [0, 1])
def test_a_planted_rotation_scale_and_shift_is_found(mirror):
    query = image(0)
    planted = np.roll(warped(query[:, ::-1] if mirror else query, 8, 1.07), (3, -2), (0, 1))
    first, *candidates = patterns(query, planted, image(1), image(2)).unbind()
    turned_query, moved, value = registered(first[None], torch.stack(candidates)[None], torch.full((1, 3), mirror))
    assert value[0, 0] > 0.9
    assert value[0, 1:].max() < 0.5
    back = torch.roll(candidates[0], (-3, 2), (0, 1))
    assert torch.equal(moved[0, 0], back)
    np.testing.assert_allclose((turned_query * moved).sum((2, 3)), value, atol=1e-4)
    *_, unmirrored = registered(first[None], torch.stack(candidates)[None], torch.full((1, 3), 1 - mirror))
    assert unmirrored[0, 0] < 0.5


def test_a_shift_is_the_best_of_all_within_reach():
    """A quarter of a side of 24 is 6 pixels; every shift is tried by hand."""
    query, other = patterns(image(3, 24), image(4, 24)).unbind()
    candidates = torch.stack([torch.roll(query, (4, -6), (0, 1)), other])[None]
    moved, value = shifted(torch.stack([query, query])[None], candidates)
    for k in range(2):
        tried = {
            (i, j): float((torch.roll(candidates[0, k], (i, j), (0, 1)) * query).sum())
            for i, j in product(range(-6, 7), repeat=2)
        }
        best = max(tried, key=tried.get)
        assert float(value[0, k]) == pytest.approx(tried[best], abs=1e-5)
        assert torch.equal(moved[0, k], torch.roll(candidates[0, k], best, (0, 1)))
    assert max(tried.values()) < 0.9
    assert float(value[0, 0]) == pytest.approx(1, abs=1e-5)


def test_the_search_tries_every_shift_of_averages_on_both_sides():
    queries = patterns(image(5, 16), image(6, 16))
    others = patterns(image(7, 16), image(5, 16)[:, ::-1], image(8, 16))
    found = searched(queries, small(others).flatten(1), steps=1)
    assert found.shape == (2, 2, 3)

    def averaged(values):
        mean = np.asarray(values, float).reshape(8, 2, 8, 2).mean((1, 3))
        return mean / np.linalg.norm(mean)

    for i, side, k in product(range(2), range(2), range(3)):
        shown = averaged(queries[i].numpy()[:, ::-1] if side else queries[i].numpy())
        tried = [(np.roll(shown, move, (0, 1)) * averaged(others[k])).sum() for move in product((-1, 0, 1), repeat=2)]
        assert float(found[i, side, k]) == pytest.approx(max(tried), abs=1e-5)


def test_quarter_turns_and_reflections_move_whole_pixels():
    values = torch.rand(2, 10, 10, generator=torch.Generator().manual_seed(0))
    found = turned(values, (0.0, 180.0))
    np.testing.assert_allclose(found[:, 0], values, atol=1e-5)
    np.testing.assert_allclose(found[:, 1], values.flip(1, 2), atol=1e-5)
    quarter = turned(values, (90.0,))[:, 0]
    assert any(np.allclose(quarter, torch.rot90(values, k, (1, 2)), atol=1e-5) for k in (1, 3))
    assert torch.equal(mirrored(values)[:, 1], values.flip(2))
    tall = torch.rand(1, 12, 6, generator=torch.Generator().manual_seed(1))  # a half turn of what is not square
    np.testing.assert_allclose(turned(tall, (180.0,))[:, 0], tall.flip(1, 2), atol=1e-5)
