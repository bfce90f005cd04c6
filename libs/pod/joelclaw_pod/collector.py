"""Python's garbage collector, told what a service is: a process that stays, and whose work is many small things.

What was imported and built by its start stays for ever: it is taken out of what the collector walks through (`freeze`).
And a run's objects go by their reference counts: only cycles wait for a look, of which Python makes one every 700
objects. Both together were a fifth of a worker's time (docs/performance.md).
"""

from __future__ import annotations

import gc

YOUNG = 5_000
"""Objects more than at the last look: some hundred runs' worth, so that what cycles keep stays small."""


def calm() -> None:
    """Once, when all is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
