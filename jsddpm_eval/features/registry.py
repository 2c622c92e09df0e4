"""Extractors by name, as ``jsddpm eval --features`` takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from jsddpm.errors import usage_error
from jsddpm.files import make_directory
from jsddpm_eval.features import radiomics, slice_encoder
from jsddpm_eval.features.cache import cached
from jsddpm_eval.features.extractor import Extractor

DEFAULT = (radiomics.NAME, slice_encoder.NAME)


@dataclass(frozen=True)
class TrainingSlices:
    """What an extractor may learn from: real training slices.

    Attributes:
        images: float32 ``(N, H, W)`` in [0, 1].
        z_index: Positions, int64 ``(N,)``.
        lesion: Whether they show a lesion, ``(N,)``.
    """

    images: Tensor
    z_index: Tensor
    lesion: Tensor


def make_extractors(
    names: Sequence[str], training: Callable[[], TrainingSlices], *, seed: int, folder: Path | None = None
) -> list[Extractor]:
    """Extractors by name.

    Args:
        names: ``radiomics``; ``slice-encoder``; a name of torch-fidelity's, alone (weights are fetched) or as
            ``NAME=WEIGHTS@SHA256``; a file of an exported network, as ``FILE[@SHA256][?channels=3&range=-1,1]``.
        training: Gives the training slices, should an extractor need them.
        seed: Seed of what is trained.
        folder: Where feature tables and trained weights are kept; nowhere when None.

    Raises:
        JsddpmError: ``EXTRACTOR`` (status 2) for an unknown or repeated one, and as the extractors themselves.
    """
    if folder is not None:
        make_directory(folder)
    found: list[Extractor] = []
    for name in names:
        if name == radiomics.NAME:
            extractor = radiomics.EXTRACTOR
        elif name == slice_encoder.NAME:
            slices = training()
            extractor = slice_encoder.make(slices.images, slices.z_index, slices.lesion, seed=seed, folder=folder)
        else:
            extractor = _network(name)
        if extractor.name in {e.name for e in found}:
            raise usage_error("EXTRACTOR", f"{extractor.name} is given twice", fix="name every extractor once")
        found.append(extractor)
    return [e if folder is None else cached(e, folder) for e in found]


def _network(name: str) -> Extractor:
    from jsddpm_eval.features.pretrained import exported_extractor, torch_fidelity_extractor

    rest, _, options = name.partition("?")
    kind, equals, file = rest.rpartition("=")
    path, _, checksum = file.partition("@") if equals or "@" in file or Path(file).suffix else ("", "", "")
    if equals:
        return torch_fidelity_extractor(kind, Path(path), checksum or None)
    if path:
        return exported_extractor(Path(path), checksum or None, options)
    return torch_fidelity_extractor(rest)
