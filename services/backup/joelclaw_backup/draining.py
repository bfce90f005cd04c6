"""The queue's own function: every minute, what waits is carried to the NAS, the oldest first, as soon as a way is open.

A set is copied, read back, restored and published as any other; then its incident is closed, and only then does it
leave the queue. Whatever dies in between, the next tick goes on: a set that has its name already is not copied again.
One that finds no way stays, and those behind it wait with it; what keeps it there is told once, when it changes. One
whose data are the trouble holds up nobody; it is tried ever more rarely (`due.py`), and each try is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from joelclaw_backup.carrying import Carried, attempt
from joelclaw_backup.clock import now_ms
from joelclaw_backup.destination import Destination
from joelclaw_backup.due import due_again
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.incidents import note_proven
from joelclaw_backup.policy import Outcome, needs_a_person
from joelclaw_backup.records import plain
from joelclaw_backup.steps import Facts, Steps
from joelclaw_backup.switch import Rule, concerns_the_way
from joelclaw_backup.telling import Speaker, closing, closing_id, result_of
from joelclaw_backup.threads import in_thread
from joelclaw_backup.waiting_sets import WaitingSet, note, take_away, waiting
from joelclaw_bus import Event, Functions, Step, Store, cron

DRAINER = "backup/queue.drain"
EVERY_MINUTE = "* * * * *"
NOTHING = {"id": "", "verdict": "", "detail": "", "bytes": 0}


def add_drainer(functions: Functions, store: Store, backups: Sequence[tuple[Steps, Speaker]]) -> None:
    """backups: the steps of each target, and who speaks of it; a queued set of another target waits. Where there is no
    queue there is no drainer."""
    queue = next((backup.keeping.travel.queue for backup, _ in backups), None)
    if queue is None:
        return
    known = {backup.target: (backup, speaker) for backup, speaker in backups}

    @functions.function(DRAINER, on=[cron(EVERY_MINUTE)], exclusive=1, retries=1)
    async def drain(e: Event[Any], step: Step) -> Facts:
        """Step-less while nothing is due, so that an idle minute leaves no record."""
        told: Facts = {"drained": []}
        entries, way, now = await in_thread(waiting, queue), True, now_ms()
        for entry in entries:
            if entry.target in known and way and due_again(entry.record, now):
                trouble = await _drained(step, store, *known[entry.target], entry, queue)
                way = trouble is None or not concerns_the_way(trouble)
                told["drained"] += [] if trouble else [entry.id]
        return {**told, "waiting": len(entries) - len(told["drained"])}


async def _drained(
    step: Step, store: Store, backup: Steps, speaker: Speaker, entry: WaitingSet, queue: Destination
) -> FailureClass | None:
    """What keeps it in the queue; None: it has left it."""
    manifest = entry.manifest
    failure, detail = FailureClass.HASH_DIFFERS, "its manifest can't be read; a person has to look at it"
    taken = {"staged": entry.id, "manifest": plain(manifest) if manifest else None, "queued": True}
    for attempts, mode in enumerate(backup.ways if manifest else (), 1):
        there = backup.going_to(backup.ways[mode])
        try:
            done = await attempt(step, there, taken, f"copy-{entry.id}", f"-{entry.id}.{mode}")
        except BackupFailed as failed:  # about the data itself: another way is no help
            failure, detail = failed.failure_class, str(failed)
            break
        if "failed" in done:
            failure, detail = FailureClass(done["failed"]), done["detail"]
            continue
        assert manifest is not None
        carried = Carried(mode, attempts, (Rule.DRAINED,), **done)
        cleaned: Facts = await step.run(f"clean-{entry.id}", backup.clean, taken)
        result = {**result_of(manifest, carried, NOTHING, there.keeping), **cleaned}
        incident: Facts | None = await step.run(f"incident-{entry.id}", note_proven, store, entry.target, entry.id)
        if incident:
            await step.send_event(
                f"closing-{entry.id}", closing(incident, result, entry.target), id=closing_id(incident)
            )
        metadata = {**result, "queuedAt": entry.record.queued_at, "incidentId": incident["id"] if incident else None}
        evidence = speaker.drains(f"{entry.id}:drained", step.now_ms, metadata, None, pages=False)
        await step.send_event(f"evidence-{entry.id}", evidence)
        await in_thread(take_away, queue, entry.target, entry.id)
        return None
    of_data = not concerns_the_way(failure)
    if of_data or failure != entry.record.failure:
        metadata = {"outcome": Outcome.DEFERRED, "id": entry.id, "failureClass": failure, "bytes": entry.bytes}
        id, pages = f"{entry.id}:waits:{entry.record.tries + 1}", needs_a_person(failure)
        evidence = speaker.drains(id, step.now_ms, metadata, f"{entry.id} waits: {detail}", pages=pages)
        await step.send_event(f"evidence-{entry.id}", evidence)
    # last: noted before it is told, it would be told by nobody where we die in between
    await in_thread(partial(note, queue, entry, failure, detail, of_data=of_data))
    return failure
