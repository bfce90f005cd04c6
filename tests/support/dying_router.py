"""The real router, that kills itself (SIGKILL) at one store call: `python -m tests.support.dying_router SCRIPT WHEN N`.

WHEN is `before` or `after` the N-th call of the script that counts; a `promote` that moves nothing does not count.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from joelclaw_bus.script import Script
from joelclaw_bus.store import Arg, Store
from joelclaw_router.__main__ import main


def arm(name: str, when: str, count: int) -> None:
    real, left = Store.run, count

    async def run(self: Store, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        nonlocal left
        if script.name != name:
            return await real(self, script, keys, args)
        if when == "before" and left == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await real(self, script, keys, args)
        if name != "promote" or answer[0]:
            left -= 1
        if when == "after" and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Store.run = run  # type: ignore[method-assign]  # the fault is injected here


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    main()
