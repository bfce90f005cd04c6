"""What runs when: one function for each target, journaled steps, and what it says at its end.

| trigger                         | from                                                                  |
|---------------------------------|-----------------------------------------------------------------------|
| cron                            | configuration `schedules`, 03:30 in Los Angeles unless it says else   |
| `system/backup.retry.requested` | the backup failure router; one that names another target is skipped   |
| `backup/run.requested`          | a person (`joelclaw backup run`), likewise                            |

A classified failure ends the run at once and goes to its router with the run's end; the engine's retries are for lost
workers and surprises, and go on at the first step that has no record. Trouble with the way to the NAS is
`carrying.py`'s, what waits for one `draining.py`'s. Only where the staged dump is gone (its machine is), another round
takes it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joelclaw_backup.carrying import Carried, carry
from joelclaw_backup.draining import add_drainer
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.incidents import note_proven
from joelclaw_backup.manifest import Manifest
from joelclaw_backup.staging import StagedGone
from joelclaw_backup.steps import Facts, Steps
from joelclaw_backup.telling import Speaker, closing, closing_id, deferred_result, result_of
from joelclaw_bus import Event, Functions, Reject, Step, Store, cron, event
from joelclaw_contracts import BackupRetryRequested, BackupRunRequested

ROUNDS = 3
"""So often a run takes the data: each time from the beginning, under a name of its own."""


def functions_of(store: Store, backups: Sequence[tuple[Steps, Speaker]]) -> Functions:
    """The function of each target, and the queue's own. backups: the steps of a target, and who speaks of it."""
    functions = Functions()
    for backup, speaker in backups:
        add_backup(functions, store, backup, speaker)
    add_drainer(functions, store, backups)
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
                    carried = await carry(step, backup, taken, n, speaker.switches, _window_end_ms(e))
                    break
                except StagedGone:
                    if n == ROUNDS - 1:
                        raise
            manifest = Manifest.of(taken["manifest"])
            if carried.published is None:
                return await deferred(e, step, manifest, carried)
            there = backup.going_to(backup.ways[carried.mode])
            cleaned: Facts = await step.run("clean", backup.clean, taken)
            rechecked: Facts = await step.run("recheck", there.recheck, carried.published)
        except BackupFailed as failed:
            await backup.discard(taken)
            raise Reject(str(failed)) from failed
        result: Facts = {**result_of(manifest, carried, rechecked, there.keeping), **cleaned}
        incident: Facts | None = await step.run("incident", note_proven, store, backup.target, manifest.id)
        if incident:
            await step.send_event("closing", closing(incident, result, backup.target), id=closing_id(incident))
        evidence = speaker.stored(step.run_id, step.now_ms, result, incident["id"] if incident else None)
        await step.send_event("evidence", evidence)
        return result

    async def deferred(e: Event[Any], step: Step, manifest: Manifest, carried: Carried) -> Facts:
        """Neither stored nor failed: its incident stays open, and its drainer owns it."""
        retry = e.data if isinstance(e.data, BackupRetryRequested) else None
        result = deferred_result(manifest, carried)
        await step.send_event("deferred", speaker.deferred(step.run_id, step.now_ms, carried, retry))
        await step.send_event("evidence", speaker.waits(step.run_id, step.now_ms, result, retry))
        return result


def _window_end_ms(e: Event[Any]) -> int | None:
    """Until when a retry's incident may be tried; None for what no incident asked for."""
    match e.data:
        case BackupRetryRequested(backup_failure_detected_at=since, retry_window_hours=float(hours)):
            return round((since.timestamp() + hours * 3600) * 1000)
        case _:
            return None


def _asked_by(e: Event[Any]) -> str:
    match e.data:
        case BackupRunRequested(requested_by=name):
            return name or "a person"
        case BackupRetryRequested(incident_id=incident):
            return f"incident {incident}"
        case _:
            return "schedule"
