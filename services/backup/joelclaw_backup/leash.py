"""A child that can't outlive us: `python leash.py SECONDS SCRATCH PROGRAM ARGUMENT…`.

It runs the program and ends it when its time is up or when stdin ends, which happens however its parent dies. Then it
removes SCRATCH, since the parent may not be there to do so, and says the end of what the program said: no more than a
pipe holds, so that it never waits for a reader. Standard library only: it is started in isolated mode.

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
SAID = 48 * 1024


def main(seconds: float, scratch: str, argv: list[str]) -> int:
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    orphaned = threading.Event()
    said = bytearray()

    def listen() -> None:
        assert child.stdout is not None
        while piece := os.read(child.stdout.fileno(), SAID):
            said.extend(piece)
            del said[:-SAID]

    def watch() -> None:
        while os.read(0, 1024):
            pass
        orphaned.set()
        child.kill()

    signal.signal(signal.SIGTERM, lambda *_: child.kill())
    threading.Thread(target=watch, daemon=True).start()
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        code = TIME_UP
    listener.join(5.0)
    shutil.rmtree(scratch, ignore_errors=True)
    if orphaned.is_set():
        return ORPHANED
    os.write(1, said)
    return code


if __name__ == "__main__":
    os._exit(main(float(sys.argv[1]), sys.argv[2], sys.argv[3:]))
