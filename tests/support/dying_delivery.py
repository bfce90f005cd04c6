"""The real health service, that kills itself (SIGKILL) right before or right after its first send by apprise:
`python -m tests.support.dying_delivery MARK-FILE before|after`. Once only: the next process finds the mark file."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from joelclaw_health.__main__ import main
from joelclaw_health.alerting import apprise_target


def arm(mark: Path, when: str) -> None:
    real = apprise_target._instance

    def instance(url: str) -> Any:
        target = real(url)
        if target is None or mark.exists():
            return target
        notify = target.notify

        def dying(**message: str) -> None:
            if when == "after":
                notify(**message)
            os.close(os.open(mark, os.O_CREAT))
            os.kill(os.getpid(), signal.SIGKILL)

        target.notify = dying
        return target

    apprise_target._instance = instance


if __name__ == "__main__":
    arm(Path(sys.argv[1]), sys.argv[2])
    main()
