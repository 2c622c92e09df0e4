"""All checks of an import, in the order in which one explains the next."""

from __future__ import annotations

from jsddpm.binning import ZBinning
from jsddpm_eval.features.crossfit import FOLDS
from jsddpm_eval.import_check.copies import copies
from jsddpm_eval.import_check.intensity import inverted, levels
from jsddpm_eval.import_check.masks import masks
from jsddpm_eval.import_check.order import order
from jsddpm_eval.import_check.orientation import orientation, sides_told
from jsddpm_eval.import_check.size import sizes
from jsddpm_eval.import_check.suspicion import Pictured, RealReference, Suspicion
from jsddpm_eval.memo import digest
from jsddpm_eval.slice_table import SliceTable


class ImportCheck:
    """What looks at generated sets beside the same real slices.

    Args:
        real: Real slices, with pixels and patients.
        binning: Their bins.
    """

    def __init__(self, real: SliceTable, binning: ZBinning) -> None:
        self._reference = RealReference(real, binning)

    def suspicions(self, generated: SliceTable) -> list[Suspicion]:
        """What seems to have gone wrong with a set as a whole, what explains the rest first.

        Args:
            generated: Generated slices with pixels, of the same size and bins.

        Returns:
            Empty where nothing stands out. With fewer than four patients, or fewer than three generated samples or
            volumes, only repeated slices and masks that are empty or inverted can.
        """
        if self._reference.real.n_patients <= FOLDS:
            return copies(generated)
        reference, imported = self._reference, Pictured.of(generated)
        dark, imported = inverted(reference, imported)
        laid, imported = orientation(reference, imported)
        if dark:
            return [*dark, *laid, *copies(generated)]
        of_set = [*laid, *levels(reference, generated)]
        of_set += [] if laid else sizes(reference, generated)
        return [*of_set, *order(reference, imported), *masks(reference, generated), *copies(generated)]

    def untold(self, generated: SliceTable) -> list[str]:
        """What could not be told of a set, too few slices or patients being there."""
        few = self._reference.real.n_patients <= FOLDS
        if few or not sides_told(self._reference, Pictured.of(generated)):
            return ["whether left and right are exchanged: real slices differ too little from their mirror images"]
        return []


def import_check(real: SliceTable, binning: ZBinning) -> ImportCheck:
    """The check beside a real table, which is held for the next set."""
    key = ("import check", binning.fingerprint, digest(real.row))
    return real.memo.once(key, lambda: ImportCheck(real, binning))


def suspicions(real: SliceTable, generated: SliceTable, binning: ZBinning) -> list[Suspicion]:
    """:meth:`ImportCheck.suspicions` of one set.

    Empty where either has no pixels or no slices, and for samples that ``jsddpm sample`` drew: they came through no
    import, so what is odd about them is the generator's.
    """
    drawn_here = "sampling" in generated.origin
    if drawn_here or not (real.has_pixels and generated.has_pixels and len(real) and len(generated)):
        return []
    return import_check(real, binning).suspicions(generated)
