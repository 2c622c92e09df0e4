"""Mixed precision: 16-bit floats take the steps of 32-bit ones, and overflows are borne up to a limit."""

from __future__ import annotations

import logging
import warnings

import lightning as L  # noqa: N812 - the library's own convention
import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision

from conftest import TINY
from jsddpm.config import load_config
from jsddpm.errors import ExitStatus, JsddpmError
from jsddpm.training.module import MOST_SKIPPED
from jsddpm.training.run import prepare
from jsddpm.training.trainer import quiet

STEPS = 6
SETTINGS = [*TINY, f"trainer.max_steps={STEPS}", "trainer.gradient_clip=0.05", "optimizer.learning_rate=1e-3"]


class Norms(L.Callback):
    """Keeps the logged norm of every gradient."""

    def __init__(self):
        self.norms = []

    def on_train_batch_end(self, trainer, *_):
        self.norms.append(float(trainer.callback_metrics["train/gradient_norm"]))


def trained(store, settings, precision, scaler=None):
    """The module after its steps on the CPU, in Lightning's own mixed precision, and the norms of its gradients."""
    module, data, _ = prepare(load_config("demo", settings), store)
    plugin = {} if precision is None else {"plugins": [MixedPrecision(precision, "cpu", scaler)]}
    norms = Norms()
    with quiet():
        trainer = L.Trainer(
            accelerator="cpu", devices=1, max_steps=module.config.trainer.max_steps, limit_val_batches=0, logger=False,
            gradient_clip_val=module.config.trainer.gradient_clip, enable_checkpointing=False, callbacks=[norms],
            enable_progress_bar=False, enable_model_summary=False, **plugin,
        )  # fmt: skip
        trainer.fit(module, data)
    return module, norms.norms


def reference(store, settings):
    """The same steps in float32 by hand: gradient, clipped norm, AdamW."""
    module, data, _ = prepare(load_config("demo", settings), store)
    config = module.config
    optimizer = torch.optim.AdamW(
        module.denoiser.parameters(), lr=config.optimizer.learning_rate, weight_decay=config.optimizer.weight_decay
    )
    norms, batches = [], iter(data.train_dataloader())
    schedule = module.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = config.optimizer.learning_rate * schedule(step)
        module.loss(next(batches), step, step).total.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(module.denoiser.parameters(), config.trainer.gradient_clip)))
        optimizer.step()
        optimizer.zero_grad()
    return module, norms


@torch.no_grad()
def all_weights(module):
    return torch.cat([p.flatten() for p in module.denoiser.parameters()])


@pytest.mark.parametrize("scale", [2.0**16, 2.0**10])
def test_16_bit_steps_are_those_of_float32_whatever_the_loss_scale(store, scale):
    """Clipping at 0.05 bites in every step: gradients clipped while scaled would move by a 65536th."""
    start, _, _ = prepare(load_config("demo", SETTINGS), store)
    exact, norms = reference(store, SETTINGS)
    half, found = trained(
        store, [*SETTINGS, "trainer.precision=16-mixed"], "16-mixed", torch.amp.GradScaler("cpu", init_scale=scale)
    )
    assert min(norms) > 0.05
    assert found == pytest.approx(norms, rel=0.03)
    before, after, by_hand = (all_weights(m) for m in (start, half, exact))
    moved, wanted = after - before, by_hand - before
    assert float(torch.dot(moved, wanted) / moved.norm() / wanted.norm()) > 0.99
    assert float(moved.norm() / wanted.norm()) == pytest.approx(1, abs=0.02)


def test_overflows_are_skipped_up_to_the_limit_and_leave_the_weights_alone(store):
    """A loss scale far too large overflows; the scaler halves it until a step succeeds."""
    few = [*SETTINGS, "trainer.precision=16-mixed", "trainer.max_steps=30"]
    _, norms = trained(store, few, "16-mixed", torch.amp.GradScaler("cpu", init_scale=2.0**34))
    infinite = [not torch.isfinite(torch.tensor(n)) for n in norms]
    assert 0 < sum(infinite) <= MOST_SKIPPED
    assert not infinite[-1]


def test_more_overflows_in_a_row_than_the_limit_end_training(store):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**100, backoff_factor=0.999)
    with pytest.raises(JsddpmError, match=r"NON_FINITE_LOSS.*gradient is not finite at step") as caught:
        trained(store, [*SETTINGS, "trainer.precision=16-mixed", "trainer.max_steps=60"], "16-mixed", scaler)
    assert caught.value.status is ExitStatus.NON_FINITE


def test_a_training_leaves_the_logs_of_lightning_as_they_were():
    logs = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before, filters = [log.level for log in logs], list(warnings.filters)
    with pytest.raises(KeyboardInterrupt), quiet():
        assert not any(log.isEnabledFor(logging.WARNING) for log in logs)
        raise KeyboardInterrupt
    assert [log.level for log in logs] == before
    assert warnings.filters == filters
