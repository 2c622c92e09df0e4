"""Facts on the network that drew the samples, on its training and on the sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jsddpm.wording import counted
from jsddpm_reports.cards.fact import Fact, unknown

NOT_OURS = "the samples are not of a checkpoint of jsddpm, or its run was not evaluated"

_NETWORK = ("technology", "model", "training", "augmentation", "initial", "selection", "ensemble")
_SAMPLERS = {
    "ddpm": "ancestral sampling", "ddim": "DDIM", "dpmpp": "DPM-Solver++ (2M)",
    "dpmpp_sde": "stochastic DPM-Solver++ (2M)", "unipc": "UniPC",
}  # fmt: skip

_TARGETS = {"epsilon": "the noise", "sample": "the slice without noise", "v_prediction": "the velocity"}
_SCHEDULES = {"squaredcos_cap_v2": "cosine", "scaled_linear": "scaled linear"}


def of_generator(checkpoint: Mapping[str, Any] | None, generated: Mapping[str, Any]) -> dict[str, Fact]:
    """Facts by name.

    Args:
        checkpoint: Provenance of the evaluated checkpoint, if there is one.
        generated: Provenance of the samples.
    """
    facts = _of_network(checkpoint) if checkpoint else dict.fromkeys(_NETWORK, unknown(NOT_OURS))
    return facts | {"sampling": _sampling(generated)}


def _of_network(checkpoint: Mapping[str, Any]) -> dict[str, Fact]:
    config = checkpoint.get("config", {})
    model, diffusion, data, optimizer, trainer = (
        config.get(part, {}) for part in ("model", "diffusion", "data", "optimizer", "trainer")
    )
    averaged = "averaged (EMA)" if checkpoint.get("weights") == "ema" else "raw"
    return {
        "technology": Fact("Deep learning: a denoising diffusion model of image and mask together"),
        "model": Fact(
            f"U-Net with channels {model.get('channels')}, layers in a block: {model.get('layers_per_block')}, "
            f"levels with attention: {model.get('attention_levels') or 'none'}, "
            f"patches of {model.get('patch_size')} pixels, {model.get('condition_embedding')} condition embedding; "
            f"it predicts {_named(_TARGETS, diffusion.get('prediction_type'))}, "
            f"{_named(_SCHEDULES, diffusion.get('beta_schedule'))} schedule of "
            f"{diffusion.get('num_train_timesteps')} noise levels"
        ),
        "training": Fact(
            f"{checkpoint.get('step')} of {trainer.get('max_steps')} steps with batches of {data.get('batch_size')} "
            f"slices, learning rate {optimizer.get('learning_rate')}, weight decay {optimizer.get('weight_decay')}, "
            f"share of lesion slices drawn {data.get('lesion_share')}, seed {config.get('seed')}"
        ),
        "augmentation": _augmentation(data.get("flip"), config.get("augmentation", {})),
        "initial": _initial(checkpoint.get("ancestors", ())),
        "selection": Fact(
            f"Step {checkpoint.get('step')} of {trainer.get('max_steps')}, {averaged} weights; choice.json of the run "
            "says whether samples chose the step, and why"
        ),
        "ensemble": Fact("None: one network"),
    }


def _named(words: Mapping[str, str], value: Any) -> Any:
    """The words for a value of the configuration, or the value itself."""
    return words.get(value, value)


def _augmentation(flip: bool | None, settings: Mapping[str, Any]) -> Fact:
    """Augmentation of training slices, by ``data.flip`` and the section ``augmentation`` of the configuration."""
    if flip is None:
        return unknown("the configuration does not say")
    sentences = ["Half of the slices are mirrored left and right"] if flip else []
    if share := settings.get("probability"):
        kinds = "size, angle, stretch, shift" + (", mirror image" if settings.get("flip") else "")
        sentences.append(
            f"Each transformation ({kinds}) changes {share:.0%} of the slices, and the network is told by how much"
        )
    return Fact(". ".join(sentences) or "No augmentation")


def _initial(ancestors: Sequence[Mapping[str, Any]]) -> Fact:
    """Where the weights came from when the training started."""
    if not ancestors:
        return Fact("Random: the run did not start from another network")
    last = ancestors[-1]
    return Fact(f"Those of a network trained for {counted(last.get('step', 0), 'step')} on store {last.get('store')}")


def _sampling(generated: Mapping[str, Any]) -> Fact:
    sampling = generated.get("sampling")
    if not sampling:
        return unknown("the samples do not say how they were drawn")
    name = _SAMPLERS.get(sampling.get("sampler"), sampling.get("sampler"))
    guidance = sampling.get("guidance", 1)
    guided = f", guidance {guidance:g}" if guidance != 1 else ""
    spacing = ", Karras spacing" if sampling.get("spacing") == "karras" else ""
    steps = f"{counted(sampling.get('steps'), 'step')}{spacing}{guided}"
    redraws = int(sampling.get("redraws", 0))
    again = f"; masks that contradict their pathology drawn again up to {counted(redraws, 'time')}" if redraws else ""
    return Fact(f"{name} with {steps}, {_drawn(generated)}, seed {generated.get('seed')}{again}")


def _drawn(generated: Mapping[str, Any]) -> str:
    """How many samples of how many conditions, or volumes of how many slices."""
    count, conditions = generated["sampling"].get("per_condition"), generated.get("conditions")
    if "coherence" in generated:
        volumes = f"{counted(count, 'volume')} of {counted(len(conditions or ()), 'slice')}"
        return f"{volumes} that share noise (coherence {generated['coherence']:g})"
    each = "each condition" if conditions is None else f"each of {counted(len(conditions), 'condition')}"
    return f"{counted(count, 'sample')} of {each}"
