"""`joelclaw-runtime-remediator`: the remediator as a process. Only here is the environment handed in."""

from __future__ import annotations

from pathlib import Path

from joelclaw_healing import Voice
from joelclaw_pod import Pod, WorkerLike, run_service
from joelclaw_runtime_remediator.service import worker_of
from joelclaw_runtime_remediator.settings import state_file_of

OURS = {"JOELCLAW_READY_FILE", "JOELCLAW_HTTP_PORT"}
"""What is said to this process alone: a runtime that is a service of ours would take our port and our ready file."""


def build(pod: Pod) -> WorkerLike:
    """The worker of this process."""
    settings = pod.settings
    voice = Voice("runtime-remediator", settings.system_id, pod.evidence.session_id)
    home = Path(settings.environ.get("HOME") or "/")
    return worker_of(
        pod.store,
        pod.config,
        voice,
        state_file=state_file_of(pod.config, settings.state_dir, home),
        environ={k: v for k, v in settings.environ.items() if k not in OURS},
        settings=pod.worker_settings,
        observer=pod.observer,
    )


def main() -> None:
    """Runs until told to stop; the exit codes are the pod's."""
    raise SystemExit(run_service("runtime-remediator", build))


if __name__ == "__main__":
    main()
