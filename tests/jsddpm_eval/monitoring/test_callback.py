"""The callback in a training that is not ours: a plain module, alone and in two processes."""

from __future__ import annotations

import json

import lightning as L  # noqa: N812
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from jsddpm.binning import Condition
from jsddpm.errors import JsddpmError
from jsddpm.training.progress import read_metrics
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.monitoring.callback import BinAwareEvaluation
from jsddpm_eval.monitoring.samples import SampleMonitor, SampleScores
from jsddpm_eval.slice_table import SliceTable
from processes import two_processes
from worlds import BINNING, MEANS, World

pytestmark = pytest.mark.usefixtures("brief_networks")

WORLD = World(patients=12, slices=4)
CONDITIONS = [Condition(0, 0), Condition(1, 0)]


class Plain(L.LightningModule):
    """Somebody's module: it learns one brightness; dropout shows in which mode it is."""

    def __init__(self):
        super().__init__()
        self.level, self.dropout = torch.nn.Parameter(torch.tensor(0.2)), torch.nn.Dropout(0.5)

    def training_step(self, batch, _):
        return (self.dropout(torch.ones(8)).mean() * self.level - batch[0].mean()).square()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.3)

    def draw(self, conditions, seed):
        assert not self.dropout.training
        assert not torch.is_grad_enabled()
        generator = torch.Generator().manual_seed(seed)
        torch.rand(3)  # a module may draw from the global generator
        noise = torch.rand((len(conditions), 1, 16, 14), generator=generator)
        images = (self.level + 0.3 * (noise - 0.5)).clamp(0, 1)
        return images, torch.zeros(len(conditions), 16, 14, dtype=torch.bool)


def fitted(folder, module, judge=None, steps=6, **settings):
    data = torch.utils.data.DataLoader(torch.full((64, 1), 0.5), batch_size=4)
    callbacks = [judge, ModelCheckpoint(folder, monitor="samples/kid", every_n_train_steps=3)] if judge else []
    trainer = L.Trainer(
        accelerator="cpu", max_steps=steps, logger=CSVLogger(folder, name="", version=""), callbacks=callbacks,
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1, enable_checkpointing=bool(judge),
        **settings,
    )  # fmt: skip
    trainer.fit(module, data)
    return trainer


def judged(module, **settings):
    return BinAwareEvaluation(
        module.draw, WORLD.real(), every=3, conditions=CONDITIONS, per_condition=9, features=[MEANS], **settings
    )


def test_a_plain_module_is_judged_every_so_many_steps(tmp_path):
    torch.manual_seed(0)
    module = Plain()
    judge = judged(module)
    trainer = fitted(tmp_path / "with", module, judge)
    rows = [r for r in read_metrics(tmp_path / "with" / "metrics.csv") if r.get("samples/kid")]
    assert [int(r["step"]) for r in rows] == [2, 5]
    assert float(rows[-1]["samples/kid"]) == pytest.approx(judge.scores.kid)
    assert trainer.checkpoint_callback.best_model_path
    images, masks = drawn(module, judge)
    labels = {"z_bin": [c.z_bin for c in judge.conditions], "pathology": [0] * 18, "binning": BINNING}
    expected = SampleMonitor(WORLD.real(), features=[MEANS])(SliceTable.from_arrays(images, masks, **labels))
    assert judge.scores.values == pytest.approx(expected.values)


def drawn(module, judge):
    module.eval()
    with torch.no_grad():
        images, masks = module.draw(judge.conditions, 0)
    return images.numpy(), masks.numpy()


def test_the_training_is_the_same_with_and_without_it(tmp_path):
    levels = []
    for name in ("with", "without"):
        torch.manual_seed(0)
        module = Plain()
        fitted(tmp_path / name, module, judged(module) if name == "with" else None)
        levels.append(float(module.level.detach()))
        assert module.dropout.training
    assert levels[0] == levels[1]


class Manual(Plain):
    """Its own steps: of several optimizers in every batch, or of one in every second batch."""

    def __init__(self, optimizers=1, batches=1):
        super().__init__()
        self.automatic_optimization, self.number, self.batches = False, optimizers, batches

    def training_step(self, batch, number):
        every = self.optimizers(use_pl_optimizer=True)
        for optimizer in every if isinstance(every, list) else [every]:
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, number))
            if number % self.batches == self.batches - 1:
                optimizer.step()

    def configure_optimizers(self):
        return [torch.optim.SGD(self.parameters(), lr=0.1) for _ in range(self.number)]


def steps_judged(monkeypatch, module, every, steps, start=None, **settings):
    """The steps after which samples of a module are judged."""
    monkeypatch.setattr(SampleMonitor, "prepare", lambda self: None)
    monkeypatch.setattr(SampleMonitor, "__call__", lambda self, samples: SampleScores())
    seen = []

    def draw(conditions, seed):
        seen.append(module.trainer.global_step)
        return torch.rand(len(conditions), 16, 14), None

    judge = BinAwareEvaluation(draw, WORLD.real(), every=every, per_condition=1, features=[MEANS], figure=False)
    trainer = L.Trainer(
        accelerator="cpu", max_steps=steps, callbacks=[judge], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, **settings,
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(torch.full((64, 1), 0.5), batch_size=4), ckpt_path=start)
    return seen


@pytest.mark.parametrize(
    ("module", "every", "settings", "expected"),
    [
        (lambda: Manual(optimizers=2), 3, {"steps": 12}, [4, 6, 10, 12]),  # steps 2, 4, 6, ...; before, 6 and 12 alone
        (Plain, 2, {"steps": 4, "accumulate_grad_batches": 3}, [2, 4]),  # each step is seen three times
        (Plain, 4, {"steps": 6}, [4, 6]),
        (Plain, 5, {"steps": -1, "max_epochs": 1, "limit_train_batches": 7}, [5, 7]),
        (Plain, 7, {"steps": -1, "max_epochs": 2, "limit_train_batches": 7}, [7, 14]),
        (lambda: Manual(batches=2), 3, {"steps": -1, "max_epochs": 1, "limit_train_batches": 7}, [3]),  # seen twice
    ],
)
def test_samples_are_judged_when_a_multiple_is_passed_and_at_the_end(monkeypatch, module, every, settings, expected):
    assert steps_judged(monkeypatch, module(), every, **settings) == expected


def test_a_continued_training_is_not_judged_for_steps_before_it(tmp_path, monkeypatch):
    fitted(tmp_path, module := Plain(), steps=5).save_checkpoint(tmp_path / "five.ckpt")
    assert module.trainer.global_step == 5
    assert steps_judged(monkeypatch, Plain(), 4, 8, start=tmp_path / "five.ckpt") == [8]


def test_two_processes_draw_a_share_each_and_log_the_same(tmp_path):
    def work(rank):
        torch.set_num_threads(1)
        torch.manual_seed(0)
        module = Plain()
        judge = judged(module)
        asked = []
        draw = judge.sample_fn
        judge.sample_fn = lambda conditions, seed: (asked.append((len(conditions), seed)), draw(conditions, seed))[1]
        trainer = fitted(tmp_path / "run", module, judge, devices=2, strategy="ddp")
        logged = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("samples/")}
        (tmp_path / f"{rank}.json").write_text(json.dumps([asked, logged, judge.scores is not None]))

    assert two_processes(work) == [0, 0]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert (first[0], second[0]) == ([[9, 0]] * 2, [[9, 1]] * 2)
    assert first[1] == second[1]
    assert {"samples/kid", "samples/copied", "samples/z_error_bins"} <= set(first[1])
    assert (first[2], second[2]) == (True, False)


def test_a_failure_of_the_first_process_ends_the_other(tmp_path):
    """An extractor that takes real slices, the brightest pixel of which is bright, and no drawn ones."""

    def only_bright(images):
        if float(images.max()) < 0.9:
            raise ValueError("too dark")
        return images.mean(2).double()

    def work(rank):
        torch.set_num_threads(1)
        module = Plain()
        judge = BinAwareEvaluation(
            module.draw, WORLD.real(), every=3, per_condition=4, features=[Extractor("bright", only_bright, {})]
        )
        try:
            fitted(tmp_path / "run", module, judge, devices=2, strategy="ddp")
        except JsddpmError as error:
            (tmp_path / f"{rank}").write_text(str(error))

    assert two_processes(work) == [0, 0]
    assert "error[EXTRACTOR]: bright fails" in (tmp_path / "0").read_text()
    assert "error[PROCESSES]: the first process cannot judge samples (error[EXTRACTOR]" in (tmp_path / "1").read_text()


def test_conditions_are_those_that_training_and_held_out_patients_have():
    judge = BinAwareEvaluation(lambda c, s: None, WORLD.real(), every=1, per_condition=2, features=[MEANS])
    assert judge.conditions == [c for c in CONDITIONS for _ in range(2)]


@pytest.mark.parametrize("form", [lambda x: x, lambda x: (x, None), lambda x: [x, None], list, lambda x: x.numpy()])
def test_images_alone_are_judged_without_scores_of_masks(form):
    """Before, two images were taken for images and masks, and another number ended in an error of Python."""
    images = torch.rand((2, 16, 14), generator=torch.Generator().manual_seed(0))
    judge = BinAwareEvaluation(
        lambda conditions, seed: form(images), WORLD.real(), every=1, per_condition=1, features=[MEANS]
    )
    found, masks = judge._share(judge.conditions, 0)
    assert masks is None
    assert np.array_equal(found, images.numpy())


def test_what_is_drawn_is_checked(tmp_path):
    module = Plain()
    for returned, why in (
        ((torch.rand(18, 16, 14) * 255, None), r"\[0, 1\]"),
        ((torch.rand(3, 16, 14), None), "3 for 18 conditions"),
        (torch.rand(3, 16, 14), "3 for 18 conditions"),
        ((torch.rand(18, 16, 14),), "a tuple of 1; fix: return images, or images and masks"),
        (None, "images: "),
    ):
        judge = judged(module)
        judge.sample_fn = lambda conditions, seed, returned=returned: returned
        with pytest.raises(JsddpmError, match=f"SLICES.*{why}"):
            fitted(tmp_path, module, judge)
    with pytest.raises(JsddpmError, match="OPTION"):
        BinAwareEvaluation(lambda c, s: None, WORLD.real(), every=0)
    assert np.isfinite(float(module.level.detach()))
