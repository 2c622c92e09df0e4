"""The checklists of reviewers: what each item asks, in our words, and which fact answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jsddpm_reports.cards.fact import Fact, sentence, unknown

_OF_THE_STUDY = "it is of the study and stands in no file of jsddpm; the authors add it"


@dataclass(frozen=True)
class Item:
    """One item.

    Attributes:
        number: Its number, or the name of its part.
        asks: What it asks, in short.
        facts: Names of the facts that answer it; empty where no file of ours can.
    """

    number: str
    asks: str
    facts: tuple[str, ...] = ()

    def answer(self, facts: Mapping[str, Fact]) -> Fact:
        """Its answer: known as soon as one of its facts is."""
        known = [facts[name] for name in self.facts] or [unknown(_OF_THE_STUDY)]
        if not any(fact.known for fact in known):
            return unknown("; ".join(fact.text for fact in known))
        return Fact(" ".join(map(sentence, known)))


@dataclass(frozen=True)
class Checklist:
    """A published checklist.

    Attributes:
        file: Stem of the file that is written.
        title: Its name.
        source: Key of its reference.
        items: What it asks.
    """

    file: str
    title: str
    source: str
    items: tuple[Item, ...]


CLAIM = Checklist("claim-2024", "CLAIM 2024", "tejani2024claim", (
    Item("1", "Title names the kind of AI", ("technology",)),
    Item("2", "Structured abstract"),
    Item("3", "Background and clinical role"),
    Item("4", "Aims and hypotheses"),
    Item("5", "Prospective or retrospective"),
    Item("6", "Goal of the study", ("goal",)),
    Item("7", "Sources of data", ("training_data",)),
    Item("8", "Inclusion and exclusion"),
    Item("9", "Preprocessing", ("preprocessing",)),
    Item("10", "Selection of subsets", ("binning",)),
    Item("11", "De-identification", ("codes",)),
    Item("12", "Missing data"),
    Item("13", "Acquisition protocol"),
    Item("14", "Definition of the reference standard"),
    Item("15", "Why this reference standard"),
    Item("16", "Who annotated"),
    Item("17", "How the test set was annotated"),
    Item("18", "Variability between and within annotators"),
    Item("19", "How data were divided", ("partitions",)),
    Item("20", "Level on which the parts are disjoint", ("disjoint",)),
    Item("21", "Intended size of the test set", ("sample_size",)),
    Item("22", "The model", ("model",)),
    Item("23", "Software with versions", ("software",)),
    Item("24", "Initial weights", ("initial",)),
    Item("25", "Training", ("training", "augmentation")),
    Item("26", "Selection of the final model", ("selection",)),
    Item("27", "Ensembles", ("ensemble",)),
    Item("28", "Measures of performance", ("metrics",)),
    Item("29", "Uncertainty and significance", ("uncertainty",)),
    Item("30", "Robustness and sensitivity", ("robustness",)),
    Item("31", "Explanation of the model"),
    Item("32", "Testing on internal data", ("patients",)),
    Item("33", "Testing on external data"),
    Item("34", "Registration of a trial"),
    Item("35", "Numbers of patients, flow chart", ("patients", "partitions")),
    Item("36", "Demographic and clinical characteristics"),
    Item("37", "Performance on the test data", ("verdict",)),
    Item("38", "Estimates with their precision", ("precision",)),
    Item("39", "Failures", ("failures",)),
    Item("40", "Limitations", ("limitations",)),
    Item("41", "Implications for practice"),
    Item("42", "Full protocol", ("reproduction",)),
    Item("43", "Availability of software, model and data", ("software",)),
    Item("44", "Funding"),
))  # fmt: skip

MI_CLAIM_GEN = Checklist("mi-claim-gen", "MI-CLAIM-GEN", "miao2024miclaimgen", (
    Item("1 study design", "Clinical problem"),
    Item("1 study design", "Research question", ("goal",)),
    Item("1 study design", "Selection of the cohort, so that others can repeat it"),
    Item("1 study design", "How labels were made, and by whom"),
    Item("1 study design", "Type of the output", ("output",)),
    Item("1 study design", "Characteristics of the cohort", ("patients",)),
    Item("2 resources", "Components of the model", ("technology", "model")),
    Item("2 resources", "Origin and format of all data", ("training_data",)),
    Item("2 resources", "Preprocessing", ("preprocessing",)),
    Item("2 resources", "Independence of training, validation and test sets, by patient", ("disjoint", "partitions")),
    Item("3-4 performance", "Baseline to compare with", ("baseline",)),
    Item("3-4 performance", "Comparison with the baseline and its significance", ("verdict", "uncertainty")),
    Item("3-4 performance", "Kinds of evaluation and why these measures", ("metrics",)),
    Item("3-4 performance", "Evaluation by humans"),
    Item("5 examination", "Analysis of errors, brittleness, undetected failure", ("failures", "robustness")),
    Item("5 examination", "Risk that the examination shows", ("limitations",)),
    Item("5 examination", "Bias, privacy, security, other harm", ("privacy",)),
    Item("5 examination", "Shifts of distribution"),
    Item("5 examination", "Evaluation after deployment"),
    Item("6 reproducibility", "Sharing of code and data", ("software", "reproduction")),
    Item("6 reproducibility", "Hyperparameters, hardware, time", ("training", "sampling", "hardware", "duration")),
    Item("6 reproducibility", "Model card", ("card",)),
    Item("6 reproducibility", "Release of weights"),
))  # fmt: skip

SCORECARD = Checklist("synthetic-data-scorecard", "Scorecard for synthetic medical data", "zamzmi2025scorecard", (
    Item("description", "How the data were made", ("technology", "sampling")),
    Item("description", "Patient data behind them", ("training_data",)),
    Item("description", "Size", ("samples",)),
    Item("congruence", "Closeness to the distribution of patient data", ("congruence",)),
    Item("coverage", "Variety, and what is missing of it", ("coverage",)),
    Item("constraint", "Anatomy and other limits that samples must keep", ("constraint",)),
    Item("completeness", "Everything that the task needs is there", ("output", "binning")),
    Item("compliance", "Privacy, formats, rules", ("privacy", "codes")),
    Item("comprehension", "Documentation that says what they are and are not for", ("card", "limitations")),
    Item("consistency", "Agreement between bins, pathologies and groups", ("consistency",)),
    Item("use", "Intended use"),
    Item("use", "Gain for a task"),
))  # fmt: skip

CHECKLISTS = (CLAIM, MI_CLAIM_GEN, SCORECARD)
