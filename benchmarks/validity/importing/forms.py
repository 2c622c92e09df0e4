"""Forms in which samples are imported: for each layout its writers, and the options of a user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.validity.importing import slices, volumes
from benchmarks.validity.importing.samples import Samples
from jsddpm.slices.imported import Facts, IntensityFormat


@dataclass(frozen=True)
class Form:
    """A way in which samples lie on disk.

    Attributes:
        layout: The layout that it belongs to.
        write: Its writer.
        facts: What the user says that does not depend on the samples.
        reading: The meaning of values that the user gives.
        volumes: Whether it holds volumes.
        binned: Whether its generator knows bins; otherwise all samples are evaluated in one.
        oriented: Whether its volumes contain their orientation and voxel size.
    """

    layout: str
    write: Callable[[Path, Samples], Path]
    facts: Facts = field(default_factory=Facts)
    reading: IntensityFormat | None = None
    volumes: bool = False
    binned: bool = True
    oriented: bool = True

    @property
    def declared(self) -> bool:
        """Whether the user declares the pathology of all samples, because there are no masks."""
        return not self.facts.masks

    def chosen(self, made: Samples) -> Samples:
        """The samples that such a generator makes: slices or volumes with a lesion, if their user declares it."""
        if not self.declared:
            return made
        shown = (made.pathology == 1).reshape(-1, made.depth).any(axis=1)
        keep = np.flatnonzero(np.repeat(shown, made.depth))
        columns = {name: getattr(made, name)[keep] for name in ("images", "masks", "z", "z_bin", "pathology")}
        return replace(made, **columns)

    def given(self, made: Samples) -> Facts:
        """What the user says of these samples."""
        facts = replace(self.facts, pathology=made.declared) if self.declared else self.facts
        if self.oriented:
            return facts
        row, column, z = made.spacing
        return replace(facts, axes="LPS", spacing=(column, row, z))


NO_MASKS = Facts(masks=False)
NUMBERED = IntensityFormat((0, 1000), mask_labels=(2,))
FORMS = {
    "table": Form("table", slices.table),
    "table, slices": Form("table", slices.table_of_positions),
    "images": Form("images", slices.pictures, Facts(fields="bin{z_bin}_{pathology}_{seed}")),
    "diffusers": Form("diffusers", slices.diffusers),
    "arrays, npz": Form("arrays", slices.archive),
    "arrays, folder": Form("arrays", slices.archives),
    "arrays, npy": Form("arrays", slices.stacks),
    "slimdiff": Form("slimdiff", slices.slimdiff),
    "slimdiff-replicas": Form("slimdiff-replicas", slices.slimdiff_replicas),
    "slimdiff-cache": Form("slimdiff-cache", slices.slimdiff_cache),
    "medigan": Form(
        "medigan", slices.medigan, Facts(pathology="mask"), IntensityFormat(mask_threshold=127), binned=False
    ),
    "monai, slices": Form("monai", slices.monai_pictures, NO_MASKS, binned=False),
    "monai": Form("monai", volumes.monai, NO_MASKS, volumes=True, oriented=False),
    "volumes": Form("volumes", volumes.volumes, volumes=True),
    "nnunet": Form("nnunet", volumes.nnunet, volumes=True),
    "bids": Form("bids", volumes.bids, volumes=True),
    "maisi": Form("maisi", volumes.maisi, reading=NUMBERED, volumes=True),
    "maisi, images alone": Form("maisi", volumes.nv_generate, NO_MASKS, IntensityFormat((0, 1000)), volumes=True),
    "med-ddpm": Form("med-ddpm", volumes.med_ddpm, volumes=True),
    "med-ddpm, BraTS": Form(
        "med-ddpm", volumes.med_ddpm_brats, reading=IntensityFormat(mask_threshold=0), volumes=True
    ),
    "wdm-3d": Form("wdm-3d", volumes.wdm_3d, NO_MASKS, IntensityFormat(clip=True), volumes=True, oriented=False),
    "jsddpm": Form("jsddpm", slices.exported),
}
"""Every layout in at least one form, by name."""
