"""Obedience: whether generated masks match the pathology they are conditioned on."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from jsddpm_eval.metrics.base import Cell, Context, Metric
from jsddpm_eval.metrics.shares import counted_share
from jsddpm_eval.results.score import Counts, Score
from jsddpm_eval.results.specs import ScoreSpec
from jsddpm_eval.slice_table import SliceTable
from jsddpm_eval.stats.exceedance import by_unit, share_p_value
from jsddpm_eval.stats.limits import OBEYED

_spec = partial(
    ScoreSpec, heading="obeys", group="lesions", unit="share", better="higher", place="compact",
    reading="Share of samples with an empty mask for control, with a lesion for lesion.",
    verified="counting; SciPy's interval | 0", headline_reading="of {samples}", source="Clopper & Pearson 1934",
    hypothesis=f"at least {OBEYED:.0%} of the masks obey, one-sided",
)  # fmt: skip
EMPTY = _spec(
    name="control_empty", definition="share of control samples with an empty mask", pathology=0,
    blind_to="control images that show a lesion, because only masks are read",
    headline="control: empty mask", label="share of control samples with an empty mask",
)  # fmt: skip
PRESENT = _spec(
    name="lesion_present", definition="share of lesion samples with at least one lesion pixel", pathology=1,
    blind_to="images without the lesion that the mask shows, because only masks are read",
    headline="lesion: mask present", label="share of lesion samples with a mask",
)  # fmt: skip


def lesion_pixels(table: SliceTable) -> Tensor:
    """Pixels of each slice's lesion mask, float64 ``(N,)``."""
    return table.column("lesion-pixels", lambda batch: batch.masks.flatten(1).sum(1).double())


class Obedience(Metric):
    """Shares of empty control masks and of present lesion masks."""

    name = "obedience"
    specs = (EMPTY, PRESENT)
    needs = frozenset({"masks"})

    def compute(self, cell: Cell, context: Context) -> dict[str, Score]:
        """Both shares; undefined where nothing of that kind was generated."""
        pixels = lesion_pixels(cell.generated)
        if cell.z_bin is None:
            context.record("lesion_pixels", cell, pixels)
        scores = {}
        for kind, (spec, obeyed) in enumerate(((EMPTY, pixels == 0), (PRESENT, pixels > 0))):
            of_kind = cell.generated.pathology == kind
            chosen, unit = (values[of_kind].numpy() for values in (obeyed, cell.generated.unit))
            if n := len(chosen):
                p_value = share_p_value(*by_unit(~chosen, unit), 1 - OBEYED)
                scores[spec.name] = counted_share(chosen, unit, Counts(n_generated=n), p_value=p_value)
            else:
                scores[spec.name] = Score.undefined("nothing of this kind was generated", Counts(n_generated=0))
        return scores


METRIC = Obedience()
