"""Can the verdict be believed? Planted faults and perfect generators on several cohorts; `make validity`.

Thresholds are set on half A, and measured on half B. Interrupted runs continue; change the code, and take a new --work.
"""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from pathlib import Path

import answers
from cohorts import BUILD, names, prepared
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jsddpm.files import make_directory, write_text
from jsddpm.runtime import cores
from jsddpm_eval.selftest.fault import chosen_faults
from jsddpm_eval.selftest.run import selftest_of
from jsddpm_reports.selftest import alarms, markdown

GALLERY = Path(__file__).parents[2] / "reports" / "gallery" / "validity"


def main() -> None:
    """Run what is asked for, cohort by cohort."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("cohorts", nargs="*", help=f"of {', '.join(names())} [default: all]")
    parser.add_argument("--half", choices=("A", "B", "both"), default="B")
    parser.add_argument("--perfect", type=int, default=40, help="draws without a fault")
    parser.add_argument("--faults", nargs="*", default=[], help="faults or families [default: all]")
    parser.add_argument("--quick", action="store_true", help="each fault at its middle strength alone")
    parser.add_argument("--samples", type=int, default=16, help="samples of each condition")
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--work", type=Path, default=BUILD / "trials", help="where trials are kept")
    parser.add_argument("--out", type=Path, default=GALLERY)
    asked = parser.parse_args()
    columns = TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:
        for name in asked.cohorts or names():
            task = bars.add_task(f"{name} {asked.half}", total=None)
            opener, arguments, settings = prepared(name, asked.half)
            work = asked.work / f"{name}-{asked.half}"
            values = selftest_of(
                work, opener, arguments, chosen_faults(tuple(asked.faults)), settings, perfect=asked.perfect,
                samples=asked.samples, jobs=asked.jobs, quick=asked.quick,
                progress=lambda done, total, task=task: bars.update(task, completed=done, total=total),
            )  # fmt: skip
            out = make_directory(asked.out / f"{name}-{asked.half}")
            write_text(out / "table.md", f"# {name}, half {asked.half}\n\n{markdown(values)}")
            shutil.copyfile(work / "faults.csv", out / "table.csv")
            shutil.copyfile(work / "names.csv", out / "confusion.csv")
            answers.write(values["names"], out)
            bars.console.print(f"{name}: {alarms(values)}")


if __name__ == "__main__":
    main()
