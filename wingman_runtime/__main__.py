"""``python -m wingman_runtime`` is the command `wingman`."""

import sys

from wingman_runtime.cli import main

if __name__ == "__main__":
    sys.exit(main())
