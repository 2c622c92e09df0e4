"""Questions of the studies: ways to train and to sample, each compared with a baseline."""

from __future__ import annotations

from dataclasses import dataclass

from jsddpm.registry import SAMPLERS


@dataclass(frozen=True)
class Variant:
    """A way to train and to sample: changes of the preset that the store asks for.

    Attributes:
        name: As tables call it.
        settings: Changed keys of the configuration; those who share them share a network.
        sampling: Changed keys of its section ``sampling``, for the drawing alone.
    """

    name: str
    settings: tuple[str, ...] = ()
    sampling: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Its settings and its sampling, as rows name them."""
        return " ".join(self.settings), " ".join(self.sampling)


@dataclass(frozen=True)
class Study:
    """A question, answered by the differences of its variants to a baseline."""

    question: str
    baseline: Variant
    others: tuple[Variant, ...]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The baseline, then the others."""
        return self.baseline, *self.others


def _drawn(sampler: str, spacing: str, steps: int) -> Variant:
    sampling = f"sampler={sampler}", f"spacing={spacing}", f"steps={steps}"
    return Variant(f"{sampler}, {spacing}, {steps} steps", sampling=sampling)


STUDIES = {
    "binning": Study(
        "Local or global bins?", Variant("global bins", ("binning.scheme=global",)), (Variant("local bins"),)
    ),
    "prediction": Study(
        "What should the network predict?", Variant("x0"),
        (Variant("noise", ("diffusion.prediction_type=epsilon",)),
         Variant("v", ("diffusion.prediction_type=v_prediction",))),
    ),
    "samplers": Study(
        "Which sampler, in how many steps?", Variant("as the preset draws"),
        tuple(_drawn(sampler, spacing, steps)
              for sampler in SAMPLERS.names() for spacing in ("trailing", "karras") for steps in (10, 20, 30, 50)),
    ),
    "augmentation": Study(
        "Does augmentation help, and against copying?", Variant("off"),
        (Variant("on", ("augmentation.probability=0.15",)),),
    ),
}  # fmt: skip
"""The presets for real patients have local bins, predict x0 and do not augment."""
