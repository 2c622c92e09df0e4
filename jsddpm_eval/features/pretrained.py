"""Pretrained and exported networks as extractors: those of torch-fidelity, and TorchScript or torch.export files.

Networks whose code torch.hub fetches (``dinov2-...`` of torch-fidelity) are opened only if the user has fetched them.
Nothing is unpickled: torch loads only weights while a network is read, also if the reading library asks for more, and a
file is compared with its stated SHA-256 before it is opened. Torch evaluates expressions in ``torch.export`` files when
it reads them, so these need their SHA-256.
"""

from __future__ import annotations

import logging
import os
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jsddpm.checksums import sha256
from jsddpm.errors import JsddpmError, environment_error, first_line, integrity_error, usage_error
from jsddpm.weights import weights_hash
from jsddpm_eval.features.extractor import Extractor

_BATCH = 32
_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_HUB = {"dinov2-": "facebookresearch/dinov2"}
"""Prefix of the names of extractors, and the repository of their code."""
_OPTIONS = {"channels": ("1", "3"), "range": ("0,1", "-1,1", "0,255")}


def torch_fidelity_extractor(name: str, weights: Path | None = None, checksum: str | None = None) -> Extractor:
    """A network of torch-fidelity, on slices quantised to 8 bits and repeated over three channels.

    Args:
        name: Its name in torch-fidelity, such as ``inception-v3-compat``, ``vgg16``, ``clip-vit-b-32``.
        weights: Weights file; fetched by torch-fidelity when None.
        checksum: SHA-256 of the weights file; required with one.

    Raises:
        JsddpmError: ``EXTRACTOR`` (status 2) for an unknown name, a missing checksum, or a network whose code was not
            fetched yet; ``WEIGHTS`` (status 4) when the file differs; ``OFFLINE`` (status 5) when weights cannot be
            fetched.
    """
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    from jsddpm_eval.features.registry import extractor_names

    kind = FEATURE_EXTRACTORS_REGISTRY.get(name)
    if kind is None:
        known = ", ".join(sorted(FEATURE_EXTRACTORS_REGISTRY))
        raise usage_error(
            "EXTRACTOR", f"unknown extractor {name!r}", fix=f"use {', '.join(extractor_names())}, a file, or {known}"
        )
    _check_code(name, weights)
    if weights is not None:
        _check_file(weights, _required(checksum, weights, f"{name}={weights}"))
    layer = kind.get_default_feature_layer_for_metric("fid")
    try:
        with _weights_only():
            network = kind(name, [layer], feature_extractor_weights_path=None if weights is None else str(weights))
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        cure = f"give its weights: {name}=FILE@SHA256"
        raise environment_error("OFFLINE", f"weights of {name} cannot be fetched ({error})", fix=cure) from error
    except Exception as error:  # any error of the reader on a file without such weights
        raise _unreadable(weights or name, error) from error

    def forward(batch: Tensor) -> Tensor:
        features: Tensor = network((batch * 255).round().to(torch.uint8)[:, None].expand(-1, 3, -1, -1))[0]
        return features

    preprocessing = {"range": [0, 255], "quantisation": "8 bits, rounded", "channels": "1 repeated to 3",
                     "size": "as torch-fidelity resizes", "layer": layer}  # fmt: skip
    return Extractor(name, _batched(forward), preprocessing, checksum or weights_hash(network))


def exported_extractor(path: Path, checksum: str | None = None, options: str = "") -> Extractor:
    """A network exported to one file: TorchScript (``.pt``, ``.ts``) or ``torch.export`` (``.pt2``).

    It takes float32 ``(N, channels, H, W)`` and returns ``(N, d)``, or maps that are averaged over space.

    Args:
        path: The file.
        checksum: Its SHA-256, checked when given; required for ``.pt2``.
        options: ``channels=3&range=-1,1``; one channel in [0, 1] by default.

    Raises:
        JsddpmError: ``EXTRACTOR`` (status 2) for unknown options, ``WEIGHTS`` (status 4) when its checksum differs or
            it cannot be read without unpickling.
    """
    pairs = [option.partition("=")[::2] for option in options.split("&") if option]
    chosen = dict(pairs)
    wrong = [k for k, v in pairs if v not in _OPTIONS.get(k, ()) or [key for key, _ in pairs].count(k) > 1]
    if wrong:
        allowed = "; ".join(f"{k} one of {', '.join(v)}" for k, v in _OPTIONS.items())
        raise usage_error(
            "EXTRACTOR",
            f"the option {wrong[0]!r} is unknown or given twice",
            fix=f"give each once: {allowed}",
            file=path,
        )
    digest = _check_file(path, _required(checksum, path, str(path)) if path.suffix == ".pt2" else checksum)
    try:
        with _weights_only():
            loaded: Any = torch.export.load(path).module() if path.suffix == ".pt2" else torch.jit.load(path)
    except Exception as error:  # any error of the readers on a file that is not a network
        raise _unreadable(path, error) from error
    low, high = (float(v) for v in chosen.get("range", "0,1").split(","))
    channels = int(chosen.get("channels", "1"))

    def forward(batch: Tensor) -> Tensor:
        features: Tensor = loaded((low + (high - low) * batch)[:, None].expand(-1, channels, -1, -1))
        return features.mean((2, 3)) if features.ndim == 4 else features

    if path.suffix != ".pt2":
        loaded.eval()
    preprocessing = {"range": [low, high], "quantisation": None, "channels": channels, "size": "unchanged"}
    return Extractor(path.stem, _batched(forward), preprocessing, digest)


def _batched(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    @torch.no_grad()
    def extract(images: Tensor) -> Tensor:
        return torch.cat([forward(part).double() for part in images.split(_BATCH)])

    return extract


def _check_code(name: str, weights: Path | None) -> None:
    """Check that the user has chosen to run the code of a network that torch.hub would fetch."""
    for prefix, repository in _HUB.items():
        if not name.startswith(prefix):
            continue
        if weights is not None:
            raise usage_error(
                "EXTRACTOR",
                f"{name} does not take a file of weights",
                fix="export the network to a file, or leave out =FILE",
            )
        if not any(Path(torch.hub.get_dir()).glob(f"{repository.replace('/', '_')}_*")):
            kind, *variant = name.split("-")  # dinov2-vit-b-14 is dinov2_vitb14 there
            entry = f"{kind}_{''.join(variant)}"
            cure = f"fetch it with: python -c \"import torch; torch.hub.load('{repository}', '{entry}')\""
            raise usage_error(
                "EXTRACTOR", f"{name} runs code of github.com/{repository}, which is not on this machine", fix=cure
            )


def _required(checksum: str | None, path: Path, asked: str) -> str:
    if checksum is None:
        raise usage_error("EXTRACTOR", "is given without its SHA-256", fix=f"write {asked}@SHA256", file=path)
    return checksum


def _check_file(path: Path, checksum: str | None) -> str:
    if not path.is_file():
        raise usage_error("MISSING", "no such file", fix="correct the path", file=path)
    digest = sha256(path)
    if checksum is not None and digest != checksum.lower():
        cure = "fetch it again, or correct the checksum"
        raise integrity_error("WEIGHTS", f"has the SHA-256 {digest} instead of {checksum}", fix=cure, file=path)
    return digest


def _unreadable(file: Path | str, error: Exception) -> JsddpmError:
    cure = "export it again in a format that needs no unpickling"
    return integrity_error("WEIGHTS", f"cannot be read safely ({first_line(error)})", fix=cure, file=file)


@contextmanager
def _weights_only() -> Iterator[None]:
    """Make every ``torch.load`` refuse to unpickle objects, even if its caller asks for it."""
    before, log = os.environ.get(_FORCE), logging.getLogger("torch.export")
    os.environ[_FORCE], log.disabled = "1", True  # it logs the traceback of errors that we explain
    try:
        yield
    finally:
        log.disabled = False
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before
