"""A checkpoint on other bins: the same bins change nothing, other bins inherit by overlap."""

from __future__ import annotations

import pytest
import torch

from jsddpm.binning import Condition, ZBinning
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import KEY, checkpoint_info, load_denoiser, read_checkpoint, write_checkpoint
from jsddpm.diffusion.conditioning import load_embedding
from jsddpm.errors import JsddpmError
from jsddpm.registry import EMBEDDINGS
from jsddpm.training.progress import last_checkpoint
from jsddpm.training.rebin import overlap_weights, rebin_checkpoint
from jsddpm.training.run import train
from synthetic import N_SLICES


def rebinned(run, tmp_path, config, **changes):
    new = config.binning.model_copy(update=changes)
    out = tmp_path / "new.ckpt"
    mapping = rebin_checkpoint(last_checkpoint(run), out, new)
    return read_checkpoint(last_checkpoint(run))["state_dict"], read_checkpoint(out)["state_dict"], mapping, out


def test_the_same_binning_changes_no_weight(run, tiny_config, tmp_path):
    old, new, mapping, out = rebinned(run, tmp_path, tiny_config)
    assert old.keys() == new.keys()
    assert all(torch.equal(old[k], new[k]) for k in old)
    assert mapping.orphans == ()
    assert checkpoint_info(out).token_counts == checkpoint_info(last_checkpoint(run)).token_counts


def test_a_new_bin_is_the_mean_of_the_old_slices_in_it(run, tiny_config, tmp_path):
    old, new, _, out = rebinned(run, tmp_path, tiny_config, n_bins=3, z_range=(8, 37))
    before, after = ZBinning((5, 34), 5, n_slices=N_SLICES), ZBinning((8, 37), 3, n_slices=N_SLICES)
    for prefix in ("denoiser.", "ema.module."):
        name = f"{prefix}embedding.z_bin.weight"
        for k in range(3):
            inside = [before.index(z) for z in after.slices(k) if 5 <= z <= 34]
            expected = torch.stack([old[name][b] for b in inside]).double().mean(0)
            assert torch.allclose(new[name][k].double(), expected, atol=1e-6)
        assert torch.equal(new[name][3], old[name][5])  # the null vector
    assert load_denoiser(out, expected=after)[1].binning == after
    changed = {k for k in old if old[k].shape != new[k].shape or not torch.equal(old[k], new[k])}
    assert changed == {"denoiser.embedding.z_bin.weight", "ema.module.embedding.z_bin.weight"}


def test_bins_without_an_ancestor_are_named():
    mapping = overlap_weights(ZBinning((0, 9), 5, n_slices=40), ZBinning((5, 34), 3, n_slices=40))
    assert mapping.orphans == tuple(Condition(k, p) for k in (1, 2) for p in (0, 1))
    assert torch.allclose(mapping.ancestors.sum(2), torch.ones(3, 3, dtype=torch.float64))
    with pytest.raises(JsddpmError, match="REBIN"):
        overlap_weights(ZBinning((0, 9), 5, n_slices=40), ZBinning((0, 9), 5, n_slices=41))


@pytest.mark.parametrize("kind", ["token", "factored"])
def test_a_vector_that_was_never_trained_is_in_no_mean(store, tmp_path, kind):
    """Of the old lesion bins only bin 1 counts as trained, of controls bins 1 and 2; the others hold 100."""
    from conftest import TINY

    config = load_config("demo", [*TINY, "trainer.max_steps=1", "trainer.check_every=1", "logging.grid=0",
                                  f"model.condition_embedding={kind}", "binning.n_bins=3"])  # fmt: skip
    loaded = dict(read_checkpoint(train(config, store, tmp_path / "run")))
    name = f"ema.module.embedding.{ {'token': 'token', 'factored': 'z_bin'}[kind] }.weight"
    vectors = torch.full_like(loaded["state_dict"][name], 100.0)
    trained = {"token": {1: 1.0, 2: 2.0, 4: 4.0}, "factored": {1: 1.0, 2: 2.0}}[kind]
    for row, value in trained.items():
        vectors[row] = value
    loaded["state_dict"] = loaded["state_dict"] | {name: vectors}
    loaded[KEY] = loaded[KEY] | {"token_counts": [0, 9, 9, 0, 9, 0]}
    write_checkpoint(tmp_path / "old.ckpt", loaded)
    # old bins 5-14, 15-24, 25-34; new ones 5-9, 10-14, ... of which the first two lay in the untrained one
    mapping = rebin_checkpoint(
        tmp_path / "old.ckpt", tmp_path / "new.ckpt", config.binning.model_copy(update={"n_bins": 6})
    )
    new = read_checkpoint(tmp_path / "new.ckpt")["state_dict"][name][:, 0].tolist()
    controls, lesions = [1.5, 1.5, 1, 1, 2, 2], [4.0] * 6
    assert new[:-1] == ([*controls, *lesions] if kind == "token" else controls)
    assert mapping.orphans == tuple(Condition(*pair) for pair in ((0, 0), (0, 1), (1, 0), (1, 1), (4, 1), (5, 1)))
    assert checkpoint_info(tmp_path / "new.ckpt").token_counts == (0, 0, 9, 9, 9, 9, 0, 0, 9, 9, 0, 0)


def test_token_embeddings_keep_pathologies_apart(store, tmp_path):
    from conftest import TINY

    config = load_config("demo", [*TINY, "model.condition_embedding=token"])
    train(config, store, tmp_path / "run")
    old, new, _, _ = rebinned(tmp_path / "run", tmp_path, config, n_bins=1)
    name = "denoiser.embedding.token.weight"
    assert new[name].shape[0] == 3
    for pathology in (0, 1):
        assert torch.allclose(new[name][pathology], old[name][5 * pathology : 5 * pathology + 5].mean(0), atol=1e-6)
    assert torch.equal(new[name][2], old[name][10])


def test_a_rebinned_checkpoint_starts_below_a_random_one(store, tmp_path):
    from conftest import TINY

    settings = [*TINY, "trainer.max_steps=60", "trainer.check_every=60", "data.batch_size=16"]
    learned = train(load_config("demo", settings), store, tmp_path / "learned")
    out = tmp_path / "start.ckpt"
    other = load_config("demo", [*settings, "binning.n_bins=3", "trainer.max_steps=1", "trainer.check_every=1"])
    rebin_checkpoint(learned, out, other.binning)
    losses = {}
    for name, warm in (("random", None), ("warm", out)):
        first = []
        train(
            other,
            store,
            tmp_path / name,
            warm_start=warm,
            progress=lambda _d, _t, v, f=first: f.append(v["train/loss"]),
        )
        losses[name] = first[0]
    assert losses["warm"] < 0.7 * losses["random"]


def test_a_warm_start_needs_the_same_binning_and_network(run, store, tiny_config, tmp_path):
    binning = tiny_config.binning.model_copy(update={"n_bins": 6})
    with pytest.raises(JsddpmError, match="BINNING_MISMATCH"):
        train(
            tiny_config.model_copy(update={"binning": binning}), store, tmp_path / "a", warm_start=last_checkpoint(run)
        )
    model = tiny_config.model.model_copy(update={"channels": (16, 16)})
    with pytest.raises(JsddpmError, match="does not fit this network"):
        train(tiny_config.model_copy(update={"model": model}), store, tmp_path / "b", warm_start=last_checkpoint(run))


@pytest.mark.parametrize("kind", EMBEDDINGS.names())
def test_every_embedding_fits_its_new_bins_and_keeps_the_null_vector(kind):
    old, new = ZBinning((0, 9), 5, n_slices=10), ZBinning((2, 9), 3, n_slices=10)
    before, after = (load_embedding(kind)(binning, 8) for binning in (old, new))
    after.load_state_dict(before.rebinned(before.state_dict(), overlap_weights(old, new).ancestors))
    null = [e(torch.tensor([b.null_token])) for e, b in ((before, old), (after, new))]
    assert torch.equal(*null)
    unchanged = before.rebinned(before.state_dict(), torch.eye(5, dtype=torch.float64).expand(3, 5, 5))
    assert all(torch.equal(unchanged[name], value) for name, value in before.state_dict().items())
