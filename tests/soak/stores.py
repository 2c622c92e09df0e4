"""A store build killed at every single call that changes the disk, then resumed; prints what was found."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.table import Table

from crash import content, killed_at
from jsddpm.cohort.preprocess import Preprocessing
from jsddpm.cohort.sources import read_cohort
from jsddpm.errors import JsddpmError
from jsddpm.slices.build import build_slice_cache
from jsddpm.slices.store import SliceStore
from synthetic import write_bids


def main() -> None:
    """Print the table; status 1 when anything was lost or an unfinished store was taken for a whole one."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = read_cohort(write_bids(folder / "bids")).require_clean()
        spec = Preprocessing((24, 32, 28), (3.0, 3.0, 3.0))
        build_slice_cache(records, folder / "whole", spec=spec)
        whole, points, taken, equal = content(folder / "whole"), 0, 0, 0
        while True:
            out = folder / f"store-{points}"
            if not killed_at(points, lambda out=out: build_slice_cache(records, out, spec=spec)):
                break
            points += 1
            published = out.exists()
            with suppress(JsddpmError):
                store = SliceStore(out)
                taken += bool(store.verify()) or not published
            if not published:
                build_slice_cache(records, out, spec=spec, resume=True)
            equal += content(out) == whole
    table = Table("what", "found")
    table.add_row("calls that change the disk, killed at each", str(points))
    table.add_row("unfinished stores taken for whole ones", str(taken))
    table.add_row("finished to the same bytes", f"{equal} of {points}")
    table.add_row("time", f"{(time.monotonic() - start) / 60:.1f} min")
    Console(width=110).print(table)
    sys.exit(bool(taken) or equal < points)


if __name__ == "__main__":
    main()
