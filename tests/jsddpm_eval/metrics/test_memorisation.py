"""Copies show in features."""

from __future__ import annotations

import torch

from worlds import World


def test_copying_shows_in_features_too():
    world = World(patients=30)
    train = world.image[(world.z_bin == 0) & ~world.held_out]
    noise = 0.01 * torch.from_numpy(world.rng.standard_normal((20, *world.size))).float()
    made = (train[:20] + noise).clamp(0, 1), world.new(20)
    copied, fresh = (world.scores(m, metrics=["memorisation"])[0] for m in made)
    assert copied["copying_z_rows"].value < -3
    assert abs(fresh["copying_z_rows"].value) < 3
    assert copied["authenticity_rows"].value < 0.2 < fresh["authenticity_rows"].value
    assert copied["copying_z_rows"].baseline > copied["copying_z_rows"].value + 3


def test_few_held_out_patients_make_it_unreliable():
    world = World(patients=6)
    score = world.scores(world.new(4), metrics=["memorisation"])[0]["copying_z_rows"]
    assert (score.status, score.reason) == ("unreliable", "2 held-out patients")
