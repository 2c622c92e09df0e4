"""The sections of a run's configuration: every key with its type, its default and what it does.

:mod:`jsddpm.config` combines them and reads them from YAML; ``docs/reference/configuration.md`` is generated from them.
"""

from __future__ import annotations

from os import PathLike
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from jsddpm.binning import MOST_BINS, Scheme, ZBinning
from jsddpm.errors import JsddpmError, usage_error
from jsddpm.registry import EMBEDDINGS, SAMPLERS, Registry


def _numeric(value: Any) -> Any:
    """Keep pydantic from reading ``true`` as 1 and ``"16"`` as 16; 1e5 stays a whole number."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("not_a_number", "not a number")
    return value


NUMERIC = BeforeValidator(_numeric)
Number = Annotated[float, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Share = Annotated[Number, Field(ge=0, le=1)]
MOST_STEPS = 100_000_000
"""Largest number of steps in a setting; no training comes near."""
Steps = Annotated[int, Field(ge=1, le=MOST_STEPS), NUMERIC]
SliceIndex = Annotated[int, Field(ge=0, le=65535), NUMERIC]
Channels = Annotated[int, Field(ge=2, le=4096), NUMERIC]
Level = Annotated[int, Field(ge=0, le=7), NUMERIC]
Timestep = Annotated[int, Field(ge=0, lt=100_000), NUMERIC]


def _name_of(registry: Registry) -> Any:
    """The validator and documentation of a name in a registry."""
    return Field(description=registry.description(), json_schema_extra={"enum": list(registry.names())})


Spacing = Literal["trailing", "karras"]
"""Spacing of the noise levels that a sampler visits; see :func:`jsddpm.diffusion.standalone.visited_timesteps`."""


class Section(BaseModel):
    """Base of the sections: unknown keys are refused, and the text under a key is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class DataConfig(Section):
    """Settings for reading the store."""

    batch_size: Annotated[int, Field(ge=1, le=65536), NUMERIC] = 16
    """Slices of one forward pass in one process; a step uses batch_size x accumulate x processes."""
    lesion_share: Share | None = 0.5
    """Expected share of lesion slices in a batch, bins equally likely; null draws every slice equally often."""
    residence: Literal["memory", "device", "mapped"] = "memory"
    """Where slices are held: in memory (3 bytes a pixel), on the training device, or mapped (read from the store)."""
    workers: Annotated[int, Field(ge=0, le=64), NUMERIC] = 0
    """Number of processes that make batches, which do not depend on it. Useful with mapped slices; 0 on a device."""
    flip: Flag = False
    """Mirror left and right at random (image and mask together)."""


class BinningConfig(Section):
    """The z-bins; see :class:`jsddpm.binning.ZBinning`."""

    scheme: Scheme = "local"
    """Rule from slice to bin: local (over z_range), global (over the volume), local-inclusive."""
    z_range: tuple[SliceIndex, SliceIndex] = (24, 93)
    """First and last slice used, both included."""
    n_bins: Annotated[int, Field(ge=1, le=MOST_BINS), NUMERIC] = 10
    """Number of bins."""
    allow_empty_bins: Flag = False
    """Accept more bins than slices; empty bins are not trained and not sampled."""

    def for_store(
        self, n_slices: int, file: str | PathLike[str] | None = None, proposed: tuple[int, int] | None = None
    ) -> ZBinning:
        """The binning of a store's volumes.

        Args:
            n_slices: Slices of a volume.
            file: Folder of the store, which the error names.
            proposed: Range that the store proposes, which is the cure of one that exceeds its volumes.

        Raises:
            JsddpmError: ``Z_RANGE``, ``N_BINS`` (status 2).
        """
        try:
            return ZBinning(self.z_range, self.n_bins, self.scheme, n_slices, self.allow_empty_bins)
        except JsddpmError as error:
            if error.code != "Z_RANGE" or file is None:
                raise
            what, cure = f"binning.{error.what}", f"[LO,HI] with LO <= HI <= {n_slices - 1}"
            if proposed is not None:
                what += f", and the store proposes [{proposed[0]}, {proposed[1]}]"
                cure = f"[{proposed[0]},{proposed[1]}]"
            raise usage_error("Z_RANGE", what, fix=f"give --set binning.z_range={cure}", file=file) from None


class AugmentationConfig(Section):
    """Training slices moved in the plane; the network is conditioned on how (non-leaky, arXiv 2206.00364, F)."""

    probability: Share = 0.0
    """Share of training slices that each transformation moves; 0 moves none, and the network takes no amounts."""
    flip: Flag = False
    """Also mirror left and right; do not if laterality matters. Unlike data.flip, it conditions the network."""
    scale: Annotated[Number, Field(ge=0, le=1)] = 0.2
    """Standard deviation of log2 of the size."""
    rotation: Annotated[Number, Field(ge=0, le=180)] = 15.0
    """Largest angle, in degrees."""
    stretch: Annotated[Number, Field(ge=0, le=1)] = 0.1
    """Standard deviation of log2 of the stretch along an axis of any direction, with the same area."""
    shift: Annotated[Number, Field(ge=0, le=1)] = 0.05
    """Standard deviation of the shift along rows and columns, as a share of the side."""


class ModelConfig(Section):
    """The network."""

    channels: Annotated[tuple[Channels, ...], Field(min_length=1, max_length=8)] = (64, 128, 256)
    """Channels of each resolution level, the finest first."""
    layers_per_block: Annotated[int, Field(ge=1, le=16), NUMERIC] = 2
    """Number of residual blocks of a level."""
    attention_levels: Annotated[tuple[Level, ...], Field(max_length=8)] = ()
    """Levels (0 is the finest) with self-attention."""
    attention_head_dim: Annotated[int, Field(ge=1, le=1024), NUMERIC] = 8
    """Channels of one attention head."""
    norm_num_groups: Annotated[int, Field(ge=1, le=1024), NUMERIC] = 16
    """Groups of the group normalisation; they must divide the channels of every level."""
    dropout: Annotated[Number, Field(ge=0, le=0.9)] = 0.0
    """Dropout inside the residual blocks."""
    patch_size: Annotated[int, Field(ge=1, le=16), NUMERIC] = 1
    """Side of the pixel blocks folded into channels before the first convolution."""
    condition_embedding: Annotated[str, AfterValidator(EMBEDDINGS.check), _name_of(EMBEDDINGS)] = "token"
    self_conditioning: Share = 0.0
    """Share of training steps with self-conditioning on an estimate of x0; 0 builds the network without that input."""


class DiffusionConfig(Section):
    """The forward process and the prediction target."""

    prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    """Prediction target, by the names of diffusers: noise, x0 or velocity."""
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"] = "linear"
    """Noise schedule, by the names of diffusers; squaredcos_cap_v2 is the cosine schedule."""
    beta_start: Annotated[Number, Field(gt=0, lt=1)] = 1e-4
    """First beta; the cosine schedule does not use it."""
    beta_end: Annotated[Number, Field(gt=0, lt=1)] = 0.02
    """Last beta; the cosine schedule does not use it."""
    num_train_timesteps: Annotated[int, Field(ge=2, le=100_000), NUMERIC] = 1000
    """Number of noise levels."""
    rescale_zero_snr: Flag = False
    """Rescale the schedule so that the last noise level has no signal (arXiv 2305.08891); refused with epsilon."""


class ObjectiveConfig(Section):
    """The loss, which always compares with the slice itself."""

    p_image: Annotated[Number, Field(ge=1, le=4)] = 2.0
    """Exponent of the image's error: 2 gives the mean squared error."""
    p_mask: Annotated[Number, Field(ge=1, le=4)] = 2.0
    """Exponent of the mask's error."""
    mask_weight: Annotated[Number, Field(gt=0, le=1e4)] = 1.0
    """Weight of the mask channel relative to the image channel."""
    lesion_weight: Annotated[Number, Field(ge=1, le=1e4)] = 1.0
    """Weight of lesion pixels in both channels."""
    min_snr_gamma: Annotated[Number, Field(gt=0, le=1e6)] | None = None
    """Min-SNR weighting: the loss is min(SNR, gamma) times the error of x0; null sets no limit."""
    snr_floor: Annotated[Number, Field(gt=0, le=1e6)] | None = None
    """Truncated SNR weighting: the loss is at least this times the error of x0; null sets no minimum."""
    frequency_weight: Annotated[Number, Field(ge=0, le=1e4)] = 0.0
    """Weight of the focal frequency loss of the image; 0 disables it."""
    frequency_alpha: Annotated[Number, Field(ge=0, le=4)] = 1.0
    """Exponent of the focal frequency loss: larger values weight frequencies with large errors more."""


class OptimizerConfig(Section):
    """AdamW with linear warm-up and cosine decay."""

    learning_rate: Annotated[Number, Field(gt=0, le=10)] = 1e-4
    """Highest learning rate."""
    weight_decay: Annotated[Number, Field(ge=0, le=10)] = 0.01
    """Decoupled weight decay."""
    warmup_steps: Annotated[int, Field(ge=0, le=MOST_STEPS), NUMERIC] = 500
    """Steps of linear warm-up."""
    final_share: Share = 0.1
    """Learning rate at the last step, as a share of the highest."""


class TrainerConfig(Section):
    """Length and limits of training."""

    max_steps: Steps = 50000
    """Optimiser steps."""
    check_every: Steps = 1000
    """Steps between validations and checkpoints."""
    patience: Steps | None = None
    """Stop after this many validations whose samples are not better (see monitoring); null never stops early."""
    stop_at_memorisation: Flag = False
    """Stop at the first validation whose generated samples show signs of memorised training slices."""
    accumulate: Annotated[int, Field(ge=1, le=1024), NUMERIC] = 1
    """Batches whose gradients are averaged into one step."""
    gradient_clip: Annotated[Number, Field(ge=1e-6, le=1e6)] = 1.0
    """Largest norm of the gradient."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Precision; auto is bf16-mixed on a GPU or CPU that multiplies bfloat16 in hardware, 32-true elsewhere."""
    collective_timeout: Annotated[int, Field(ge=1, le=86_400), NUMERIC] = 1800
    """Seconds that processes of a job wait for one that does not answer."""
    compile: Flag = False
    """Compile the network with torch.compile; then the first step takes minutes."""


class EmaConfig(Section):
    """Exponential moving average of the weights, used for validation and sampling."""

    decay: Annotated[Number, Field(gt=0, lt=1)] = 0.999
    """Share of the average that is kept at each step."""
    warmup_power: Annotated[Number, Field(gt=0, le=1)] = 0.75
    """The decay at step n is at most 1 - (1 + n) ** -warmup_power."""


class SamplingConfig(Section):
    """Settings of sampling."""

    sampler: Annotated[str, AfterValidator(SAMPLERS.check), _name_of(SAMPLERS)] = "ddim"
    steps: Annotated[int, Field(ge=1, le=100_000), NUMERIC] = 50
    """Number of network evaluations per sample."""
    spacing: Spacing = "trailing"
    """Spacing of noise levels: trailing (evenly spaced), or karras (more low levels; for an ideal network)."""
    eta: Share = 0.0
    """Share of DDPM's step noise in DDIM; other samplers do not use it."""
    guidance: Annotated[Number, Field(ge=0, le=100)] = 1.0
    """Classifier-free guidance weight; 1 uses the conditional prediction alone."""
    per_condition: Annotated[int, Field(ge=1, le=100_000), NUMERIC] = 8
    """Number of samples per condition."""
    redraws: Annotated[int, Field(ge=0, le=100), NUMERIC] = 0
    """Largest number of times that a sample whose mask contradicts its pathology is drawn again."""
    batch_size: Annotated[int, Field(ge=1, le=65536), NUMERIC] | None = None
    """Samples drawn at once, on which they do not depend; null: 64 on a CPU, up to 1024 in a GPU's memory."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "32-true"
    """Precision of the network's calls; auto is bf16-mixed on a GPU or CPU that multiplies bfloat16 in hardware."""


class EvaluationConfig(Section):
    """Exact reconstruction during validation and evaluation."""

    timesteps: Annotated[tuple[Timestep, ...], Field(min_length=1, max_length=100)] = (100, 300, 500)
    """Timesteps of the exact reconstruction; the noise is fixed for each slice."""


class MonitoringConfig(Section):
    """Samples drawn at each validation; their comparison with validation patients chooses ``best.ckpt``."""

    samples: Annotated[int, Field(ge=0, le=4096), NUMERIC] | None = None
    """Number of samples drawn at each validation; null draws as many as share allows, 0 draws none."""
    share: Annotated[Number, Field(gt=0, le=1)] = 0.05
    """Cost of drawing them, as a share of the cost of the training steps between two validations, in network passes."""
    steps: Annotated[int, Field(ge=1, le=100_000), NUMERIC] = 20
    """Largest number of sampling steps; the other settings are those of sampling."""


class LoggingConfig(Section):
    """Logs of a run; metrics.csv is always written."""

    every: Steps = 10
    """Steps between logged training values."""
    grid: Annotated[int, Field(ge=0, le=1024), NUMERIC] = 8
    """Number of conditions in the picture of samples at each validation; 0 draws none."""
    tensorboard: Flag = False
    """Also write TensorBoard event files (needs tensorboard)."""
    wandb: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Also log to this Weights & Biases project (needs wandb; WANDB_MODE=offline stays offline)."""
