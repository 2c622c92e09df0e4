"""A fact that cards and checklists ask for, which may be unknown."""

from __future__ import annotations

from collections.abc import Mapping
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


_WORDS = {
    "goal": "goal of the study",
    "samples": "number of samples",
    "patients": "real patients",
    "binning": "bins",
    "metrics": "measures of performance",
    "uncertainty": "how intervals were computed",
    "precision": "precision of the scores",
    "sample_size": "differences that could have been seen",
    "failures": "faults of the samples",
    "verdict": "result of the evaluation",
    "limitations": "limits of the evaluation",
    "robustness": "whether the evaluation finds planted faults",
    "software": "versions of the software",
    "baseline": "what the scores were compared with",
    "consistency": "agreement between bins and pathologies",
    "congruence": "likeness to real slices",
    "coverage": "variety of the samples",
    "constraint": "anatomy of the samples",
    "reproduction": "how to repeat the evaluation",
    "codes": "removal of patients' names",
    "partitions": "how many patients were for training, validation and test",
    "hardware": "hardware of the training",
    "training_data": "training data",
    "output": "output of the generator",
    "card": "card of the model",
    "preprocessing": "preprocessing of the volumes",
    "duration": "duration of the training",
    "technology": "kind of generator",
    "model": "network",
    "training": "settings of the training",
    "augmentation": "augmentation of training slices",
    "initial": "initial weights",
    "selection": "how the weights were chosen",
    "ensemble": "whether several networks were combined",
    "sampling": "how the samples were drawn",
    "disjoint": "whether training and test have different patients",
    "privacy": "copies of patients",
}
"""What each fact is of, by its name."""


def unknowns(facts: Mapping[str, Fact]) -> list[tuple[str, str]]:
    """What is not known in words, and why; facts with the same reason stand together.

    >>> unknowns({"model": unknown("no run"), "hardware": unknown("no run"), "goal": Fact("evaluation")})
    [('network; hardware of the training', 'no run')]
    """
    by_reason: dict[str, list[str]] = {}
    for name, fact in facts.items():
        if not fact.known:
            by_reason.setdefault(fact.text, []).append(_WORDS[name])
    return [("; ".join(words), reason) for reason, words in by_reason.items()]
