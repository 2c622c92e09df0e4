"""Draw a generated slice store from a trained model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from jsddpm import __version__
from jsddpm.binning import Condition
from jsddpm.diffusion.footprint import BATCH
from jsddpm.diffusion.pictures import to_image_and_mask
from jsddpm.diffusion.pipeline import JointPipeline
from jsddpm.diffusion.sampling import SampleId
from jsddpm.diffusion.schedulers import make_scheduler
from jsddpm.errors import usage_error
from jsddpm.progress import Progress
from jsddpm.quantization import is_integer
from jsddpm.sections import SamplingConfig
from jsddpm.seeds import check_seed
from jsddpm.slices.writer import Shard, finished, mark_finished, shared_store, write_shard
from jsddpm.weights import weights_hash


def generate_store(
    pipe: JointPipeline,
    out: str | Path,
    *,
    conditions: Sequence[Condition] | None = None,
    sampling: SamplingConfig | None = None,
    coherence: float | None = None,
    seed: int = 0,
    share: tuple[int, int] = (0, 1),
    progress: Progress | None = None,
) -> Path:
    """Draw ``sampling.per_condition`` samples of every condition into a new store.

    If it is interrupted, the same call keeps the finished batches and continues; if the store is complete, the same
    call does nothing. With shares, several processes draw a part each, on any machines that see the folder; the last
    to finish publishes the store. A sample's ``z_index`` is the middle slice of its bin, so the store reads back into
    the same bins.

    Args:
        pipe: The trained model.
        out: New store folder, or the store of the same call.
        conditions: Conditions to draw; None draws every trained one.
        sampling: Sampler and number per condition; None takes the run's settings.
        coherence: How much noise samples with the same number share, 0 to 1
            (:class:`~jsddpm.diffusion.sampling.SampleId`); the store marks them as one volume, so ``conditions`` must
            have each bin once. None for independent samples.
        seed: Base of all seeds, a whole number from 0.
        share: Number of this process, from 0, and how many there are.
        progress: Called with (network calls done, in all) of this share.

    Raises:
        JsddpmError: ``EXISTS``, ``UNTRAINED``, ``CONDITIONS``, ``GUIDANCE``, ``STEPS``, ``OPTION`` (status 2);
            ``PLAN_DIFFERS`` (status 4) when other samples were started at ``out``; ``MEMORY`` (status 5);
            ``NON_FINITE`` (status 6), and such a batch is not kept.
    """
    sampling, binning, seed = sampling or pipe.sampling, pipe.binning, check_seed(seed)
    if len(share) != 2 or not all(map(is_integer, share)) or not 0 <= share[0] < share[1]:
        raise usage_error("OPTION", f"the share {share!r} is not a part", fix="give (I, N) with 0 <= I < N")
    ids = pipe.ids(conditions, sampling)
    if coherence is not None:
        coherence = _coherence(coherence, ids)
        ids = [replace(i, coherence=coherence) for i in ids]
    groups = [] if coherence is None else [f"volume-{n:04d}" for n in range(sampling.per_condition)]
    pipe.require_memory(len(ids), sampling)
    make_scheduler(pipe.diffusion, sampling)  # refuses impossible requests before anything is written
    size = sampling.batch_size or BATCH
    batches = {f"generated-{i // size:04d}": ids[i : i + size] for i in range(0, len(ids), size)}
    part = list(batches)[share[0] :: share[1]]
    total = len(part) * sampling.steps
    at_once = pipe.at_once(sampling)  # asked once: the memory that sampling holds would change it
    drawing, together = sampling.model_copy(update={"batch_size": at_once}), max(1, at_once // size)
    with shared_store(
        out,
        list(batches),
        share=share,
        kind="generated",
        n_slices=binning.n_slices,
        spacing=pipe.spacing,
        binning=binning.to_dict(),
        conditions=[i.condition.token(binning.n_bins) for i in ids[:: sampling.per_condition]],
        sampling=sampling.model_dump(mode="json"),
        seed=seed,
        provenance=dict(pipe.provenance),
        network=weights_hash(pipe.denoiser),  # runs may have equal provenance, and their samples are not mixed
        created_by=f"jsddpm {__version__}",
        **({"groups": groups, "coherence": coherence} if groups else {}),
    ) as root:
        if root is None:
            return Path(out)
        missing = [name for name in part if finished(root, name) is None]
        for start in range(0, len(missing), together):
            chosen = missing[start : start + together]
            done = count((len(part) - len(missing) + start) * sampling.steps + len(chosen), len(chosen))
            report = (lambda done=done: progress(next(done), total)) if progress else None
            last, pairs = pipe.draw([i for name in chosen for i in batches[name]], drawing, seed, report)
            for k, (name, x) in enumerate(zip(chosen, pairs.split(size), strict=True)):
                batch, (image, mask) = last[k * size : (k + 1) * size], to_image_and_mask(x)
                rows = {
                    "z_index": [binning.representative(i.condition.z_bin) for i in batch],
                    "pathology": [i.condition.pathology for i in batch],
                    "sample": [i.number for i in batch],
                    "seed": [i.seed(seed) for i in batch],
                }
                rows |= {"group": [i.number for i in batch]} if groups else {}
                info = {"redrawn": sum(i.attempt > 0 for i in batch)} if sampling.redraws else {}
                mark_finished(root, write_shard(root, Shard(name, image, mask, rows, info)))
    return Path(out)


def _coherence(coherence: float, ids: Sequence[SampleId]) -> float:
    """The coherence of volumes of these samples; refused if it is no share, or a volume has two slices of a bin."""
    if isinstance(coherence, bool | str) or not 0 <= coherence <= 1:
        raise usage_error("OPTION", f"the coherence {coherence!r} is no share", fix="give a number from 0 to 1")
    bins = Counter(i.condition.z_bin for i in ids if i.number == 0)
    if twice := [z_bin for z_bin, count in bins.items() if count > 1]:
        what = f"a volume would have two slices of bin {twice[0]}, control and lesion"
        raise usage_error("CONDITIONS", what, fix="give conditions that have each bin once, or no coherence")
    return float(coherence)
