"""Cards, methods and checklists: what the Hub reads of them, and that nothing is said that is not known."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard

from evaluations import HOSTILE, made_up
from jsddpm.errors import JsddpmError
from jsddpm_cli.commands.card import card
from jsddpm_eval.results.score import Score
from jsddpm_reports import wording
from jsddpm_reports.cards.card import documents
from jsddpm_reports.cards.checklists import CLAIM, MI_CLAIM_GEN, SCORECARD
from jsddpm_reports.cards.facts import facts_of
from jsddpm_reports.cards.run import run_of_samples
from jsddpm_reports.reproduction import places
from jsddpm_reports.wording import context

RUN = {
    "device": "cpu", "precision": "32-true", "processes": 1, "seed": 0, "split": {"train": 8, "val": 2, "test": 2},
    "store": {"path": "../store", "fingerprint": "def", "patients": 12, "slices": 1536},
}  # fmt: skip


@pytest.fixture(scope="module")
def results():
    return made_up(2, size=(8, 6), seeds=2).results


@pytest.fixture(scope="module")
def texts(results):
    return documents(results, "model", run=RUN)


def test_the_hub_reads_the_scores_of_the_model_card(texts, results):
    header = ModelCard(texts["README.md"]).data
    assert header.pipeline_tag == "unconditional-image-generation"
    assert header.eval_results
    for found in header.eval_results:
        score = results.pooled[found.metric_type]
        assert (found.metric_value, score.status) == (round(score.value, 6), "ok")


def test_the_hub_reads_the_header_of_the_data_card(results):
    header = DatasetCard(documents(results, "data")["README.md"]).data
    assert header.size_categories == ["n<1K"]  # 160 slices
    assert "synthetic-data" in header.tags


def test_a_header_says_no_licence_that_nobody_gave(texts):
    header = yaml.safe_load(texts["README.md"].split("---")[1])
    assert "license" not in header


def test_methods_count_the_checks_that_were_made(results, texts):
    every = len({finding.check for finding in results.findings})
    assert f"Faults of {every} kinds were looked for" in texts["methods.md"]
    one = results.model_copy(update={"findings": tuple(f for f in results.findings if f.check == "copied")})
    assert "Faults of 1 kind were looked for" in documents(one, "model", run=RUN)["methods.md"]
    none = results.model_copy(update={"findings": ()})
    assert "were looked for" not in documents(none, "model", run=RUN)["methods.md"]


def test_names_that_are_html_stay_text(texts):
    everything = "\n".join(texts.values())
    assert "<script" not in everything
    assert "&lt;script" in everything


def test_every_reference_that_is_cited_is_there(texts):
    cited = {key for text in texts.values() for key in re.findall(r"\[@(\w+)\]", text)}
    entries = re.findall(r"^@\w+\{(\w+),", texts["references.bib"], re.M)
    assert cited <= set(entries)
    assert len(entries) == len(set(entries))
    assert texts["references.bib"].count("{") == texts["references.bib"].count("}")


def test_the_checklists_have_their_items():
    """44 items of CLAIM 2024; 23 of MI-CLAIM-GEN, in its parts 1, 2, 3-4, 5, 6; the seven criteria of the scorecard."""
    assert [item.number for item in CLAIM.items] == [str(n) for n in range(1, 45)]
    parts = [item.number.split()[0] for item in MI_CLAIM_GEN.items]
    assert [parts.count(p) for p in ("1", "2", "3-4", "5", "6")] == [6, 4, 4, 5, 4]
    criteria = ["congruence", "coverage", "constraint", "completeness", "compliance", "comprehension", "consistency"]
    assert [item.number for item in SCORECARD.items if item.number.startswith("co")] == criteria


def test_what_is_not_known_says_why(results):
    bare = results.model_copy(update={"provenance": {}, "findings": (), "verdict": (), "generation": ()})
    facts = facts_of(bare)
    assert not any(facts[name].known for name in ("model", "training", "partitions", "sampling", "privacy", "disjoint"))
    for name, text in documents(bare, "model").items():
        assert not re.search(r"\bNone\b|\bnan\b|\{\}|\[\]", text), name
        for reason in re.findall(r"Not known: ([^|\n]*)", text):
            assert len(reason.split()) >= 4


def test_p_values_of_checks_alone_are_said_to_be_corrected(results):
    assert "P-values of checks are corrected" in facts_of(results)["uncertainty"].text
    assert context(Score(value=1.0, p_value=0.01)) == "p = 0.01 (uncorrected)"


def test_answers_follow_the_run(results):
    with_run, without = (facts_of(results, run=run)["partitions"] for run in (RUN, None))
    assert (with_run.known, without.known) == (True, False)
    assert "8 patients to train on" in with_run.text
    assert "--run" in without.text


def test_what_is_not_known_is_listed_in_words_once_for_each_reason(results):
    bare = results.model_copy(update={"provenance": {}, "findings": (), "verdict": (), "generation": ()})
    for kind in ("model", "data"):
        listed = documents(bare, kind)["README.md"].partition("## Not known\n\n")[2].partition("\n\n")[0]
        entries = [line.partition(": ") for line in listed.splitlines() if line.startswith("- ")]
        names = [name for several, _, _ in entries for name in several[2:].split("; ")]
        assert all(len(name.split()) > 1 for name in names if name not in ("network", "bins"))
        assert "_" not in "".join(names)
        reasons = [reason for _, _, reason in entries]
        assert len(reasons) == len(set(reasons))
    assert "how many patients were for training, validation and test; hardware of the training; training data" in listed


@pytest.fixture
def drawn(results, tmp_path):
    """An evaluation of samples that a run drew, and a maker of runs."""
    network = {"training_store": "def", "training_seed": 1, "step": 500, "weights": "ema"}
    drew = {"provenance": {"generated": {"slices": 9, "provenance": network}, "real": {"store": "def"}}}
    (tmp_path / "e").mkdir()
    results.model_copy(update=drew).write(tmp_path / "e" / "results.json")

    def a_run(name="run", **changed):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text("{}")
        (folder / "provenance.json").write_text(json.dumps(RUN | {"seed": 1, "steps": 700} | changed))
        return folder

    return tmp_path / "e", a_run


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"store": {"path": "s", "fingerprint": "abc"}}, "store abc, seed 1, step 700, and their network on store def"),
        ({"seed": 2}, "store def, seed 2, step 700, and their network on store def, seed 1, step 500"),
        ({"steps": 499}, "store def, seed 1, step 499, and their network"),
    ],
)
def test_a_run_that_did_not_draw_the_samples_is_refused_with_both_named(drawn, changed, said):
    evaluation, a_run = drawn
    assert run_of_samples(evaluation, a_run())["seed"] == 1
    other = a_run("other", **changed)
    with pytest.raises(JsddpmError, match=rf"OPTION.*other: did not draw the samples: .*{said}.*leave out --run"):
        run_of_samples(evaluation, other)


def test_a_run_is_refused_where_the_samples_name_none(results, drawn, tmp_path):
    _, a_run = drawn
    imported = {"generated": {"provenance": {"imported": {"folder": "samples-of-others"}}}}
    (tmp_path / "i").mkdir()
    results.model_copy(update={"provenance": imported}).write(tmp_path / "i" / "results.json")
    with pytest.raises(JsddpmError, match=r"OPTION.*imported from samples-of-others, and name no run; fix:.*--run"):
        run_of_samples(tmp_path / "i", a_run())
    assert run_of_samples(tmp_path / "i") is None


def test_a_run_around_an_evaluation_is_that_of_its_samples_or_none(results, drawn):
    evaluation, a_run = drawn
    inside = [a_run(name, seed=seed) / "evaluation" for name, seed in (("own", 1), ("of-another", 2))]
    for place in inside:
        shutil.copytree(evaluation, place)
    own, other = map(run_of_samples, inside)
    assert (own["seed"], other) == (1, None)


def test_no_patient_is_named_unless_by_code(results):
    privacy = {"worst_patient": {"patient": "1", "samples": 2}, "sentences": ["1 of 10 samples are copies."]}
    assert facts_of(results, privacy)["privacy"].text == "1 of 10 samples are copies."
    coded = results.model_copy(update={"provenance": results.provenance | {"patient_codes": "abc"}})
    assert facts_of(coded, privacy)["privacy"].text == (
        "1 of 10 samples are copies. The patient copied most often is 1, in 2 samples."
    )


@pytest.mark.parametrize(
    ("changes", "known", "said"),
    [
        ({"checkpoint": None}, False, "do not say on which store"),
        ({"checkpoint": {"training_store": "def"}, "real": {}}, False, "does not say which store"),
        ({"checkpoint": {"training_store": "def"}, "real": {"store": "abc"}}, False, "another store, def"),
        ({"checkpoint": {"training_store": "def"}, "real": {"store": "def"}}, True, "By patient"),
        (
            {
                "checkpoint": {"training_store": "def", "ancestors": [{"store": "abc", "compared": True}]},
                "real": {"store": "def"},
            },
            True,
            "By patient",
        ),
        (
            {
                "checkpoint": {"training_store": "def", "ancestors": [{"store": "abc", "compared": False}]},
                "real": {"store": "def"},
            },
            False,
            "another store, abc",
        ),
    ],
)
def test_who_was_trained_on_is_said_only_where_the_store_is_known(results, changes, known, said):
    fact = facts_of(results.model_copy(update={"provenance": results.provenance | changes}))["disjoint"]
    assert fact.known is known
    assert said in fact.text


def test_a_reconstruction_alone_compares_no_samples(results):
    provenance = {k: v for k, v in results.provenance.items() if k not in ("generated", "features_asked")}
    alone = results.model_copy(
        update={"provenance": provenance, "generation": (), "findings": (), "verdict": (), "checks": ()}
    )
    texts = documents(alone, "model")
    assert "were compared with slices" not in texts["methods.md"]
    said = " ".join(texts["methods.md"].split())
    assert (
        "noise was added to held-out slices of a cohort of 12 patients (held out: split test), in 2 local bins" in said
    )
    assert "Nothing generated was evaluated." in texts["README.md"]
    assert not re.search(r"Not known[^.]*\.? (were )?compared", texts["README.md"] + texts["methods.md"])


def test_samples_without_a_score_that_a_check_needs_were_evaluated(results):
    """As with --metrics diversity; the card said that nothing was."""
    unchecked = results.model_copy(update={"findings": (), "verdict": (), "checks": ()})
    card = documents(unchecked, "model")["README.md"]
    assert "Nothing generated was evaluated" not in card
    assert "| none | | No score that a check needs was computed. |" in card
    assert wording.verdict_sentences(unchecked) == [
        "No score that a check needs was computed, so there is no verdict on generated slices."
    ]


def test_arrays_have_neither_a_fingerprint_nor_a_split(results):
    """What an evaluation of arrays records: the slices of both sides, and how many patients are held out."""
    provenance = {"real": {"slices": 48, "held_out_patients": 4}, "generated": {"slices": 64}, "seed": 0}
    arrays = results.model_copy(update={"provenance": provenance})
    assert "None" not in "".join(what for _, what in places(arrays))
    for name, text in documents(arrays, "data").items():
        assert not re.search(r"\bNone\b", text), name


def test_the_command_takes_the_run_around_the_evaluation(results, tmp_path, capsys):
    run = tmp_path / "run"
    (run / "evaluation").mkdir(parents=True)
    results.write(run / "evaluation" / "results.json")
    (run / "config.yaml").write_text("")
    (run / "provenance.json").write_text(json.dumps(RUN))
    card(run / "evaluation", tmp_path / "card", how="json")
    said = json.loads(capsys.readouterr().out)
    assert {str(p.relative_to(tmp_path / "card")) for p in (tmp_path / "card").rglob("*.*")} == set(said["files"])
    assert "8 patients to train on" in (tmp_path / "card" / "README.md").read_text()
    assert HOSTILE not in (tmp_path / "card" / "README.md").read_text()
    other = tmp_path / "other"
    other.mkdir()
    (other / "provenance.json").write_text(json.dumps(RUN | {"store": RUN["store"] | {"fingerprint": "another"}}))
    with pytest.raises(JsddpmError, match="was trained on store another"):
        card(run / "evaluation", tmp_path / "again", run=other)
    with pytest.raises(JsddpmError, match="already exists"):
        card(run / "evaluation", tmp_path / "card")


@pytest.mark.parametrize(
    ("flip", "settings", "said"),
    [
        (False, {"probability": 0.0, "flip": True}, "No augmentation"),
        (True, {}, "mirrored"),
        (False, {"probability": 0.15, "flip": False}, "Each transformation (size, angle, stretch, shift) changes 15%"),
        (False, {"probability": 0.15, "flip": True}, "mirror image"),
    ],
)
def test_a_card_says_how_training_slices_were_changed(results, flip, settings, said):
    config = {"data": {"flip": flip}, "augmentation": settings, "trainer": {"max_steps": 900}}
    checkpoint = {"step": 700, "weights": "ema", "config": config}
    facts = facts_of(results.model_copy(update={"provenance": results.provenance | {"checkpoint": checkpoint}}))
    assert said in facts["augmentation"].text
    assert facts["selection"].text.startswith("Step 700 of 900, averaged (EMA) weights")


@pytest.mark.parametrize(
    ("checkpoint", "known", "said"),
    [
        (None, False, "not of a checkpoint of jsddpm"),
        ({"training_store": "def"}, True, "Random"),
        ({"ancestors": [{"store": "ab", "step": 9}, {"store": "cd", "step": 7}]}, True, "for 7 steps on store cd"),
    ],
)
def test_initial_weights_are_those_of_the_last_ancestor(results, checkpoint, known, said):
    fact = facts_of(results.model_copy(update={"provenance": results.provenance | {"checkpoint": checkpoint}}))[
        "initial"
    ]
    assert fact.known is known
    assert said in fact.text
