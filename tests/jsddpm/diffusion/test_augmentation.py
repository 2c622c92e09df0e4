"""Moved slices: labels stay true, amounts say what was done, and without amounts nothing is done."""

from __future__ import annotations

import math

import pytest
import torch

from conftest import TINY
from jsddpm.binning import ZBinning
from jsddpm.config import load_config
from jsddpm.diffusion.augmentation import AMOUNTS, augmented
from jsddpm.diffusion.checkpoint import load_denoiser
from jsddpm.diffusion.denoiser import Denoiser
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.sections import AugmentationConfig, ModelConfig
from jsddpm.training.export import export_checkpoint
from jsddpm.training.run import train

SIZE = (48, 40)
ALONE = {"scale": 0.0, "rotation": 0.0, "stretch": 0.0, "shift": 0.0}


def discs(count, row=24.0, column=20.0, radius=9.0):
    """Slices whose image and mask are one and the same disc, with a soft edge in the image."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]) + 0.5, torch.arange(SIZE[1]) + 0.5, indexing="ij")
    distance = ((y - row) ** 2 + (x - column) ** 2).sqrt()
    image = ((radius - distance).clamp(-1, 1) + 1) / 2
    return torch.stack([image, (distance < radius).float()])[None].repeat(count, 1, 1, 1) * 2 - 1


def moved(x0, seed=0, **settings):
    config = AugmentationConfig(**settings)
    made, amounts = augmented(x0, config, torch.Generator().manual_seed(seed))
    return made, dict(zip(AMOUNTS, amounts.T, strict=True))


def places(x0):
    """Centre (row, column) and area of the disc of each image, in pixels."""
    disc = (x0[:, 0] + 1) / 2
    y, x = torch.meshgrid(torch.arange(SIZE[0]) + 0.5, torch.arange(SIZE[1]) + 0.5, indexing="ij")
    area = disc.sum((1, 2))
    return (disc * y).sum((1, 2)) / area, (disc * x).sum((1, 2)) / area, area


def test_amounts_of_zero_mean_that_nothing_was_done():
    x0 = torch.randn(200, 2, *SIZE)
    made, amounts = augmented(x0, AugmentationConfig(probability=0.2), torch.Generator().manual_seed(0))
    still = (amounts == 0).all(1)
    assert 30 < still.sum() < 150  # 0.8 ** 4 of them are expected, 82
    assert torch.equal(made[still], x0[still])
    assert not any(torch.equal(a, b) for a, b in zip(made[~still], x0[~still], strict=True))


def test_each_transformation_moves_its_share_evenly_to_either_side():
    _, amounts = moved(discs(4000), probability=0.25, flip=True)
    for name, share in (("flip", 0.125), ("scale", 0.25), ("sine", 0.25), ("stretch_row", 0.25), ("shift_row", 0.25)):
        assert float((amounts[name] != 0).float().mean()) == pytest.approx(share, abs=0.025), name
    for name in ("scale", "sine", "stretch_column", "stretch_row", "shift_column", "shift_row"):
        values = amounts[name]
        assert abs(float(values.mean())) < 4 * float(values.std()) / 4000**0.5, name
    assert float(amounts["scale"][amounts["scale"] != 0].std()) == pytest.approx(1, abs=0.1)


def test_image_and_mask_move_together_and_masks_stay_masks():
    made, _ = moved(discs(300), probability=0.7, flip=True)
    assert set(made[:, 1].unique().tolist()) == {-1.0, 1.0}
    assert float(made[:, 0].min()) >= -1
    assert float(made[:, 0].max()) <= 1
    differs = ((made[:, 0] > 0) != (made[:, 1] > 0)).float().mean((1, 2))
    assert float(differs.max()) < 0.02  # pixels of the edge: of 254, at 1920


def test_the_amounts_are_what_was_done():
    x0 = discs(200, row=20.0, column=24.0)
    made, amounts = moved(x0, probability=1.0, **ALONE | {"shift": 0.05})
    row, column, _ = places(made)
    assert torch.allclose(row, 20 + 0.05 * SIZE[0] * amounts["shift_row"], atol=0.1)
    assert torch.allclose(column, 24 + 0.05 * SIZE[1] * amounts["shift_column"], atol=0.1)
    made, amounts = moved(x0, probability=1.0, **ALONE | {"scale": 0.2})
    assert torch.allclose((places(made)[2] / places(x0)[2]).log2() / 2, 0.2 * amounts["scale"], atol=0.03)
    made, amounts = moved(x0, probability=1.0, **ALONE | {"rotation": 90.0})
    row, column, _ = places(made)
    found = torch.atan2(column - SIZE[1] / 2, row - SIZE[0] / 2) - math.atan2(4, -4)
    asked = torch.atan2(amounts["sine"], 1 + amounts["cosine"])
    assert torch.allclose(torch.stack([found.cos(), -found.sin()]), torch.stack([asked.cos(), asked.sin()]), atol=0.05)
    made, amounts = moved(x0, probability=1.0, **ALONE | {"stretch": 0.2})
    assert torch.allclose(places(made)[2], places(x0)[2], rtol=0.03)
    assert (made != x0).flatten(1).any(1).all()


@pytest.mark.parametrize("aspect", [0.5, 1.5])
def test_heads_are_turned_and_scaled_in_mm(aspect):
    """A round head of radius 8 columns, whose rows are ``aspect`` columns apart, is round at any angle and size."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]) + 0.5, torch.arange(SIZE[1]) + 0.5, indexing="ij")
    distance = (((y - 24) * aspect) ** 2 + (x - 20) ** 2).sqrt()
    image = ((8 - distance).clamp(-1, 1) + 1) / 2
    head = torch.stack([image, (distance < 8).float()])[None].repeat(60, 1, 1, 1) * 2 - 1
    config, generator = (
        AugmentationConfig(probability=1.0, **ALONE | {"rotation": 90.0, "scale": 0.1}),
        torch.Generator(),
    )
    made, amounts = augmented(head, config, generator.manual_seed(0), aspect=aspect)
    disc = (made[:, 0] + 1) / 2
    area = disc.sum((1, 2))
    second = [(disc * place**2).sum((1, 2)) / area for place in ((y - 24) * aspect, x - 20)]
    radius = 8 * 2 ** (0.1 * amounts[:, AMOUNTS.index("scale")])
    for moment in second:
        assert torch.allclose((4 * moment).sqrt(), radius, rtol=0.03)  # of a disc, r ** 2 / 4
    # a point of a known place goes where a rotation in mm takes it
    spot = (((y - 24) * aspect) ** 2 + (x - 20 - 8) ** 2 < 4).float()
    turned, amounts = augmented(torch.stack([spot, spot])[None].repeat(60, 1, 1, 1) * 2 - 1,
                                AugmentationConfig(probability=1.0, **ALONE | {"rotation": 90.0}),
                                generator.manual_seed(1), aspect=aspect)  # fmt: skip
    found = (turned[:, 0] + 1) / 2
    places = [(found * place).sum((1, 2)) / found.sum((1, 2)) for place in ((y - 24) * aspect, x - 20)]
    cosine, sine = amounts[:, AMOUNTS.index("cosine")] + 1, amounts[:, AMOUNTS.index("sine")]
    assert torch.allclose(places[1], 8 * cosine, atol=0.3)
    assert torch.allclose(places[0].abs(), 8 * sine.abs(), atol=0.3)


def test_laterality_is_kept_unless_asked_for():
    x0 = discs(100, column=12.0)
    made, amounts = moved(x0, probability=1.0, **ALONE)
    assert torch.equal(made, x0)
    made, amounts = moved(x0, probability=1.0, flip=True, **ALONE)
    assert 30 < amounts["flip"].sum() < 70
    flipped = amounts["flip"] == 1
    assert torch.allclose(made[flipped], x0[flipped].flip(-1), atol=1e-5)
    assert torch.equal(made[~flipped], x0[~flipped])


def test_a_lesion_that_would_get_lost_keeps_its_slice_where_it_is():
    x0 = discs(400, row=1.0, column=1.0, radius=1.5)
    made, amounts = moved(x0, probability=1.0, **ALONE | {"shift": 0.3})
    assert (made[:, 1] > 0).flatten(1).any(1).all()
    still = amounts["shift_row"] == 0
    assert 100 < still.sum() < 390
    assert torch.equal(made[still], x0[still])


def test_a_network_that_is_told_nothing_is_the_one_without_amounts():
    binning, config = ZBinning((0, 9), 2, n_slices=10), ModelConfig(channels=(8, 16), norm_num_groups=4, patch_size=2)
    network = Denoiser(config, binning, (16, 12), augmented=True).eval()
    plain = Denoiser(config, binning, (16, 12)).eval()
    missing, extra = plain.load_state_dict(network.state_dict(), strict=False)
    assert (missing, extra) == ([], ["embedding.amounts.weight"])
    x, t, tokens = torch.randn(3, 2, 16, 12), torch.tensor([0, 500, 999]), torch.tensor([0, 3, 4])
    none = torch.zeros(3, len(AMOUNTS))
    with torch.no_grad():
        assert torch.equal(network(x, t, tokens), plain(x, t, tokens))
        assert torch.equal(network(x, t, tokens, amounts=none), plain(x, t, tokens))
        assert not torch.allclose(network(x, t, tokens, amounts=none + 1), plain(x, t, tokens))


def test_an_augmented_run_trains_the_amounts_and_its_checkpoint_is_sampled_and_exported(store, tmp_path):
    config = load_config("demo", [*TINY, "augmentation.probability=0.8", "logging.grid=0"])
    last = train(config, store, tmp_path / "run")
    network, info = load_denoiser(last, weights="raw")
    torch.manual_seed(config.seed)
    first = Denoiser(config.model, info.binning, info.size, augmented=True)
    name = "embedding.amounts.weight"
    assert not torch.equal(network.state_dict()[name], first.state_dict()[name])
    drawn = JointPipeline.from_checkpoint(last)([(0, 0)], num_per_condition=2)
    again = JointPipeline.from_checkpoint(export_checkpoint(last, tmp_path / "model"))([(0, 0)], num_per_condition=2)
    assert (drawn.images == again.images).all()
