"""`joelclaw` and `python -m joelclaw_cli`."""

from __future__ import annotations

import sys

from joelclaw_cli.root import run


def main() -> None:
    """Run the command line of this process and exit with its code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
