"""Entry point of ``jsddpm`` and of ``python -m jsddpm_cli``: Ctrl-C has its message from the first import on."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Import the application and run it."""
    os.environ["MPLBACKEND"] = "agg"  # no command opens a window; an unknown backend would end the first import
    try:
        from jsddpm_cli.app import main as run
    except KeyboardInterrupt:
        from jsddpm_cli.signals import interrupted

        problem = interrupted()
        print(problem, file=sys.stderr)
        sys.exit(problem.status)
    run()


if __name__ == "__main__":
    main()
