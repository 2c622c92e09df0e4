"""What the README, CONTRIBUTING and docs show their readers: pages, fenced blocks, commands."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
SOURCES = sorted(p for d in ("jsddpm", "jsddpm_eval", "cli", "reports") for p in (ROOT / d).rglob("*.py"))
"""Every module of the packages."""

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page it starts on."""

    language: str
    text: str
    line: int

    @property
    def commands(self) -> list[str]:
        """Command lines of a ``sh`` block, continued lines joined, comments left out."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language == "sh" else []
        return [line.split("  # ")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def blocks(page: str) -> list[Block]:
    """Fenced blocks of a page, in order."""
    text = TEXTS[page]
    return [Block(m[1], m[2], text[: m.start()].count("\n") + 1) for m in _FENCE.finditer(text)]


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a module's code; the tests that read them share one parse."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def called(node: ast.Call) -> str:
    """What a call calls, as it is written."""
    return ast.unparse(node.func)
