"""Segmentation networks of three families of MONAI, with random weights and without a download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from jsddpm.errors import require_package, usage_error

DIVISOR = 32
"""What the sides of a slice must be multiples of, for every network."""


@dataclass(frozen=True)
class Family:
    """A family of networks.

    Attributes:
        title: What it is, in words.
        build: Given the channels of its first level, a network from ``(B, 1, H, W)`` to logits of the same shape.
    """

    title: str
    build: Callable[[int], nn.Module]


def _unet(width: int) -> nn.Module:
    from monai.networks.nets.dynunet import DynUNet

    return DynUNet(2, 1, 1, [3] * 4, [1, 2, 2, 2], [2] * 3, filters=[width * 2**level for level in range(4)])


def _segresnet(width: int) -> nn.Module:
    from monai.networks.nets.segresnet import SegResNet

    return SegResNet(2, init_filters=width, in_channels=1, out_channels=1)


def _swin_unetr(width: int) -> nn.Module:
    from monai.networks.nets.swin_unetr import SwinUNETR

    return SwinUNETR(
        in_channels=1, out_channels=1, feature_size=12 * max(1, round(width / 8)), spatial_dims=2, depths=(1, 1, 1, 1)
    )


FAMILIES = {
    "unet": Family("U-Net as nnU-Net builds it (MONAI's DynUNet)", _unet),
    "segresnet": Family("residual encoder and decoder (MONAI's SegResNet)", _segresnet),
    "swin-unetr": Family("windowed transformer with a convolutional decoder (MONAI's SwinUNETR)", _swin_unetr),
}


def build_network(name: str, width: int) -> nn.Module:
    """A network by the name of its family, whose weights are drawn as torch draws by default.

    Args:
        name: Name of the family.
        width: Channels of its first level, a multiple of 8.

    Raises:
        JsddpmError: ``SEGMENTER`` (status 2) for an unknown name, ``MISSING_PACKAGE`` (status 5) without MONAI.
    """
    require_networks([name])
    return FAMILIES[name].build(width)


def require_networks(names: list[str]) -> None:
    """Refuse names that are no families, and an installation without MONAI."""
    if unknown := [name for name in names if name not in FAMILIES]:
        raise usage_error("SEGMENTER", f"unknown network {unknown[0]!r}", fix=f"use one of {', '.join(FAMILIES)}")
    require_package("monai", extra="utility", why="training segmentation networks")
