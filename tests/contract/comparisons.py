"""Group G: evaluations. What cannot be computed is null with its reason; what cannot be compared is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from calls import Found, refusal
from contract.case import Row, World
from contract.stores import IMPORT, imported
from jsddpm.binning import ZBinning
from jsddpm.checksums import sha256
from jsddpm.slices.writer import Shard, new_store
from jsddpm_eval.evaluation import evaluate
from jsddpm_eval.features.extractor import Extractor
from jsddpm_eval.features.registry import make_extractors
from jsddpm_eval.functional.best_match import best_match
from jsddpm_eval.results.results import Results
from metric_tester import MEANS, PATIENTS, chosen, generated_arrays, real_arrays, real_table, table
from synthetic import BINNING

EVAL = ("eval", "--real", "{store}", "--bin-aware", "--features", "radiomics", "--out", "{tmp}/new", "--generated")
UNDEFINED = (*EVAL, "{made}", "--metrics", "diversity_ms_ssim")  # the slices are too small for it
UTILITY = ("utility", "{store}", "--z-range", 5, 34, "--bins", 2, "--out", "{tmp}/new", "--jobs", 1)
EMPTY = ("new",)
"""An evaluation makes its folder first, to know that it can; where it refuses, the folder is empty."""


def scored(*metrics: str, real: Any = None, **changed: torch.Tensor) -> Results:
    """An evaluation of generated arrays, some of them otherwise."""
    return evaluate(real or real_table(), table(generated_arrays() | changed), metrics=metrics, features=[MEANS])


def empty_bin(world: World) -> Found:
    """Nothing was generated for bin 1: its cell is there, counts none, and says why nothing is known."""
    arrays = generated_arrays()
    made = table(chosen(arrays, arrays["z_bin"] == 0))
    results = evaluate(real_table(), made, metrics=["kid", "fid", "best_match"], features=[MEANS])
    cell = next(c for c in results.generation if (c.z_bin, c.pathology) == (1, 0))
    assert cell.n_generated == 0
    assert cell.scores
    for score in cell.scores.values():
        assert (score.value, score.status) == (None, "undefined")
        assert score.reason
    return Found(0)


def one_sample(world: World) -> Found:
    """One sample of a condition: no distance between distributions, and the reason."""
    results = evaluate(real_table(), table(generated_arrays(1)), metrics=["kid", "fid"], features=[MEANS])
    for cell in results.generation:
        if cell.n_generated == 1:
            assert all(s.value is None and s.reason for s in cell.scores.values()), cell
    return Found(0)


def fewer_than_dimensions(world: World) -> Found:
    """Four samples in fourteen dimensions: a distance is not given as if it were reliable."""
    results = scored("fid")
    cells = [c for c in results.generation if c.z_bin is not None and c.pathology is not None]
    scores = [score for cell in cells for name, score in cell.scores.items() if name.startswith("fid")]
    assert scores
    assert {s.status for s in scores} <= {"unreliable", "undefined"}
    assert all(s.reason for s in scores)
    return Found(0)


def constant(world: World) -> Found:
    """Constant images never pass: the whole is called collapsed."""
    results = scored("nearest_other", images=torch.full((16, 16, 14), 0.5))
    whole = next(f for f in results.findings if f.check == "collapsed" and (f.z_bin, f.pathology) == (None, None))
    assert whole.answer == "off"
    return Found(0)


def identical(world: World) -> Found:
    """Exact copies have an infinite PSNR, which the JSON of the results holds without a word JSON does not know."""
    real = real_arrays()
    seen = {k: v for k, v in chosen(real, ~real["held_out"]).items() if k not in ("patient", "held_out")}
    results = evaluate(real_table(), table(seen), metrics=["best_match"], features=[MEANS])
    text = json.dumps(results.model_dump(mode="json"), allow_nan=False)
    assert json.loads(text)["generation"]
    psnr = best_match(real["images"][:3], real["images"], data_range=1)[0]
    assert psnr.isinf().all()
    return Found(0)


def arrays(case: str, what: str, *words: str, **changed: Any) -> Row:
    """Generated arrays that must be refused."""

    def work(world: World) -> Found:
        return refusal(lambda: table(generated_arrays() | {k: v(generated_arrays()[k]) for k, v in changed.items()}))

    return Row(case, what, work, 2, "SLICES", words)


def with_nan(images: torch.Tensor) -> torch.Tensor:
    changed = images.clone()
    changed[2, 3, 4] = torch.nan
    return changed


def slices(case: str, what: str, code: str, *words: str, image: np.ndarray) -> Row:
    """A slice file to import that must be refused by its name."""
    return Row(case, what, IMPORT, 3, code, ("slice.npy", *words), imported(lambda path: np.save(path, image), ".npy"))


def generated_store(world: World, images: Callable[[World], np.ndarray], masks: Callable[[World], np.ndarray]) -> None:
    """A generated store of slices of bin 2."""
    picture, mask = images(world), masks(world)
    info = {"binning": BINNING.to_dict(), "kind": "generated", "n_slices": 40, "spacing": (3.0, 2.0, 1.5)}
    with new_store(world.tmp / "made", **info) as writer:
        columns = {"z_index": [20] * len(picture), "pathology": [0] * len(picture), "sample": list(range(len(picture)))}
        writer.add(Shard("all", picture, mask, columns))


def real_rows(world: World) -> np.ndarray:
    """Held-out slices of bin 2; copies of training slices are for the scores to show."""
    return world.store.select(binning=ZBinning((17, 22), 1, n_slices=40), split="test")


def of_real_slices(world: World) -> None:
    generated_store(world, lambda w: w.store.images(real_rows(w)), lambda w: w.store.masks(real_rows(w)))


def of_another_size(world: World) -> None:
    generated_store(world, lambda w: np.zeros((4, 16, 16), np.float32), lambda w: np.zeros((4, 16, 16), bool))


def another_fold(world: World) -> None:
    """A fold that tests patients of whom the samples' network was trained on one."""
    rows = [f"p{p},{'test' if p > 3 else 'train'}" for p in range(6)]
    (world.tmp / "fold.csv").write_text("\n".join(["patient,split", *rows]) + "\n")


def extractor(write: Callable[[Path], object], name: str) -> Callable[[World], Found]:
    """A network file named as an extractor."""

    def work(world: World) -> Found:
        path = world.tmp / "network.pt"
        write(path)
        asked = name.replace("PATH", str(path)).replace("SUM", sha256(path))
        found = refusal(lambda: make_extractors([asked], real_table(), seed=0))
        path.unlink()
        return found

    return work


class Pooled(torch.nn.Module):
    """The mean of a slice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def script(path: Path) -> None:
    torch.jit.script(Pooled()).save(str(path))


def cut_script(path: Path) -> None:
    script(path)
    path.write_bytes(path.read_bytes()[:300])


def other_settings(world: World) -> Found:
    """Kept features of an extractor with other settings or preprocessing are not used for this one."""
    calls = []

    def means(images: torch.Tensor) -> torch.Tensor:
        calls.append(len(images))
        return images.mean(2).double()

    made = table(generated_arrays())
    for number in (1, 2, 1):
        real = table(real_arrays())
        evaluate(
            real,
            made,
            metrics=["kid"],
            features=[Extractor("means", means, {"version": number}, identified=True)],
            cache=world.tmp / "kept",
        )
    real = [n for n in calls if n == 4 * PATIENTS]
    assert len(real) == 2, "the third evaluation finds what the first one kept"
    return Found(0)


def ties(world: World) -> Found:
    """Of equal matches the first, whatever number of slices is compared at a time."""
    reference = real_arrays()["images"]
    doubled = torch.cat([reference, reference.flip(0)])
    many = reference.repeat(60, 1, 1)  # more than are compared at a time
    _, place = best_match(many, doubled, data_range=1)
    assert place.tolist() == list(range(len(reference))) * 60
    one = torch.cat([best_match(part, doubled, data_range=1)[1] for part in many.split(7)])
    assert torch.equal(one, place)
    return Found(0)


ROWS = (
    Row("83", "a bin without samples", empty_bin),
    Row("83", "a score that is undefined, asked for by name", UNDEFINED, 7, "", ("undefined",),
        leaves=("new", "new/*")),
    Row("84", "one sample of a condition", one_sample),
    Row("85", "fewer samples than dimensions", fewer_than_dimensions),
    Row("86", "constant images", constant),
    Row("87", "identical images", identical),
    arrays("88", "NaN in an array", "nan", images=with_nan),
    slices("88", "NaN in a file", "SLICE_VALUES", image=np.full((32, 24), np.nan)),
    arrays("89", "images up to 255", "scale them to [0, 1]", images=lambda x: x * 255),
    arrays("89", "images from -1", "scale them to [0, 1]", images=lambda x: 2 * x - 1),
    arrays("89", "bytes", "divide 8-bit images by 255", images=lambda x: (x * 255).byte()),
    slices("89", "a file up to 255", "SLICE_VALUES", "--value-range", image=np.eye(32, 24) * 255),
    slices("90", "a file of another size", "SLICE_SHAPE", image=np.zeros((31, 24))),
    slices("90", "a file of another type", "SLICE_VALUES", "holds signed integers", image=np.zeros((32, 24), np.int16)),
    arrays("90", "masks of another shape", "equal shapes", masks=lambda x: x[:, :5]),
    Row("90", "a store of another size", (*EVAL, "{tmp}/made"), 3, "STORES", (), of_another_size,
        leaves=EMPTY),
    Row("91", "the real store as the generated one", (*EVAL, "{store}"), 3, "STORES", leaves=EMPTY),
    Row("91", "real slices in a generated store", (*EVAL, "{tmp}/made", "--metrics", "kid"), 3, "STORES", (),
        of_real_slices, leaves=EMPTY),
    Row("92", "a network of another checksum", extractor(script, f"PATH@{'0' * 64}"), 4, "WEIGHTS", ("SHA-256",)),
    Row("92", "a network cut short", extractor(cut_script, "PATH@SUM"), 4, "WEIGHTS"),
    Row("92", "a network that is a text", extractor(lambda path: path.write_text("no network"), "PATH@SUM"), 4,
        "WEIGHTS"),
    Row("M11", "channels that the network does not take", extractor(script, "PATH@SUM?channels=2"), 2, "EXTRACTOR"),
    Row("93", "kept features of other settings", other_settings),
    Row("94", "equal matches", ties),
    Row("96", "an extractor that does not exist", (*EVAL[:4], "--out", "{tmp}/new", "--features", "inceptionv3",
        "--generated", "{made}"), 2, "EXTRACTOR", ("radiomics",), leaves=EMPTY),
    Row("96", "a metric that does not exist", (*EVAL, "{made}", "--metrics", "kidd"), 2, "METRIC", ("kid",),
        leaves=EMPTY),
    Row("96", "nothing to evaluate", ("eval",), 2, "OPTION"),
    Row("U1", "a generator that has seen a patient who is tested", (*UTILITY, "--fold", "{tmp}/fold.csv", "--generator",
        "1={made}"), 3, "SAME_PATIENT", ("in the training set of the generator", "cohort split --folds"), another_fold),
    Row("U1", "samples that are slices of tested patients", (*UTILITY, "--generator", "{tmp}/made"), 3, "SAME_PATIENT",
        ("equal slices of test patients",), of_real_slices),
    Row("U1", "the real store as a generator", (*UTILITY, "--generator", "{store}"), 2, "KIND"),
    Row("U1", "generated slices without a generator", (*UTILITY, "--arm", "generated", "--arm", "real"), 2, "UTILITY",
        ("--generator",)),
    Row("U1", "a generator for one fold of two", (*UTILITY, "--folds", 2, "--generator", "1={made}"), 2, "UTILITY",
        ("--generator 2=",)),
)  # fmt: skip
