"""The real health service, that kills itself (SIGKILL) between an alert's mark and its sending:
`python -m tests.support.dying_health MARK-FILE`.

It dies when the round is written that puts the first alert into the outbox, before anything is delivered, and once
only: the next process finds the mark file.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joelclaw_bus.script import Script
from joelclaw_bus.store import Arg, Store
from joelclaw_health.__main__ import main


def arm(mark: Path) -> None:
    real, dies = Store.run, not mark.exists()

    async def run(self: Store, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        answer = await real(self, script, keys, args)
        if script.name == "turn" and ":opened:" in str(args[0]) and dies:
            os.close(os.open(mark, os.O_CREAT))
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Store.run = run  # type: ignore[method-assign]  # the fault is injected here


if __name__ == "__main__":
    arm(Path(sys.argv[1]))
    main()
