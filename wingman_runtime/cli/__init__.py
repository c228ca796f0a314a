"""The command line: looks through windows, and acts only by posting a letter. One file per noun.

Data goes to stdout, everything else to stderr; exit codes are those of `wingman_runtime.errors`.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Entry point of `wingman`; returns the exit code."""
    if sys.argv[1:] in (["--version"], ["version"]):
        # Answered before anything heavy is imported: shells and editors ask for it on every start.
        from wingman_runtime import __version__

        print(__version__)
        return 0
    from wingman_runtime.cli.app import run

    return run(sys.argv[1:])
