"""The YAML header of a card, as the Hugging Face Hub reads it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from jsddpm_reports.columns import spaced

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

    from jsddpm_eval.results.results import Results

_TAGS = ["medical-imaging", "mri", "brain", "synthetic-data", "jsddpm"]
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def header(results: Results, kind: Literal["model", "data"]) -> str:
    """YAML of what is known; a licence is none of it, whoever publishes adds it.

    Args:
        results: The evaluation.
        kind: Of which card it is.
    """
    from huggingface_hub import DatasetCardData, ModelCardData

    if kind == "model":
        own_network = results.provenance.get("checkpoint") is not None
        model = ModelCardData(
            library_name="diffusers" if own_network else None,
            pipeline_tag="unconditional-image-generation",
            tags=_TAGS + (["diffusion"] if own_network else []),
            model_name="Brain MRI slices with lesion masks",
            eval_results=_evaluated(results) or None,
        )
        return model.to_yaml() + "\n"
    count = int(results.provenance.get("generated", {}).get("slices", 0))
    size = next((name for most, name in _SIZES if count < most), "n>1M")
    data = DatasetCardData(
        pretty_name="Generated brain MRI slices with lesion masks",
        annotations_creators=["machine-generated"],
        source_datasets=["original"],
        task_categories=["image-segmentation"],
        size_categories=[size],
        tags=_TAGS,
    )
    return data.to_yaml() + "\n"


def _evaluated(results: Results) -> list[EvalResult]:
    """Scores of the whole that are shown first, those that may be read without a reason."""
    from huggingface_hub import EvalResult

    named = str(results.provenance.get("real", {}).get("store", ""))
    store = named if re.fullmatch(r"[0-9a-f]+", named) else "without a fingerprint"  # a header is not escaped
    shown = [
        (f"{spec.words} {space}".strip(), spec.named(space), results.pooled.get(spec.named(space)))
        for spec, space in spaced(results)
        if spec.place == "compact"
    ]
    return [
        EvalResult(
            task_type="unconditional-image-generation",
            dataset_type="slice-store",
            dataset_name=f"real slices, store {store}",
            metric_type=name,
            metric_name=heading,
            metric_value=round(score.value, 6),
        )
        for heading, name, score in shown
        if score is not None and score.value is not None and score.status == "ok"
    ]
