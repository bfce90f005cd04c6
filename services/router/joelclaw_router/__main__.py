"""`joelclaw-router`: the router as a process. Only here is the environment handed in."""

from __future__ import annotations

from joelclaw_healing.evidence import Voice
from joelclaw_pod import Pod, WorkerLike, run_service
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.service import worker_of
from joelclaw_router.settings import read_advisers


def build(pod: Pod) -> WorkerLike:
    """The worker of this process."""
    rules = Rulebook(pod.config)
    voice = Voice("router", pod.settings.system_id, pod.evidence.session_id)
    return worker_of(
        pod.store,
        rules,
        voice,
        settings=pod.worker_settings,
        observer=pod.observer,
        advisers=read_advisers(pod.settings.environ, rules),
    )


def main() -> None:
    """Runs until told to stop; the exit codes are the pod's."""
    raise SystemExit(run_service("router", build))


if __name__ == "__main__":
    main()
