"""A fact that cards and checklists ask for, which may be unknown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """One thing that a card or a checklist asks.

    Attributes:
        text: What is known, or why it is not.
        known: Whether it is.
    """

    text: str
    known: bool = True

    def __str__(self) -> str:
        return self.text if self.known else f"Not known: {self.text}."


def sentence(fact: Fact) -> str:
    """A fact that ends as a sentence does."""
    text = str(fact)
    return text if text.endswith(".") else f"{text}."


def unknown(reason: str) -> Fact:
    """A fact that is not known."""
    return Fact(reason, known=False)
