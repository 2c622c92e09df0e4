"""Options that replace patients by codes, for all commands whose output may be shared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import note

if TYPE_CHECKING:
    from jsddpm.anonymise import Codes
    from jsddpm.slices.store import SliceStore

AnonymiseOption = Annotated[bool, typer.Option("--anonymise", help="Replace patients by codes.")]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        help="Key file that maps codes to patients; it is created or extended, and must not be shared "
        "(default: STORE.key.csv beside the real store)"
    ),
]


def codes_for(store: SliceStore, key: Path | None, *shared: Path) -> Codes:
    """Codes of a real store's patients, from a key file outside the folders that are shared."""
    from jsddpm.anonymise import codes_of
    from jsddpm.publish import beside

    place = key or beside(store.path, ".key.csv")
    codes = codes_of(place, store.subjects, shared=shared)
    note(f"key file that maps codes to patients: {place}; do not share it")
    return codes


def refuse_key_alone(key: Path | None, *, anonymise: bool) -> None:
    """Refuse a key file without ``--anonymise``: it would change nothing."""
    if key is not None and not anonymise:
        raise usage_error("OPTION", "--key is given without --anonymise", fix="add --anonymise")
