"""The remediator as a process that kills itself at a named place, as a kill -9 there would: `… PLACE`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from joelclaw_healing import Voice
from joelclaw_pod import Pod, WorkerLike, run_service
from joelclaw_runtime_remediator.service import worker_of
from joelclaw_runtime_remediator.settings import state_file_of


def build(pod: Pod) -> WorkerLike:
    def at(place: str) -> None:
        if place == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGKILL)

    return worker_of(
        pod.store,
        pod.config,
        Voice("runtime-remediator", "test", pod.evidence.session_id),
        state_file=state_file_of(pod.config, pod.settings.state_dir, Path("/")),
        environ=dict(os.environ),
        settings=pod.worker_settings,
        observer=pod.observer,
        at=at,
    )


if __name__ == "__main__":
    sys.exit(run_service("runtime-remediator", build))
