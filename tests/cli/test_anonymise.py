"""What commands leave for others to see names no place on this disk, and with ``--anonymise`` no patient."""

from __future__ import annotations

import zipfile

import pytest
from typer.testing import CliRunner

from jsddpm.slices.store import SliceStore
from jsddpm_cli.app import app


def jsddpm(*words):
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done


def contents(folder):
    """Bytes of every file below a folder and of every member of an archive, by name."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found[str(path.relative_to(folder))] = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found |= {f"{path.name}/{name}": archive.read(name) for name in archive.namelist()}
    return found


def holding(folder, words):
    """Files below a folder that hold one of the words: in their bytes (UTF-8, and NumPy's UTF-32) or their names."""
    codes = [word.encode(code) for word in words for code in ("utf-8", "utf-32-le", "utf-16-le")]
    return [n for n, data in contents(folder).items() if any(code in data or code in n.encode() for code in codes)]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, run, store, generated):
    """Where the tiny run was evaluated, and its pages."""
    out = tmp_path_factory.mktemp("evaluated")
    jsddpm("eval", run, "--generated", generated.path, "--bin-aware", "--out", out / "evaluation",
           "--feature-cache", out / "features", "--features", "radiomics")  # fmt: skip
    jsddpm("report", out / "evaluation", "--out", out / "page.html", "--figures", out / "figures")
    jsddpm("report", run, "--out", out / "run.html")
    return out


def test_nothing_names_a_place_on_the_disk(evaluated, run, generated):
    """Checkpoints, results, tables, pages, figures, features and samples: no folder of this machine in any byte."""
    places = [str(run.parents[1]), str(SliceStore(generated.path).path.parents[1])]
    for folder in (evaluated, run, generated.path):
        assert len(contents(folder)) >= 5
        assert holding(folder, places) == []


def test_a_run_and_its_page_name_no_patient(evaluated, run, store):
    names = [s["name"] for s in store.subjects]
    assert holding(run, names) == []
    assert not [name for name in names if name in (evaluated / "run.html").read_text()]
