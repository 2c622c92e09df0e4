"""Scripts as users write them, of every public name that has a type to speak of; they are run, or read by mypy."""

from __future__ import annotations

TRAINING = """
from pathlib import Path
import numpy as np
from jsddpm import Condition, JointPipeline, SliceDataset, SliceStore, ZBinning, load_config, train

binning = ZBinning((24, 93), n_bins=10)
reveal_type(binning.index(24))
reveal_type(train(load_config("demo"), SliceStore("store"), Path("run")))
reveal_type(JointPipeline.from_checkpoint("last.ckpt")([Condition(3, 1), (4, 0)], num_per_condition=2).masks)
SliceDataset("store", binning, split=3)
ZBinning("24", 10)
"""
"""Types are revealed; the last two lines are wrong."""

EVALUATION = """
from collections.abc import Mapping

import numpy as np
import jsddpm_eval as je

rng = np.random.default_rng(0)
images, gen = rng.random((24, 16, 14)), rng.random((16, 16, 14))
masks, gen_masks = images > 0.98, gen > 0.98
bins, path, ids = np.arange(24) % 4, np.arange(24) // 4 % 2, [f"p{i % 6}" for i in range(24)]
test = [i % 6 > 3 for i in range(24)]
asked_bin, asked = np.arange(16) % 4, np.arange(16) // 4 % 2


class Largest(je.Metric):
    name = "largest"
    specs = (je.ScoreSpec(name="largest", heading="largest", group="tone", definition="largest intensity"),)
    needs = frozenset({"pixels"})

    def compute(self, cell: je.Cell, context: je.Context) -> Mapping[str, je.Score]:
        if not len(cell.generated):
            return self.undefined(cell, context, "nothing generated")
        return {"largest": je.Score.of(float(cell.generated.images.max()), cell.counts)}


real = je.SliceTable.from_arrays(images, masks, z_bin=bins, pathology=path, patient=ids, held_out=test)
fake = je.SliceTable.from_arrays(gen, gen_masks, z_bin=asked_bin, pathology=asked)
results = je.evaluate(real, fake, metrics=["kid", "best_match", "lesion_shape", Largest()])
score: je.Score = results["kid", 3, "lesion"]
value: float | None = score.value
findings: tuple[je.Finding, ...] = results.findings
print(len(results.to_frame()), value, len(findings), len(results._repr_html_()), results.plot("kid").get_ylabel())
results.findings[0].answer.upper()
differences = je.compare(results, results)
assert not any(d.significant for d in differences)
use = je.bin_utilization((24, 93))


def wrong() -> float:  # each line is an error that the types tell; an ignore that is not needed would be one as well
    je.evaluate(real)  # type: ignore[call-arg]
    je.SliceTable.from_arrays(images, pathology=path, patients=ids)  # type: ignore[call-arg]
    return score.value + 1  # type: ignore[operator]
"""
"""It runs; what is wrong in it is in a function that nobody calls."""
