"""Influences and example slices under codes: nothing but names and their order changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluations import panels
from jsddpm.anonymise import Codes
from jsddpm.errors import JsddpmError
from jsddpm_eval.results.anonymised import coded_panels, coded_results
from jsddpm_eval.results.results import Results
from jsddpm_eval.results.score import Cell, Influence, Score, block_of

CODES = Codes({"Ann": "P-000B", "Kim+Lee": "P-000A", "Bo": "P-000C"}, {"Ann": "P-000B", "Bo_2019": "P-000C-0001"})


def results(patients):
    score = Score(value=1.0, influence=Influence(patients=patients, samples=(0.5, 0.25)))
    return Results(binning={}, provenance={"seed": 0}, utilization={}, generation=[Cell(scores={"kid": score})])


def test_blocks_are_recoded_also_where_a_name_holds_what_joins_them():
    found = coded_results(results({block_of("Ann", "Kim+Lee"): 0.1, "Bo": 0.2, block_of("Kim+Lee"): 0.3}), CODES)
    influence = found.pooled["kid"].influence
    assert list(influence.patients.items()) == [("P-000A", 0.3), ("P-000A+P-000B", 0.1), ("P-000C", 0.2)]
    assert influence.samples == (0.5, 0.25)
    assert found.provenance == {"seed": 0, "patient_codes": CODES.fingerprint}


def test_a_patient_without_a_code_is_refused():
    with pytest.raises(JsddpmError, match="Cid has no code"):
        coded_results(results({"Ann+Cid": 0.1}), CODES)


def test_examples_are_named_and_ordered_by_code():
    rng = np.random.default_rng(0)
    images, masks = rng.integers(0, 256, (2, 2, 8, 8)).astype(np.uint8), rng.random((2, 2, 8, 8)) < 0.5
    names = np.array([["Bo_2019 z 3", "Ann z 4"], ["Ann z 4", ""]])
    pairs = np.array([["made 1"], ["Bo_2019 z 3"]])
    made = replace(panels(1, (8, 8), 2), real_image=images, real_mask=masks, real_name=names, copies_name=pairs)
    found = coded_panels(made, CODES)
    assert found.real_name.tolist() == [["P-000B z 4", "P-000C-0001 z 3"], ["P-000B z 4", ""]]
    for before, after in ((images, found.real_image), (masks, found.real_mask)):
        assert np.array_equal(after[0], before[0, ::-1])
        assert np.array_equal(after[1], before[1])
    assert found.copies_name.tolist() == [["made 1"], ["P-000C-0001 z 3"]]
    assert np.array_equal(found.generated_image, made.generated_image)
