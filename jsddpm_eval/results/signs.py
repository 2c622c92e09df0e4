"""Signs of answers and standings, the same in a notebook, in the terminal and on a page."""

from __future__ import annotations

SIGNS = {"off": "!", "fine": "✓", "unknown": "?"}
"""Signs of a check's answers."""

MARKS = {-1: "▼", 0: "", 1: "▲"}
"""Signs of a score below its baseline, within its band, and above it."""
