"""A child that can't outlive us: `python leash.py SECONDS SCRATCH PROGRAM ARGUMENT…`.

It runs the program and ends it when its time is up or when stdin ends, which happens however its parent dies. Then it
removes SCRATCH, if the parent can't do so any more. Standard library only: it is started in isolated mode.

Exit code: the program's own; 124 when its time was up; 125 when stdin ended first.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

TIME_UP, ORPHANED = 124, 125


def main(seconds: float, scratch: str, argv: list[str]) -> int:
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    orphaned = threading.Event()

    def watch() -> None:
        while os.read(0, 1024):
            pass
        orphaned.set()
        child.kill()

    signal.signal(signal.SIGTERM, lambda *_: child.kill())
    threading.Thread(target=watch, daemon=True).start()
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return TIME_UP
    if orphaned.is_set():
        shutil.rmtree(scratch, ignore_errors=True)
        return ORPHANED
    return code


if __name__ == "__main__":
    os._exit(main(float(sys.argv[1]), sys.argv[2], sys.argv[3:]))
