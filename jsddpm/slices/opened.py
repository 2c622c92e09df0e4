"""Stores as arguments of public functions: open, or the path of their folder."""

from __future__ import annotations

from pathlib import Path

from jsddpm.slices.store import SliceStore

Store = SliceStore | str | Path
"""A store, or the path of its folder."""


def opened(store: Store) -> SliceStore:
    """The store, opened if it is given by its path.

    Raises:
        JsddpmError: As :class:`~jsddpm.slices.store.SliceStore`.
    """
    return store if isinstance(store, SliceStore) else SliceStore(store)
