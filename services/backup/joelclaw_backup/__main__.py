"""`joelclaw-backup`: the backups as a process. Only here is the environment handed in."""

from __future__ import annotations

from joelclaw_backup.functions import functions_of
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.settings import read_backup_settings
from joelclaw_backup.steps import Steps
from joelclaw_backup.telling import Speaker
from joelclaw_backup.typesense.backup import TypesenseBackup
from joelclaw_backup.typesense.settings import read_typesense_settings
from joelclaw_bus import Worker
from joelclaw_contracts.config import state_directory
from joelclaw_pod import Pod, WorkerLike, run_service


def build(pod: Pod) -> WorkerLike:
    """The worker of this process. SettingsError stops the start before anything is connected.

    A target that is not configured has no function here: nothing is probed, nothing fails, nothing is retried.
    """
    environ, system, session = pod.settings.environ, pod.settings.system_id, pod.evidence.session_id
    state = state_directory(environ)
    settings = read_backup_settings(pod.config, pod.settings.redis_url, state)
    typesense = read_typesense_settings(pod.config, environ, state)
    backups: list[tuple[Steps, Speaker]] = [(RedisBackup(settings), Speaker(settings, system, session))]
    if typesense:
        speaker = Speaker(typesense, system, session, "typesense")
        backups.append((TypesenseBackup(typesense, pod.store), speaker))
    functions = functions_of(pod.store, backups)
    return Worker(pod.store, functions, settings=pod.worker_settings, observer=pod.observer)


def main() -> None:
    """Runs until told to stop; the exit codes are the pod's."""
    raise SystemExit(run_service("backup", build))


if __name__ == "__main__":
    main()
