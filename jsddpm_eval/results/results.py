"""Results of an evaluation: scores with their context, as strict JSON, a tidy table and in a notebook."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ValidationError

from jsddpm.binning import PATHOLOGY_NAMES, ZBinning, parse_pathology
from jsddpm.checksums import sha256, write_recorded
from jsddpm.errors import integrity_error, usage_error
from jsddpm.files import json_bytes
from jsddpm.wording import counted, first_names
from jsddpm_eval.results.score import Cell, Influence, Score
from jsddpm_eval.results.specs import Answer, CheckSpec, Facts, Finding, Model, Place, ScoreSpec
from jsddpm_eval.target import influence_file, read_unchanged, require_results_file

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

ALIKE = "patients_alike"
"""Entry of the provenance: groups of real patients who are as near to each other as copies are, if there are any."""

_MOST_NAMES = 6  # of conditions in an error
_PROTOCOLS: tuple[Literal["reconstruction", "generation"], ...] = ("reconstruction", "generation")


class Results(Model):
    """All results of an evaluation.

    ``results["kid", 3, "lesion"]`` is one score, ``results["kid"]`` the pooled one; see :meth:`score`.

    Attributes:
        binning: :meth:`ZBinning.to_dict` of the generated slices.
        provenance: Stores, split, checkpoint, sampler, seeds, extractors, versions.
        utilization: Bin utilization, local and global.
        specs: Specification of each score, in the order of their columns.
        checks: Specification of each check.
        reconstruction: Exact reconstruction, by timestep and pathology; empty without a network.
        generation: Bin-aware scores: of the whole, of each pathology, then of each bin and each bin x pathology.
        confusion: Generated slices by requested bin (rows) and bin of their predicted position (columns).
        findings: Answers of each check for the whole, each pathology, each bin and each bin x pathology.
        verdict: The findings in sentences.
    """

    schema_name: Literal["jsddpm-results"] = "jsddpm-results"
    version: Literal[2] = 2
    binning: Facts
    provenance: Facts
    utilization: Facts
    specs: tuple[ScoreSpec, ...] = ()
    checks: tuple[CheckSpec, ...] = ()
    reconstruction: tuple[Cell, ...] = ()
    generation: tuple[Cell, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    findings: tuple[Finding, ...] = ()
    verdict: tuple[str, ...] = ()

    @property
    def z_binning(self) -> ZBinning:
        """The binning as a value."""
        return ZBinning.from_dict(self.binning)

    @property
    def pooled(self) -> dict[str, Score]:
        """Generation scores over all conditions."""
        return next((dict(c.scores) for c in self.generation if c.key == (None, None, None)), {})

    def cells(self) -> list[Cell]:
        """Generation cells of one bin and one pathology each."""
        return [c for c in self.generation if c.z_bin is not None and c.pathology is not None]

    def spaces(self) -> list[str]:
        """Feature spaces, in the requested order."""
        return list(dict.fromkeys(s.space for c in self.generation for s in c.scores.values() if s.space))

    def score(self, name: str, z_bin: int | None = None, pathology: int | str | None = None) -> Score:
        """The score of a condition of the generated slices.

        Args:
            name: Full name (``vendi_radiomics``), or a spec's (``kid``), which stands for the first feature space.
            z_bin: The bin; None for all bins.
            pathology: ``"control"``, ``"lesion"``, 0 or 1; None for both. Most scores of a bin are those of one
                pathology.

        Raises:
            JsddpmError: ``SCORE`` (status 2) when there is no such condition or score, naming those there are;
                ``PATHOLOGY`` (status 2) for another pathology.
        """
        kind = None if pathology is None else parse_pathology(pathology)
        cell = next((c for c in self.generation if c.key == (z_bin, kind, None)), None)
        if cell is None:
            last = self.binning["n_bins"] - 1
            cure = f"give a bin from 0 to {last} and control or lesion; or neither, for everything pooled"
            raise usage_error("SCORE", f"there is no condition with bin {z_bin} and pathology {pathology}", fix=cure)
        score = cell.scores.get(name) or next(iter(cell.of(name)), None)
        if score is None:
            raise usage_error("SCORE", f"{cell.name} has no score {name!r}", fix=self._instead(name, cell))
        return score

    def _instead(self, name: str, cell: Cell) -> str:
        """What to ask for in place of a score that a condition does not have."""
        places = [c.name for c in self.generation if name in c.scores or any(c.of(name))]
        if not places:
            every = cell.scores or dict.fromkeys(n for c in self.generation for n in c.scores)
            return f"use one of {', '.join(every)}"
        return f"use a condition with this score: {first_names(places, _MOST_NAMES, '; ')}"

    def __getitem__(self, key: str | tuple[str, int | None, int | str | None]) -> Score:
        """See :meth:`score`."""
        asked = key if isinstance(key, tuple) else (key,)
        if not (1 <= len(asked) <= 3 and isinstance(asked[0], str)):
            cure = 'give a name, or a name with bin and pathology: results["kid", 3, "lesion"]'
            raise usage_error("SCORE", f"{key!r} is no name of a score", fix=cure)
        return self.score(*asked)

    def answers(self) -> dict[Place, Answer]:
        """Common answer of all checks for each bin x pathology.

        ``off`` where any check is, ``fine`` where every check that is asked of the pathology is, and else ``unknown``:
        one of them is unknown, or was not made.
        """
        together: dict[Place, dict[str, Answer]] = {}
        for f in self.findings:
            if f.z_bin is not None and f.pathology is not None:
                together.setdefault(f.place, {})[f.check] = f.answer
        return {place: self._together(place[1], of_place) for place, of_place in together.items()}

    def _together(self, pathology: int | None, answers: Mapping[str, Answer]) -> Answer:
        applicable = {check.name for check in self.checks if check.pathology in (None, pathology)}
        if "off" in answers.values():
            return "off"
        return "fine" if applicable <= set(answers) and set(answers.values()) == {"fine"} else "unknown"

    def whole(self) -> dict[str, Finding]:
        """Finding of each check for the whole generator; for a check of one pathology, for that pathology.

        A check that was not made, or looks at single conditions only, is not in it.
        """
        pathologies = {check.name: check.pathology for check in self.checks}
        tops = [f for f in self.findings if f.z_bin is None and f.pathology in (None, pathologies.get(f.check))]
        return {f.check: f for f in sorted(tops, key=lambda f: f.pathology is not None)}

    def counts(self, check: str) -> dict[Answer, int]:
        """Number of bins x pathologies with each answer of a check."""
        answers = [f.answer for f in self.findings if f.check == check and None not in f.place]
        return {answer: answers.count(answer) for answer in ("off", "fine", "unknown")}

    def names(self) -> set[str]:
        """Names of scores: those of specs (``kid``), and full names (``kid_radiomics``)."""
        return {spec.name for spec in self.specs}.union(*(c.scores for c in (*self.reconstruction, *self.generation)))

    def undefined(self, names: str | Collection[str] | None = None) -> list[str]:
        """Scores that are undefined, as ``cell: score (reason)``.

        Args:
            names: Names of scores or of specs, or one of them; all scores when None.

        Raises:
            JsddpmError: ``SCORE`` (status 2) for a name that no score has.
        """
        known = self.names()
        asked = known if names is None else {names} if isinstance(names, str) else set(names)
        if unknown := sorted(asked - known):
            raise usage_error(
                "SCORE", f"there is no score {unknown[0]!r}", fix=f"use one of {', '.join(sorted(known))}"
            )
        return [
            f"{c.name}: {n} ({s.reason})"
            for c in (*self.reconstruction, *self.generation)
            for n, s in c.scores.items()
            if s.status == "undefined" and asked & {n, s.spec}
        ]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row per cell and score, for ``per_bin.csv``."""
        for protocol in _PROTOCOLS:
            for cell in getattr(self, protocol):
                ranges = None if cell.z_bin is None else self.z_binning.ranges()[cell.z_bin]
                for name, score in cell.scores.items():
                    yield {
                        "protocol": protocol,
                        "z_bin": cell.z_bin,
                        "z_first": ranges[0] if ranges else None,
                        "z_last": ranges[1] if ranges else None,
                        "pathology": None if cell.pathology is None else PATHOLOGY_NAMES[cell.pathology],
                        "timestep": cell.timestep,
                        "score": name,
                        **score.model_dump(exclude={"interval", "baseline_interval", "standing"}),
                        **_ends("interval", score.interval),
                        **_ends("baseline", score.baseline_interval),
                    }

    def to_frame(self) -> pandas.DataFrame:
        """Every score as a tidy table, one row per condition and score."""
        import pandas

        return pandas.DataFrame(list(self.rows()))

    def plot(self, name: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw a score along the bins, with intervals and baselines; see :func:`jsddpm_eval.results.notebook.plot`."""
        from jsddpm_eval.results.notebook import plot

        return plot(self, name, ax)

    def __repr__(self) -> str:
        first = [f"{name} {s.value:.3g}" for name, s in self.pooled.items() if s.value is not None][:4]
        verdict = counted(len(self.verdict), "sentence")
        scores = counted(sum(len(c.scores) for c in self.generation), "score")
        counts = f"{counted(len(self.cells()), 'condition')}, {scores}"
        return f"<Results of {counts}: {', '.join(first) or 'none defined'}; {verdict} of verdict>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from jsddpm_eval.results.notebook import html

        return html(self)

    def write(self, path: str | Path) -> None:
        """Write strict JSON: no NaN, no infinity, null only with a reason.

        Args:
            path: The file ``NAME.json``; earlier results are replaced. Influences go into ``NAME.influence.json``,
                bound to the results by their checksum.

        Raises:
            JsddpmError: ``OPTION``, ``EXISTS`` (status 2); see :func:`~jsddpm_eval.target.require_results_file`.
        """
        require_results_file(path)
        write_recorded(path, json_bytes(self.model_dump(mode="json")))
        influences = {
            place: score.influence.model_dump(mode="json")
            for place, score in self._places()
            if score.influence is not None
        }
        if influences:
            write_recorded(influence_file(path), json_bytes({"of": sha256(path), "influence": influences}))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read the file of :meth:`write`, and the influences beside it if they belong to these results.

        Args:
            path: The file, or the folder of an evaluation, which contains it as ``results.json``.

        Raises:
            JsddpmError: ``RESULTS`` (status 4) when it is damaged, another file, or of another version; ``MISSING``
                (status 2) when it does not exist.
        """
        path = Path(path) / "results.json" if Path(path).is_dir() else path
        try:
            results = cls.model_validate(read_unchanged(path))
            if not influence_file(path).is_file():
                return results
            beside = read_unchanged(influence_file(path))
            influences = beside.get("influence", {}) if beside.get("of") == sha256(path) else {}
            return results._with({place: Influence.model_validate(v) for place, v in influences.items()})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(p) for p in first["loc"])
            raise integrity_error("RESULTS", f"{where}: {first['msg']}", fix="evaluate again", file=path) from None

    @property
    def has_influences(self) -> bool:
        """Whether any score has influences of patients or samples."""
        return any(score.influence is not None for _, score in self._places())

    def _places(self) -> Iterator[tuple[str, Score]]:
        for protocol in _PROTOCOLS:
            for cell in getattr(self, protocol):
                for name, score in cell.scores.items():
                    yield _place(protocol, cell, name), score

    def _with(self, influences: Mapping[str, Influence]) -> Self:
        """The same results with influences by place."""

        def filled(protocol: str, cell: Cell) -> Cell:
            scores = {
                name: score.model_copy(update={"influence": influences.get(_place(protocol, cell, name))})
                for name, score in cell.scores.items()
            }
            return cell.model_copy(update={"scores": scores})

        return self.model_copy(update={p: tuple(filled(p, cell) for cell in getattr(self, p)) for p in _PROTOCOLS})


def _place(protocol: str, cell: Cell, name: str) -> str:
    """Key of a score, such as ``generation/3/1/-/vendi_radiomics``: bin, pathology and timestep."""
    return "/".join([protocol, *("-" if part is None else str(part) for part in cell.key), name])


def _ends(name: str, interval: Iterable[float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}
