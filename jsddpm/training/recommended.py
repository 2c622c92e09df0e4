"""Recommended settings for a store: a preset by the size of its slices, and its z-range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jsddpm.config import RunConfig, combined_config
from jsddpm.slices.store import SliceStore

_BY_SIDE = ((96, "real64"), (144, "real128"))
"""Longest side of slices for which a preset is recommended, in pixels."""
_LARGEST = "real160"


@dataclass(frozen=True)
class Recommendation:
    """Recommended settings for a store.

    Attributes:
        preset: Name of a preset.
        z_range: Range of slices that the store proposes; None if it proposes none.
        reason: The reason in words.
    """

    preset: str
    z_range: tuple[int, int] | None
    reason: str

    @classmethod
    def of(cls, store: SliceStore) -> Recommendation:
        """The recommendation for a store."""
        side = max(store.size)
        preset = next((name for most, name in _BY_SIDE if side <= most), _LARGEST)
        reason = f"its slices have {store.size[0]}x{store.size[1]} pixels"
        if store.z_range:
            reason += f" and it proposes slices {store.z_range[0]} to {store.z_range[1]}"
        return cls(preset, store.z_range, reason)

    def config(self, overrides: Sequence[str] = ()) -> RunConfig:
        """The preset with the proposed range and overrides; see :func:`jsddpm.config.load_config`.

        Raises:
            JsddpmError: ``CONFIG`` (status 2).
        """
        sections = {"binning": {"z_range": list(self.z_range)}} if self.z_range else {}
        return combined_config(self.preset, sections, overrides, None)
