"""Slices as pictures inside a page: compact files in base64, and outlines as vector paths."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BUDGET = 3_300_000
"""Bytes of all pictures of a page together, before base64; beyond it they are compressed with loss."""

_QUALITY = 82


def webp(canvas: NDArray[np.uint8], *, lossless: bool) -> bytes:
    """A grey picture ``(H, W)`` as WebP."""
    stream = io.BytesIO()
    Image.fromarray(canvas).convert("RGB").save(stream, "WEBP", lossless=lossless, quality=_QUALITY, method=4)
    return stream.getvalue()


def embed(canvases: Sequence[NDArray[np.uint8]]) -> tuple[list[str], bool]:
    """Data addresses of pictures, without loss if they fit :data:`BUDGET`, and whether they do."""
    files = [webp(c, lossless=True) for c in canvases]
    lossless = sum(map(len, files)) <= BUDGET
    if not lossless:
        files = [webp(c, lossless=False) for c in canvases]
    return [f"data:image/webp;base64,{base64.b64encode(f).decode()}" for f in files], lossless


def path(outlines: Sequence[NDArray[np.float64]]) -> str:
    """Closed polygons as the data of one SVG path.

    >>> path([np.array([[0.5, 1], [2, 1], [2, 3.25], [0.5, 1]])])
    'M.5 1L2 1L2 3.2Z'
    """
    return "".join("M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in line[:-1]) + "Z" for line in outlines)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0").removeprefix("0") or "0"
