"""Arms: training sets of segmentation networks, named by words joined by ``+``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jsddpm.errors import usage_error

Transplant = Literal["copy-paste", "poisson"]
_TRANSPLANTS: dict[str, Transplant] = {"copy-paste": "copy-paste", "poisson": "poisson"}
_PERCENT = [str(number) for number in range(1, 100)]

PASTED = 0.5
"""Share of the lesion slices of a batch whose lesion is another patient's, in the arms that paste."""


@dataclass(frozen=True)
class Arm:
    """The training set of a network.

    Attributes:
        generated: Share of each batch that is generated, in [0, 1]; the rest is real.
        transplant: How lesions of one training patient come into slices of another; None for none.
        augmented: Whether every slice is turned, moved, scaled, mirrored, and changed in brightness, at random.
    """

    generated: float = 0.0
    transplant: Transplant | None = None
    augmented: bool = False

    @property
    def name(self) -> str:
        """Its name, such as ``real+generated-50+classical``."""
        parts = ["generated"] if self.generated == 1 else ["real"]
        parts += [f"generated-{round(100 * self.generated)}"] if 0 < self.generated < 1 else []
        parts += [self.transplant] if self.transplant else []
        return "+".join(parts + ["classical"] * self.augmented)

    @classmethod
    def parse(cls, name: str) -> Arm:
        """The arm of a name.

        Raises:
            JsddpmError: ``ARM`` (status 2).

        >>> Arm.parse("real+generated-25+classical")
        Arm(generated=0.25, transplant=None, augmented=True)
        >>> Arm.parse("generated").generated
        1.0
        """
        arm = _read(name.split("+"))
        if arm.name != name:
            cure = f"use one of {', '.join(ARMS)}; in generated-N, N is from 1 to 99"
            raise usage_error("ARM", f"unknown arm {name!r}", fix=cure)
        return arm

    @property
    def is_rival(self) -> bool:
        """Whether it adds something to real slices that needs no generator."""
        return self.generated == 0 and self != Arm()


def _read(words: list[str]) -> Arm:
    share, transplant = (1.0 if words[0] == "generated" else 0.0), None
    for word in words[1:]:
        head, _, number = word.partition("-")
        if head == "generated" and number in _PERCENT:
            share = int(number) / 100
        transplant = _TRANSPLANTS.get(word, transplant)
    return Arm(share, transplant, "classical" in words[1:])


REAL = Arm()

ARMS = (
    "real", "generated", "real+generated-25", "real+generated-50", "real+generated-75", "real+copy-paste",
    "real+poisson", "real+classical",
)  # fmt: skip
"""The arms that are tried where none is named; those with generated slices only with a generator."""

MEANINGS = {
    "real": "real slices of training patients",
    "generated": "generated slices alone",
    "copy-paste": "half of the lesions carved out of one training patient, pasted into a slice of another (CarveMix)",
    "poisson": "the same, blended into its surroundings by Poisson's equation",
    "classical": "every slice turned, scaled, moved, mirrored, and changed in brightness and noise",
}


def meaning(name: str) -> str:
    """The training set of an arm in words.

    >>> meaning("real+generated-25")
    'real slices of training patients; 25% of each batch generated'
    """
    words = name.split("+")
    meanings = [MEANINGS[word] for word in words if word in MEANINGS]
    meanings += [
        f"{word.partition('-')[2]}% of each batch generated" for word in words if word.startswith("generated-")
    ]
    return "; ".join(meanings)


def comparisons(names: list[str]) -> list[tuple[str, str]]:
    """Which arms are compared: each with real slices alone, and real + generated with every rival as well.

    A rival is an arm that adds something to real slices without a generator.

    >>> comparisons(["real", "generated", "real+generated-50", "real+copy-paste"])[1:]
    [('real+generated-50', 'real'), ('real+generated-50', 'real+copy-paste'), ('real+copy-paste', 'real')]
    """
    arms = {name: Arm.parse(name) for name in names}
    rivals = [name for name, arm in arms.items() if arm.is_rival]
    pairs = []
    for name, arm in arms.items():
        others = [REAL.name] if REAL.name in arms else []
        others += rivals if 0 < arm.generated < 1 else []
        pairs += [(name, other) for other in others if other != name]
    return pairs
