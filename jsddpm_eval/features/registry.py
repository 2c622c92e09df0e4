"""Extractors by name, for ``jsddpm eval --features``.

A name is that of a module of :mod:`jsddpm_eval.features.extractors` (with hyphens), of an entry point of the group
``jsddpm.extractors`` of another package, of a network of torch-fidelity, or a file. A module's ``make``, or what
an entry point names, is called as ``make(real, seed=..., folder=...)`` and returns an extractor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import cast

import torch

from jsddpm.anonymise import local_name
from jsddpm.errors import JsddpmError, environment_error, first_line, usage_error
from jsddpm.registry import Registry
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.plugins import listed, loaded, registered
from jsddpm_eval.slice_table import SliceTable

GROUP = "jsddpm.extractors"
DEFAULT = ("radiomics", "slice-encoder")
EXTRACTORS = Registry("jsddpm_eval.features.extractors")
_MAKER = "register a function make(real, *, seed, folder) that returns an Extractor"

Maker = Callable[..., Extractor]


def extractor_names() -> list[str]:
    """Names that need no file and no other library, those of other packages last; nothing is imported.

    >>> extractor_names()[:2]
    ['radiomics', 'slice-encoder']
    """
    return [*(name.replace("_", "-") for name in EXTRACTORS.names()), *registered(GROUP)]


def make_extractors(
    features: str | Extractor | Sequence[str | Extractor], real: SliceTable, *, seed: int, folder: Path | None = None
) -> list[Extractor]:
    """Extractors by name.

    Args:
        features: Extractors themselves, or one; names (:func:`extractor_names`); a name of torch-fidelity's, alone
            (weights are fetched) or as ``NAME=WEIGHTS@SHA256``; a file of an exported network, as
            ``FILE[@SHA256][?channels=3&range=-1,1]``.
        real: Real slices, for extractors that are trained on those that are not held out.
        seed: Seed of training.
        folder: Folder for trained weights; None keeps none.

    Raises:
        JsddpmError: ``EXTRACTOR`` (status 2) for an unknown or repeated one; ``PLUGIN`` (status 5) when another
            package's cannot be made; and as the extractors themselves.
    """
    extractors: list[Extractor] = []
    for feature in listed(features):
        if not isinstance(feature, (str, Extractor)):
            what = f"{getattr(feature, '__name__', None) or f'a {type(feature).__name__}'} is no extractor"
            raise usage_error("EXTRACTOR", what, fix="give a name, or an instance of jsddpm_eval.Extractor")
        extractor = feature if isinstance(feature, Extractor) else _by_name(feature, real, seed, folder)
        if extractor.name in {e.name for e in extractors}:
            raise usage_error("EXTRACTOR", f"{extractor.name} is given twice", fix="name each extractor once")
        extractors.append(extractor)
    return extractors


def ready_extractors(features: str | Extractor | Sequence[str | Extractor], *, seed: int) -> tuple[Extractor, ...]:
    """Extractors that can be used before there are real slices.

    Args:
        features: As for :func:`make_extractors`.
        seed: Seed of what they draw.

    Raises:
        JsddpmError: ``EXTRACTOR`` (status 2) for one that is trained on the real slices, and as
            :func:`make_extractors`.
    """
    nobody = SliceTable.from_arrays(torch.empty(0, 1, 1), z_bin=[], pathology=[], patient=[])
    extractors = make_extractors(features, nobody, seed=seed)
    for extractor in extractors:
        if extractor.missing:
            what = f"{extractor.name} is trained on real slices, and there are none yet"
            cure = "use another one, or jsddpm_eval.evaluate, which trains it on the real slices"
            raise usage_error("EXTRACTOR", what, fix=cure)
    return tuple(extractors)


def asked_name(name: str) -> str:
    """A name for results: a file is shown without its folders on this machine.

    >>> asked_name("radiomics"), asked_name("/home/me/net.pt2@ab12?range=-1,1")
    ('radiomics', 'net.pt2@ab12?range=-1,1')
    """
    rest, mark, options = name.partition("?")
    kind, equals, file = rest.rpartition("=")
    return f"{kind}{equals}{local_name(file)}{mark}{options}"


def _by_name(name: str, real: SliceTable, seed: int, folder: Path | None) -> Extractor:
    module, point = name.replace("-", "_"), registered(GROUP).get(name)
    own = module in EXTRACTORS.names()
    if own and point is not None:
        what = f"{point.value} has the name of another extractor: {name}"
        raise environment_error("PLUGIN", what, fix="rename it, or remove the package that registers it")
    if own:
        return cast(Maker, EXTRACTORS.load(module).make)(real, seed=seed, folder=folder)
    return _network(name) if point is None else _of_package(point, real, seed, folder)


def _of_package(point: EntryPoint, real: SliceTable, seed: int, folder: Path | None) -> Extractor:
    """The extractor that another package's function makes."""
    maker = loaded(point, Callable)
    if isinstance(maker, Extractor):
        raise environment_error("PLUGIN", f"{point.value} is an Extractor, no function that makes one", fix=_MAKER)
    try:
        extractor = maker(real, seed=seed, folder=folder)
    except JsddpmError:
        raise
    except Exception as error:  # any error of another package
        what = f"{point.value} fails to make an extractor ({first_line(error)})"
        raise environment_error("PLUGIN", what, fix=_MAKER) from error
    if not isinstance(extractor, Extractor):
        what = f"{point.value} gave {type(extractor).__name__} instead of an Extractor"
        raise environment_error("PLUGIN", what, fix=_MAKER)
    return extractor


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
