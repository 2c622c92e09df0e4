"""All checks of an import. A check whose fault can explain what a later check would see comes before it."""

from __future__ import annotations

from jsddpm.binning import LESION, ZBinning
from jsddpm_eval.features.crossfit import FOLDS
from jsddpm_eval.import_check.blank import blanks
from jsddpm_eval.import_check.copies import copies
from jsddpm_eval.import_check.intensity import inverted, levels
from jsddpm_eval.import_check.masks import masks, misread
from jsddpm_eval.import_check.order import order
from jsddpm_eval.import_check.orientation import orientation, sides_differ
from jsddpm_eval.import_check.parts import foreign, turned
from jsddpm_eval.import_check.size import sizes
from jsddpm_eval.import_check.suspicion import Pictured, RealReference, Suspicion
from jsddpm_eval.memo import digest
from jsddpm_eval.slice_table import SliceTable


class ImportCheck:
    """The checks of generated sets against the same real slices.

    Args:
        real: Real slices, with pixels and patients.
        binning: Their bins.
    """

    def __init__(self, real: SliceTable, binning: ZBinning) -> None:
        self._reference = RealReference(real, binning)

    def suspicions(self, generated: SliceTable) -> list[Suspicion]:
        """Faults of a set as a whole; one that explains the others comes first.

        Args:
            generated: Generated slices with pixels, of the same size and bins.

        Returns:
            The suspicions; empty if there are none. With fewer than four patients, or fewer than three generated
            samples or volumes, only repeated slices and masks that are empty or inverted are found.
        """
        if self._reference.real.n_patients <= FOLDS:
            return [*misread(self._reference.real, generated), *copies(generated)]
        reference, imported = self._reference, Pictured.of(generated)
        inversions, imported = inverted(reference, imported)
        orientations, imported = orientation(reference, imported)
        if inversions:
            return [*inversions, *orientations, *copies(generated)]
        of_set = [*blanks(reference, generated), *(orientations or turned(reference, imported))]
        of_set += levels(reference, generated)
        of_set += [] if orientations else sizes(reference, generated)
        of_set = of_set or foreign(reference, imported)  # a fault of all slices puts each of them beyond real ones
        of_set += order(reference.in_the_middle, imported.in_the_middle)
        return [*of_set, *masks(reference, generated), *copies(generated)]

    def untold(self, generated: SliceTable) -> list[str]:
        """Questions about a set that its slices, or so few patients, cannot answer."""
        few, real = self._reference.real.n_patients <= FOLDS, self._reference.real
        questions = []
        if few or not sides_differ(self._reference, Pictured.of(generated)):
            questions.append(
                "whether left and right are exchanged: real slices differ too little from their mirror images"
            )
        if real.has_masks and generated.has_masks and not (generated.pathology == LESION).any():
            questions.append("whether masks were read correctly: no slice is of a lesion")
        return questions


def import_check(real: SliceTable, binning: ZBinning) -> ImportCheck:
    """The check against a real table, which is kept for the next set."""
    key = ("import check", binning.fingerprint, digest(real.row))
    return real.memo.once(key, lambda: ImportCheck(real, binning))


def suspicions(real: SliceTable, generated: SliceTable, binning: ZBinning) -> list[Suspicion]:
    """:meth:`ImportCheck.suspicions` of one set.

    Empty if either has no pixels or no slices, and for samples of ``jsddpm sample``: they were not imported, so their
    faults are the generator's.
    """
    drawn_here = "sampling" in generated.origin
    if drawn_here or not (real.has_pixels and generated.has_pixels and len(real) and len(generated)):
        return []
    return import_check(real, binning).suspicions(generated)
