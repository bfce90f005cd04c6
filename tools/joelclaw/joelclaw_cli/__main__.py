"""`joelclaw` and `python -m joelclaw_cli`."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command line of this process and exit with its code. Ctrl-C is heard from the first import on."""
    for stream in ("stdin", "stdout", "stderr"):
        if getattr(sys, stream) is None:  # closed by the caller
            setattr(sys, stream, open(os.devnull, "r" if stream == "stdin" else "w"))  # noqa: SIM115  for good
    try:
        from joelclaw_cli.root import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said and done: the interpreter's own end needs no traceback
    sys.exit(code)


if __name__ == "__main__":
    main()
