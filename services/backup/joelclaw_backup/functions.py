"""What runs when: one function for each target, journaled steps, and what it says at its end.

| trigger                         | from                                                                  |
|---------------------------------|-----------------------------------------------------------------------|
| cron                            | configuration `schedules`, 03:30 in Los Angeles unless it says else   |
| `system/backup.retry.requested` | the backup failure router; one that names another target is skipped   |
| `backup/run.requested`          | a person (`joelclaw backup run`), likewise                            |

A classified failure ends the run at once and goes to its router with the run's end; the engine's retries are for lost
workers and surprises, and go on at the first step that has no record. Only where the staged dump is gone (its machine
is), another round takes it anew.
"""

from __future__ import annotations

from typing import Any

from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.incidents import open_incident
from joelclaw_backup.manifest import Manifest
from joelclaw_backup.staging import StagedGone
from joelclaw_backup.steps import Facts, Steps
from joelclaw_backup.telling import Speaker, closing, closing_id, result_of
from joelclaw_bus import Event, Functions, Reject, Step, Store, cron, event
from joelclaw_contracts import BackupRetryRequested, BackupRunRequested

ROUNDS = 3
"""So often a run takes the data: each time from the beginning, under a name of its own."""


def functions_of(store: Store, backup: Steps, speaker: Speaker) -> Functions:
    """The function that makes Redis backups; those of other targets are added to it."""
    functions = Functions()
    add_backup(functions, store, backup, speaker)
    return functions


def add_backup(functions: Functions, store: Store, backup: Steps, speaker: Speaker) -> None:
    """The function of one target."""

    def is_ours(e: Event[Any]) -> bool:
        return bool(e.data.target == backup.target)

    @functions.function(
        speaker.function,
        on=[
            cron(backup.keeping.schedule),
            event(BackupRetryRequested, when=is_ours),
            event(BackupRunRequested, when=is_ours),
        ],
        exclusive=1,
        retries=2,
        on_failure=speaker.failed,
    )
    async def back_up(e: Event[Any], step: Step) -> Facts:
        taken: Facts = {}
        try:
            for n in range(ROUNDS):
                taken = await step.run(f"take-{n}", backup.take, step.run_id, n, _asked_by(e), step.now_ms)
                try:
                    copied: Facts = await step.run(f"copy-{n}", backup.copy, taken)
                    break
                except StagedGone:
                    if n == ROUNDS - 1:
                        raise
            proven: Facts = await step.run("verify", backup.verify, taken, copied)
            published: Facts = await step.run("publish", backup.publish, taken, copied, proven)
            cleaned: Facts = await step.run("clean", backup.clean, taken)
            rechecked: Facts = await step.run("recheck", backup.recheck, published)
        except BackupFailed as failed:
            await backup.discard(taken)
            raise Reject(str(failed)) from failed
        manifest = Manifest.of(taken["manifest"])
        result: Facts = {**result_of(manifest, proven, published, rechecked, backup.keeping), **cleaned}
        incident: Facts | None = await step.run("incident", open_incident, store, backup.target)
        if incident:
            await step.send_event("closing", closing(incident, result, backup.target), id=closing_id(incident))
        evidence = speaker.stored(step.run_id, step.now_ms, result, incident["id"] if incident else None)
        await step.send_event("evidence", evidence)
        return result


def _asked_by(e: Event[Any]) -> str:
    match e.data:
        case BackupRunRequested(requested_by=name):
            return name or "a person"
        case BackupRetryRequested(incident_id=incident):
            return f"incident {incident}"
        case _:
            return "schedule"
