"""The judge of a training: scores of the samples of each check, the best check, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jsddpm.diffusion.pipeline import JointOutput
from jsddpm.training.samples import Judgement
from jsddpm.wording import counted
from jsddpm_eval.monitoring.choice import RULE, Check, Choice
from jsddpm_eval.monitoring.samples import SampleMonitor, SampleScores
from jsddpm_eval.slice_table import SliceTable


class SampleJudge:
    """Judges the samples of a training; see :class:`jsddpm.training.samples.Judge`.

    Args:
        monitor: The monitor that scores them.
        patience: Number of checks without a better one after which training stops; None never stops it.
        stop_at_memorisation: Whether the first sign of memorisation stops it.
    """

    def __init__(
        self, monitor: SampleMonitor, *, patience: int | None = None, stop_at_memorisation: bool = False
    ) -> None:
        self.monitor, self.patience, self.stop_at_memorisation = monitor, patience, stop_at_memorisation
        self.choice = Choice()
        self._baselines: dict[str, float] = {}
        self._stopped = ""

    def prepare(self) -> None:
        """Compute the values of real slices."""
        self.monitor.prepare()

    def judge(self, step: int, output: JointOutput) -> Judgement:
        """Score samples, and update the choice."""
        table = SliceTable.from_arrays(
            output.images, output.masks, z_index=output.z_index, z_bin=output.z_bin, pathology=output.pathology,
            binning=self.monitor.binning, spacing=self.monitor.real.spacing,
        )  # fmt: skip
        scores = self.monitor(table)
        self._baselines, self._stopped = scores.baselines, ""
        before, check = self.choice, _check(step, scores)
        if check is None:
            self.choice = replace(before, waited=before.waited + 1)
        else:
            self.choice = before.after(check, scores.signs)
        if self.stop_at_memorisation and self.choice.onset is not None:
            self._stopped = f"signs of memorisation: {'; '.join(self.choice.signs)}"
        elif self.patience is not None and self.choice.waited >= self.patience:
            self._stopped = f"{counted(self.choice.waited, 'check')} without a better one"
        return Judgement(scores.values, check is not None and self.choice.best is check, self._stopped)

    def state(self) -> dict[str, Any]:
        """Plain values for :meth:`restore`."""
        return {"choice": self.choice.to_dict(), "baselines": dict(self._baselines), "stopped": self._stopped}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self.choice = Choice.from_dict(state["choice"])
        self._baselines, self._stopped = dict(state.get("baselines", {})), state.get("stopped", "")

    def record(self) -> dict[str, Any]:
        """Content of ``choice.json`` of a run."""
        best = self.choice.best
        return {
            "rule": RULE,
            "step": best and best.step,
            "reason": self.choice.reason,
            "kid": best and best.kid,
            "checks_since": self.choice.waited,
            "memorisation": None
            if self.choice.onset is None
            else {"step": self.choice.onset, "signs": list(self.choice.signs)},
            "stopped": self._stopped or None,
            "baselines": self._baselines,
        }


def _check(step: int, scores: SampleScores) -> Check | None:
    """The check for the choice; None if the KID is undefined."""
    if scores.kid is None:
        return None
    left_out = scores.influence
    patients = tuple(left_out.patients[name] for name in sorted(left_out.patients))
    return Check(step, scores.kid, patients, left_out.samples, left_out.sample_blocks, scores.copying)
