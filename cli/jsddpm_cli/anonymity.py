"""Options that let codes stand for patients, shared by every command that writes what may be given away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jsddpm.errors import usage_error
from jsddpm_cli.console import note

if TYPE_CHECKING:
    from jsddpm.anonymise import Codes
    from jsddpm.slices.store import SliceStore

AnonymiseOption = Annotated[bool, typer.Option("--anonymise", help="Let codes stand for patients.")]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        help="Key file that says which patient a code stands for; it is extended, or made, and never shared "
        "(default: STORE.key.csv beside the real store)"
    ),
]


def codes_for(store: SliceStore, key: Path | None, *shared: Path) -> Codes:
    """Codes of a real store's patients, from a key file outside the folders that are shared."""
    from jsddpm.anonymise import codes_of

    place = key or store.path.resolve().with_name(f"{store.path.resolve().name}.key.csv")
    codes = codes_of(place, store.subjects, shared=shared)
    note(f"which patient each code stands for: {place}; it must not be shared")
    return codes


def refuse_key_alone(key: Path | None, *, anonymise: bool) -> None:
    """A key file without ``--anonymise`` would change nothing."""
    if key is not None and not anonymise:
        raise usage_error("OPTION", "--key without --anonymise", fix="add --anonymise")
