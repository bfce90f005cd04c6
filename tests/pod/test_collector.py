"""The collector of a service: it leaves alone what stays, and still finds cycles."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from joelclaw_pod import collector

class Thing:
    pass

def cycle():
    one, other = Thing(), Thing()
    one.other, other.one = other, one
    return weakref.ref(one)

collector.calm()
assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()
gone = cycle()
kept = [[] for _ in range(2 * collector.YOUNG)]
assert gone() is None, "a cycle was never collected"
"""


def test_what_a_service_has_at_its_start_is_left_alone_and_cycles_still_go() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
