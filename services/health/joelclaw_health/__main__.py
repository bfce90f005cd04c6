"""`joelclaw-health`: health as a process."""

from __future__ import annotations

from joelclaw_contracts.config import state_directory
from joelclaw_healing import Voice
from joelclaw_health.deliver import Terminal
from joelclaw_health.opening import OpeningRound
from joelclaw_health.service import worker_of
from joelclaw_health.settings import read_settings
from joelclaw_pod import LastResort, Pod, WorkerLike, run_service


def build(pod: Pod) -> WorkerLike:
    """The worker of this process."""
    voice = Voice("health", pod.settings.system_id, pod.evidence.session_id)
    terminal = Terminal(LastResort(pod.settings.service, pod.settings.state_dir))
    settings = read_settings(pod.config, state_directory(pod.settings.environ))
    worker = worker_of(pod.store, settings, voice, terminal.deliver, worker=pod.worker_settings, observer=pod.observer)
    return OpeningRound(worker)


def main() -> None:
    """Runs until told to stop; the exit codes are the pod's."""
    raise SystemExit(run_service("health", build))


if __name__ == "__main__":
    main()
