"""A Lightning callback for any module: evaluate its samples against held-out patients during training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - the library's own convention
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.seed import isolate_rng
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from jsddpm.binning import Condition, ZBinning
from jsddpm.errors import usage_error
from jsddpm.slices.store import SliceStore
from jsddpm.training.together import drawn_together, on_first
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.registry import DEFAULT
from jsddpm_eval.monitoring.logs import log_figure, log_values
from jsddpm_eval.monitoring.samples import SampleMonitor, SampleScores
from jsddpm_eval.pixels import Values, as_images, as_masks, refused
from jsddpm_eval.slice_table import SliceTable

SampleFn = Callable[[Sequence[Condition], int], Values | tuple[Values, Values | None]]
"""Draws one slice for each condition from a seed: images ``(N, H, W)`` in [0, 1], or a tuple of images and masks."""

_SHOWN = 16  # samples in the figure
_WORK = "judge samples"


class BinAwareEvaluation(Callback):
    """Draws samples of any Lightning module at regular steps, and logs their scores and a figure.

    The scores are those by which ``jsddpm train`` chooses its checkpoint; they are logged under ``samples/`` into
    the loggers of the trainer, so that ``ModelCheckpoint(monitor="samples/kid")`` and ``EarlyStopping`` can use
    them. With several processes each draws a share of the conditions, the first one scores, and all log the same. The
    state of random generators is restored afterwards.

    Args:
        sample_fn: Draws slices, see :data:`SampleFn`; called on every process with its share of the conditions and a
            seed of its own. The module is in evaluation mode then. Without masks, scores of masks are left out.
        store: Real slices: a store or its folder, with ``binning``; or a table with ``held_out`` slices.
        every: Training steps between two evaluations, as Lightning counts them: a step of each optimizer is one, so
            with several give a multiple of their number, like ``every_n_train_steps``. The last step is evaluated too.
        binning: The bins that the module is conditioned on.
        conditions: Conditions to draw; None uses those with slices of training and of held-out patients.
        per_condition: Number of samples of each.
        split: Held-out split of the store.
        features: Feature spaces of the KID.
        seed: Seed of the samples; the same at every evaluation.
        cache: Folder for values of real slices.
        figure: Whether a figure of the first samples is logged too.

    Raises:
        JsddpmError: ``SLICES`` (status 2) for a store without a binning, or fewer than three held-out patients.

    Example::

        def draw(conditions, seed):
            tokens = torch.tensor([c.token(n_bins) for c in conditions])
            pairs = module.sample(tokens, torch.Generator().manual_seed(seed))
            return pairs[:, 0].clamp(0, 1), pairs[:, 1] > 0.5

        judge = BinAwareEvaluation(draw, "store", every=1000, binning=ZBinning((24, 93), 10))
        Trainer(callbacks=[judge, ModelCheckpoint(monitor="samples/kid", every_n_train_steps=1000)]).fit(module, data)
    """

    def __init__(
        self,
        sample_fn: SampleFn,
        store: SliceTable | SliceStore | str | Path,
        *,
        every: int,
        binning: ZBinning | None = None,
        conditions: Sequence[Condition] | None = None,
        per_condition: int = 2,
        split: str = "val",
        features: Sequence[str | Extractor] = DEFAULT,
        seed: int = 0,
        cache: str | Path | None = None,
        figure: bool = True,
    ) -> None:
        if min(every, per_condition) < 1:
            raise usage_error(
                "OPTION", f"every={every} or per_condition={per_condition} is below 1", fix="give at least 1"
            )
        if not isinstance(store, SliceTable):
            store = SliceTable.from_store(store, binning, split=split, only=("train", split))
        self.monitor = SampleMonitor(store, features=features, cache=cache)
        self.sample_fn, self.every, self.seed, self.figure = sample_fn, every, seed, figure
        kinds = conditions if conditions is not None else self._common()
        self.conditions = [condition for condition in kinds for _ in range(per_condition)]
        self.scores: SampleScores | None = None
        self._last = 0

    def _common(self) -> list[Condition]:
        bins = self.monitor.binning.n_bins
        sides = [set(t.token(bins).tolist()) for t in (self.monitor.held_out, self.monitor.train) if len(t)]
        return [Condition.from_token(t, bins) for t in sorted(set.intersection(*sides))]

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compute the values of real slices, on the first process."""
        on_first(trainer, self.monitor.prepare, _WORK)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count from the step of the checkpoint, if the training continues from one."""
        self._last = trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Draw, score and log when a multiple of ``every`` is reached or passed, and after the last step."""
        step = trainer.global_step
        due = step // self.every > self._last // self.every or _ends(trainer)
        if not due or step == self._last:  # the step is the same while gradients are accumulated
            return
        self._last = step
        with _aside(pl_module):
            samples = self._drawn(trainer)
        values = on_first(trainer, lambda: self._judge(samples), _WORK)
        named = {f"samples/{name}": value for name, value in values.items()}
        # without the loggers: Lightning would log the values again at every step that follows
        pl_module.log_dict(named, logger=False)
        picture = _figure(samples) if samples is not None and self.figure else None
        for logger in trainer.loggers if trainer.is_global_zero else ():
            log_values(logger, named, step - 1)  # Lightning's logs count steps from 0
            if picture is not None:
                log_figure(logger, "samples/drawn", picture, step - 1)

    def _judge(self, samples: SliceTable | None) -> dict[str, float]:
        if samples is None:
            return {}
        self.scores = self.monitor(samples)
        return self.scores.values

    def _share(self, conditions: Sequence[Condition], rank: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Checked samples of conditions, drawn on one process."""
        images, masks = _pair(self.sample_fn(conditions, self.seed + rank))
        part = as_images(images), None if masks is None else as_masks(masks)
        if len(part[0]) != len(conditions):
            what = f"{len(part[0])} for {len(conditions)} conditions"
            raise refused("images", what, "give a slice for each condition")
        return part

    def _drawn(self, trainer: L.Trainer) -> SliceTable | None:
        """The samples of all processes; None on all but the first."""
        rank = trainer.global_rank
        drawn = drawn_together(trainer, self.conditions, lambda conditions: self._share(conditions, rank))
        if drawn is None:
            return None
        return SliceTable.from_arrays(
            *drawn, z_bin=[c.z_bin for c in self.conditions], pathology=[c.pathology for c in self.conditions],
            binning=self.monitor.binning, spacing=self.monitor.real.spacing,
        )  # fmt: skip


def _pair(drawn: Values | tuple[Values, Values | None]) -> tuple[Values, Values | None]:
    """Images and masks of what a function drew; images alone have no masks."""
    values: Any = drawn
    several = isinstance(drawn, tuple) or (isinstance(drawn, list) and len(drawn) == 2 and np.ndim(values[0]) > 2)
    if several and len(values) != 2:
        cure = "return images, or images and masks, (N, H, W) each"
        raise refused("what sample_fn returns", f"a tuple of {len(values)}", cure)
    return (values[0], values[1]) if several else (values, None)


def _ends(trainer: L.Trainer) -> bool:
    """Whether this is the last step that is planned."""
    if 0 <= trainer.max_steps <= trainer.global_step:
        return True
    last_epoch = trainer.max_epochs is not None and 0 <= trainer.max_epochs <= trainer.current_epoch + 1
    return last_epoch and trainer.is_last_batch


@contextmanager
def _aside(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; modes and random generators are restored afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad(), isolate_rng():
            yield
    finally:
        for part, training in modes.items():
            part.training = training


def _figure(samples: SliceTable) -> Figure:
    """The first samples, the outline of their masks over them."""
    shown = samples.spread(_SHOWN)
    columns = min(8, len(shown))
    figure = Figure(figsize=(1.2 * columns, 1.4 * -(-len(shown) // columns)), layout="constrained")
    axes = figure.subplots(-(-len(shown) // columns), columns, squeeze=False).ravel()
    for place in axes:
        place.axis("off")
    for i, place in zip(range(len(shown)), axes, strict=False):
        place.imshow(shown.images[i].numpy(), cmap="gray", vmin=0, vmax=1)
        if shown.has_masks and bool(shown.masks[i].any()):
            place.contour(shown.masks[i].numpy(), levels=[0.5], colors="#d55e00", linewidths=0.6)
        place.set_title(Condition(int(shown.z_bin[i]), int(shown.pathology[i])).name, fontsize=6)
    return figure
