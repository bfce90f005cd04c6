"""`joelclaw-health`: health as a process."""

from __future__ import annotations

from joelclaw_contracts.config import state_directory
from joelclaw_healing import Voice
from joelclaw_health.alerting.outlets import Outlets
from joelclaw_health.alerting.outside import Outside
from joelclaw_health.alerting.targets import read_outlets
from joelclaw_health.alerting.terminal import Terminal
from joelclaw_health.deadman import DeadMan
from joelclaw_health.opening import OpeningRound
from joelclaw_health.service import worker_of
from joelclaw_health.settings import read_settings
from joelclaw_pod import LastResort, Pod, WorkerLike, run_service


def build(pod: Pod) -> WorkerLike:
    """The worker of this process. SettingsError: a target of alerts that nobody could deliver to."""
    voice = Voice("health", pod.settings.system_id, pod.evidence.session_id)
    settings = read_settings(pod.config, state_directory(pod.settings.environ))
    outlets = read_outlets(pod.config)
    deadman = DeadMan(pod.store, settings.heartbeat_url, settings.heartbeat_every, settings.cadence_ms)
    worker = worker_of(
        pod.store,
        settings,
        voice,
        Terminal(pod.resort),
        outlets,
        outside=deadman.sample,
        worker=pod.worker_settings,
        observer=pod.observer,
    )
    reach_outside(pod.resort, outlets)
    return OpeningRound(worker, deadman.run)


def reach_outside(resort: LastResort, outlets: Outlets) -> None:
    """One `Outside` for the process, however often it is built again: it knows whose `opened` is without its end."""
    if isinstance(resort.outside, Outside):
        resort.outside.outlets = outlets.outside()
    else:
        resort.outside = Outside(resort.service, outlets.outside())


def main() -> None:
    """Runs until told to stop; the exit codes are the pod's."""
    raise SystemExit(run_service("health", build))


if __name__ == "__main__":
    main()
