"""The start of a run from the weights of another: what must agree, and whether the other saw patients now held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from jsddpm.config import RunConfig
from jsddpm.diffusion.checkpoint import Ancestor, CheckpointInfo, both_sets, info_of, read_checkpoint
from jsddpm.errors import integrity_error, usage_error
from jsddpm.slices.layout import image_digest, patient_of
from jsddpm.slices.store import SliceStore
from jsddpm.training.module import JointDDPM
from jsddpm.wording import counted


def start_from(path: str | Path, module: JointDDPM, info: CheckpointInfo, store: SliceStore) -> CheckpointInfo:
    """Load both sets of weights from a checkpoint, or from an exported folder, of the same network and binning.

    Args:
        path: The checkpoint or the folder.
        module: The network under training, which takes the weights.
        info: Metadata of the new run.
        store: Its store.

    Returns:
        The metadata with the networks from which the weights came.

    Raises:
        JsddpmError: ``WARM_START`` (status 2) for another noise schedule, target or condition on augmentation, or when
            patients that are now for validation or test trained those networks; ``BINNING_MISMATCH`` (status 2);
            ``CHECKPOINT`` (status 4) for another network.
    """
    loaded = read_checkpoint(path)
    before = info_of(loaded, Path(path), module.binning)
    if differing := _differing(before.config, info.config):
        what = f"was trained with other settings ({'; '.join(differing)})"
        raise usage_error("WARM_START", what, fix="give its settings, with --config of its run", file=path)
    images = None if before.images is None else list(before.images)
    own = Ancestor(store=before.store, seed=before.config.seed, step=before.step, images=images)
    ancestors = tuple(_compared(ancestor, store, path) for ancestor in (*before.ancestors, own))
    try:
        module.load_state_dict(both_sets(loaded["state_dict"], before.step))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        cure = "train with the checkpoint's model section"
        raise integrity_error("CHECKPOINT", f"does not fit this network ({reason})", fix=cure, file=path) from error
    return replace(info, ancestors=ancestors)


def _differing(before: RunConfig, now: RunConfig) -> list[str]:
    """Settings on which the meaning of the weights depends, where they differ."""
    pairs: dict[str, tuple[Any, Any]] = {
        f"diffusion.{name}": (value, getattr(now.diffusion, name)) for name, value in before.diffusion
    }
    used = before.augmentation.probability, now.augmentation.probability
    if (used[0] > 0) != (used[1] > 0):  # the network takes amounts or does not
        pairs["augmentation.probability"] = used
    return [f"{key}: {old} in the checkpoint, {new} here" for key, (old, new) in pairs.items() if old != new]


def _compared(ancestor: Ancestor, store: SliceStore, path: str | Path) -> Ancestor:
    """The ancestor, and whether its training images were compared with the held-out patients of a store.

    If the store has none of its images, it is of other patients, or of the same ones in other pixels.
    """
    if ancestor.store == store.fingerprint:
        return ancestor.model_copy(update={"compared": True})
    seen = set(ancestor.images or ())
    of_store = [subject for subject in store.subjects if image_digest(subject) in seen]
    if held_out := sorted({patient_of(s) for s in of_store if s.get("split") in ("val", "test")}):
        patients, verb = counted(len(held_out), "patient"), "is" if len(held_out) == 1 else "are"
        what = f"was trained on {patients} who {verb} for validation or test in {store.path}, such as {held_out[0]}"
        cure = "start from random weights, or give these patients the split train (jsddpm cache resplit)"
        raise usage_error("WARM_START", what, fix=cure, file=path)
    return ancestor.model_copy(update={"compared": bool(of_store)})
