"""A run leaves what it promises, resumes to the same bytes, and refuses what does not belong together."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
import torch

from conftest import TINY
from jsddpm.binning import ZBinning
from jsddpm.checksums import write_recorded
from jsddpm.config import load_config
from jsddpm.diffusion.checkpoint import KEY, checkpoint_info, load_denoiser, read_checkpoint
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.files import json_bytes, partial_prefix
from jsddpm.sections import EmaConfig, OptimizerConfig
from jsddpm.slices.dataset import SliceDataset
from jsddpm.training.callbacks import Pictures
from jsddpm.training.module import JointDDPM, learning_rate_factor
from jsddpm.training.progress import last_checkpoint, read_provenance, training_store
from jsddpm.training.run import train
from state import weights
from synthetic import BINNING


class StopError(Exception):
    """Ends training from outside."""


def test_leaves_config_provenance_metrics_and_checkpoints(run, store, tiny_config):
    assert load_config(run / "config.yaml") == tiny_config
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["store"]["fingerprint"] == store.fingerprint
    assert provenance["split"] == {"train": 4, "val": 1, "test": 1}
    assert training_store(run) == store.path.resolve()
    with open(run / "metrics.csv", newline="") as stream:
        names = set(next(csv.reader(stream)))
    assert {"train/loss", "train/image", "train/mask", "val/mse", "val/psnr", "val/ssim"} <= names
    info = checkpoint_info(run / "checkpoints" / "last.ckpt")
    assert (info.step, info.binning, info.size) == (4, BINNING, store.size)
    assert sum(info.token_counts) == 4 * 30
    assert not list(run.rglob("*.partial"))


def test_resuming_in_the_middle_gives_the_bytes_of_an_uninterrupted_run(run, store, tiny_config, tmp_path):
    def stop_at_three(done, total, values):
        if done == 3:
            raise StopError

    with pytest.raises(StopError):
        train(tiny_config, store, tmp_path / "run", progress=stop_at_three)
    assert checkpoint_info(tmp_path / "run" / "checkpoints" / "last.ckpt").step == 2
    resumed = train(tiny_config, store, tmp_path / "run", resume=True)
    whole, again = weights(run / "checkpoints" / "last.ckpt"), weights(resumed)
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[k], again[k]) for k in whole)


def test_resuming_with_other_settings_or_store_is_refused(run, store, tiny_config, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    other = tiny_config.model_copy(update={"seed": 1})
    with pytest.raises(JsddpmError, match=r"RESUME.*seed: 0 before, 1 now"):
        train(other, store, tmp_path / "run", resume=True)
    binning = tiny_config.binning.model_copy(update={"n_bins": 6})
    with pytest.raises(JsddpmError, match="n_bins: 5 in the checkpoint, 6"):
        train(tiny_config.model_copy(update={"binning": binning}), store, tmp_path / "run", resume=True)


def test_keys_that_do_not_enter_the_result_may_change(run, store, tiny_config, tmp_path):
    """As after a killed loading process: the weights are those of a run that was not interrupted."""

    def stop_at_three(done, total, values):
        if done == 3:
            raise StopError

    out, settings = tmp_path / "run", ["data.residence=mapped", "data.workers=2", "trainer.collective_timeout=77"]
    with pytest.raises(StopError):
        train(load_config("demo", [*TINY, *settings]), store, out, progress=stop_at_three)
    last = train(tiny_config, store, out, resume=True)
    whole = weights(run / "checkpoints" / "last.ckpt")
    assert all(torch.equal(whole[k], v) for k, v in weights(last).items())
    assert load_config(out / "config.yaml") == checkpoint_info(last).config == tiny_config
    (resumed,) = read_provenance(out)["resumed"]
    changed = {"data.residence": "memory", "data.workers": 0, "trainer.collective_timeout": 1800}
    assert (resumed["changed"], resumed["bit_exact"]) == (changed, True)


def test_a_resumption_elsewhere_is_allowed_and_recorded(store, tiny_config, tmp_path):
    """A run that began on a GPU and is resumed here, twice: only the second can be exact."""
    out = tmp_path / "run"

    def stop_at(step):
        def progress(done, total, values):
            if done == step:
                raise StopError

        return progress

    with pytest.raises(StopError):
        train(tiny_config, store, out, progress=stop_at(3))
    begun = read_provenance(out)
    assert (begun["processes"], begun["precision"], "resumed" in begun) == (1, "32-true", False)
    write_recorded(out / "provenance.json", json_bytes(begun | {"device": "NVIDIA H100"}))
    with pytest.raises(StopError):
        train(tiny_config, store, out, resume=True, progress=stop_at(3))
    ours, others = (out / f"{partial_prefix(out / name)}abcdefgh.partial" for name in ("curves.png", "samples"))
    ours.write_bytes(b"of a killed run")
    others.mkdir()
    train(tiny_config, store, out, resume=True)
    assert (ours.exists(), others.exists()) == (False, True)
    first, second = read_provenance(out)["resumed"]
    assert (first["step"], first["bit_exact"], first["device"]) == (2, False, begun["device"])
    assert (second["step"], second["bit_exact"], second["versions"]) == (2, True, begun["versions"])


@pytest.mark.parametrize(("threads", "exact"), [(1, True), (2, False)])
def test_another_number_of_threads_is_not_called_exact(store, tiny_config, tmp_path, threads, exact):
    """Threads of a CPU add in another order: after 4 steps weights differ in the ninth digit."""

    def stop_at_three(done, total, values):
        if done == 3:
            raise StopError

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with pytest.raises(StopError):
            train(tiny_config, store, tmp_path / "run", progress=stop_at_three)
        torch.set_num_threads(threads)
        train(tiny_config, store, tmp_path / "run", resume=True)
    finally:
        torch.set_num_threads(before)
    (resumed,) = read_provenance(tmp_path / "run")["resumed"]
    assert (resumed["threads"], resumed["bit_exact"]) == (threads, exact)


def test_an_existing_run_is_never_overwritten(run, store, tiny_config):
    with pytest.raises(JsddpmError, match="EXISTS"):
        train(tiny_config, store, run)


@pytest.mark.parametrize("drawn_by", ["pictures", "judge"])
def test_samples_that_are_not_finite_lose_no_step(run, store, tiny_config, tmp_path, monkeypatch, drawn_by):
    """Also at the first check; the weights and scores of the resumed run are those of an undisturbed one."""

    def broken(self, *_):
        raise JsddpmError("NON_FINITE", "samples are not finite", fix="none", status=ExitStatus.NON_FINITE)

    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        if drawn_by == "pictures":
            patched.setattr(JointPipeline, "sample", broken)
        else:
            patched.setattr(Pictures, "on_validation_epoch_end", broken, raising=False)
        with pytest.raises(JsddpmError, match=r"NON_FINITE.*another sampling.sampler.*last.ckpt \(step 2\)"):
            train(tiny_config, store, out)
    resumed = train(tiny_config, store, out, resume=True)
    whole = weights(run / "checkpoints" / "last.ckpt")
    assert all(torch.equal(whole[k], v) for k, v in weights(resumed).items())
    scores = []
    for folder in (out, run):
        with open(folder / "metrics.csv", newline="") as stream:
            scores.append([(row["step"], row["val/mse"]) for row in csv.DictReader(stream) if row["val/mse"]])
    assert scores[0] == scores[1]
    assert len(scores[0]) == 2


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(store, tiny_config, tmp_path, monkeypatch):
    steps = iter(range(100))
    honest = JointDDPM.draw

    def poisoned(self, batch, chunk):
        drawn = honest(self, batch, chunk)
        return drawn._replace(noise=drawn.noise * (float("nan") if next(steps) >= 3 else 1))

    monkeypatch.setattr(JointDDPM, "draw", poisoned)
    with pytest.raises(JsddpmError, match=r"NON_FINITE_LOSS.*at step 3.*last.ckpt \(step 2") as caught:
        train(tiny_config, store, tmp_path / "run")
    assert caught.value.status is ExitStatus.NON_FINITE
    assert all(v.isfinite().all() for v in weights(tmp_path / "run" / "checkpoints" / "last.ckpt").values())


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(store, tiny_config, tmp_path, monkeypatch):
    """The loss of that step is finite; without the check the poisoned weights would be saved as the last good ones."""
    honest, calls = JointDDPM.loss, iter(range(100))

    def poisoned(self, batch, step, chunk):
        weight = self.denoiser.unet.conv_in.weight
        if next(calls) == 3:
            weight.register_hook(lambda gradient: gradient * float("inf"))
        return honest(self, batch, step, chunk)

    monkeypatch.setattr(JointDDPM, "loss", poisoned)
    config = tiny_config.model_copy(
        update={"trainer": tiny_config.trainer.model_copy(update={"check_every": 1, "max_steps": 9})}
    )
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    with pytest.raises(JsddpmError, match=r"gradient is not finite at step 3.*last.ckpt \(step 3, the last good one\)"):
        train(config, store, tmp_path / "run")
    assert checkpoint_info(last).step == 3
    assert all(v.isfinite().all() for v in weights(last).values())


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
def test_one_batch_is_overfitted(store, kind):
    """The same slices, noise and timesteps again and again: a sound gradient drives the loss down."""
    settings = [*TINY, f"diffusion.prediction_type={kind}", "model.channels=[16,32]"]
    config = load_config("demo", [*settings, "objective.min_snr_gamma=null", "objective.snr_floor=null"])
    torch.manual_seed(0)
    module = JointDDPM(config, config.binning.for_store(store.n_slices), store.size)
    batch = SliceDataset(store, module.binning, "train").batch(torch.arange(40, 44))
    optimizer = torch.optim.AdamW(module.denoiser.parameters(), lr=1e-2)
    losses = []
    for _ in range(80):
        loss = module.loss(batch, 0, 0).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.25 * losses[0]


def test_an_unwritable_place_is_found_before_the_first_step(store, tiny_config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JsddpmError, match="NOT_WRITABLE"):
        train(tiny_config, store, tmp_path / "file" / "run", progress=lambda *_: pytest.fail("a step was made"))


def test_sampling_uses_the_averaged_weights_by_default(run):
    state = weights(last_checkpoint(run))
    averaged, _ = load_denoiser(last_checkpoint(run))
    raw, _ = load_denoiser(last_checkpoint(run), weights="raw")
    name = "unet.conv_in.weight"
    assert torch.equal(averaged.state_dict()[name], state[f"ema.module.{name}"])
    assert torch.equal(raw.state_dict()[name], state[f"denoiser.{name}"])
    assert not torch.equal(averaged.state_dict()[name], raw.state_dict()[name])


def test_another_binning_is_refused_field_by_field(checkpoint):
    with pytest.raises(JsddpmError, match=r"z_range: \(5, 34\) in the checkpoint, \(6, 34\)") as caught:
        load_denoiser(checkpoint, expected=ZBinning((6, 34), 5, n_slices=40))
    assert caught.value.status is ExitStatus.USAGE


def test_absent_average_is_an_error_never_a_fallback(checkpoint):
    loaded = torch.load(checkpoint, weights_only=True)
    loaded["state_dict"] = {k: v for k, v in loaded["state_dict"].items() if not k.startswith("ema.")}
    torch.save(loaded, checkpoint)
    with pytest.raises(JsddpmError, match="has no ema weights"):
        load_denoiser(checkpoint)


class Gadget:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_code_in_a_checkpoint_never_runs(tmp_path):
    torch.save({KEY: Gadget(tmp_path / "fired")}, tmp_path / "c.ckpt")
    with pytest.raises(JsddpmError, match="cannot be loaded safely") as caught:
        read_checkpoint(tmp_path / "c.ckpt")
    assert caught.value.status is ExitStatus.INTEGRITY
    assert not (tmp_path / "fired").exists()


def test_damaged_foreign_and_future_checkpoints_are_named(checkpoint, tmp_path):
    raw = checkpoint.read_bytes()
    for content in (b"", raw[: len(raw) // 2], b"text"):
        checkpoint.write_bytes(content)
        with pytest.raises(JsddpmError, match="CHECKPOINT"):
            read_checkpoint(checkpoint)
    torch.save({"state_dict": {}}, checkpoint)
    with pytest.raises(JsddpmError, match="not a checkpoint of jsddpm"):
        read_checkpoint(checkpoint)
    torch.save({KEY: {"version": 99}}, checkpoint)
    with pytest.raises(JsddpmError, match="version 99"):
        read_checkpoint(checkpoint)
    with pytest.raises(JsddpmError, match="MISSING"):
        read_checkpoint(tmp_path / "none.ckpt")


def test_learning_rate_warms_up_and_decays():
    config = OptimizerConfig(warmup_steps=10, final_share=0.1)
    rates = [learning_rate_factor(s, 100, config) for s in range(101)]
    assert rates[0] == pytest.approx(1 / 11)
    assert max(rates) == rates[10] == 1
    assert rates[100] == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        # decays 1 - (1 + n) ** -0.5 of steps 1, 2, 3: 0.29289, 0.42265, 0.5
        (0.9, [0.0, 0.70711, 0.29886, 0.64943]),
        (0.4, [0.0, 0.70711, 0.28284, 0.71314]),
    ],
)
def test_the_average_of_known_weights_is_the_one_worked_out_by_hand(store, tiny_config, decay, expected):
    """The network starts at 0, then stands at 1, 0, 1; the first update copies it."""
    config = tiny_config.model_copy(update={"ema": EmaConfig(decay=decay, warmup_power=0.5)})
    module = JointDDPM(config, config.binning.for_store(store.n_slices), store.size)
    for value, average in zip((0.0, 1.0, 0.0, 1.0), expected, strict=True):
        for parameter in module.denoiser.parameters():
            parameter.data.fill_(value)
        module.ema.update_parameters(module.denoiser)
        for parameter in module.averaged.parameters():
            assert torch.allclose(parameter, torch.tensor(average), atol=1e-5)


def test_flips_move_image_and_mask_together(store, tiny_config):
    config = tiny_config.model_copy(update={"data": tiny_config.data.model_copy(update={"flip": True})})
    module = JointDDPM(config, config.binning.for_store(store.n_slices), store.size)
    x0 = torch.randn(64, 2, *store.size)
    moved = module.draw({"x0": x0, "token": torch.zeros(64, dtype=torch.int64)})[0]
    flipped = [bool(torch.equal(a, b.flip(-1))) for a, b in zip(moved, x0, strict=True)]
    kept = [bool(torch.equal(a, b)) for a, b in zip(moved, x0, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 16 < sum(flipped) < 48


def test_empty_bins_train_only_when_asked_for_and_are_not_sampled(store, tmp_path):
    settings = [*TINY, "binning.z_range=[5,12]", "binning.n_bins=12", "trainer.max_steps=1", "trainer.check_every=1"]
    with pytest.raises(JsddpmError, match="N_BINS"):
        train(load_config("demo", settings), store, tmp_path / "a")
    last = train(load_config("demo", [*settings, "binning.allow_empty_bins=true"]), store, tmp_path / "b")
    info = checkpoint_info(last)
    used = {k for k in range(12) if info.binning.slices(k)}
    assert len(used) == 8
    assert {c.z_bin for c in info.trained} == used


def test_unknown_keys_are_answered_with_the_nearest(tmp_path):
    for override, hint in (("trainer.max_step=3", "trainer.max_steps"), ("optimiser.learning_rate=1", "optimizer")):
        with pytest.raises(JsddpmError, match=f"did you mean {hint}"):
            load_config("demo", [override])
    for text, what in (
        ("seed: 1\nseed: 2\n", "YAML"),
        ("- a\n", "mapping"),
        ("seed: !!python/object:os.system x\n", "YAML"),
    ):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(JsddpmError, match=what):
            load_config(tmp_path / "c.yaml")
    assert load_config(None, ["optimizer.learning_rate=1e-4"]).optimizer.learning_rate == 1e-4
