"""`joelclaw nas status`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joelclaw_cli.answer import Answer
from joelclaw_cli.backup.found import backups, environ_for
from joelclaw_cli.command import command, state_option
from joelclaw_cli.failures import Failure

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "status",
    examples=[
        ("joelclaw nas status", "is it there, is there room, what is kept on it"),
        ("joelclaw nas status --json", "for programs; exit code 1 when it can't be used"),
    ],
)
def status(state_dir: Path) -> Answer:
    """The place where backups are kept: whether it can be used now, its room, and what lies there.

    Looked at as a backup looks: the mount table, the sentinel file, free space, over SSH the host's key; in a child, so
    that a share that hangs ends as an answer. Where a NAS is configured there are two ways, and one is enough. Exit
    code 1 when none can be used.
    """
    provider, environ = backups(), environ_for(state_dir)
    place = provider.destination(environ)
    ways = provider.transports(environ)
    here, usable = place["state"] == "ok", any(way["state"] == "ok" for way in (place, *ways))
    found = provider.list_artefacts(environ) if usable else []
    waits = provider.queue(environ)
    good_ones = [a for a in found if a["verified"]]
    result = {
        **place,
        "copies": len(found),
        "verified": len(good_ones),
        "bytes": sum(a.get("bytes", 0) for a in found),
        "newest": good_ones[0]["id"] if good_ones else None,
        "newestVerifiedAt": good_ones[0]["verifiedAt"] if good_ones else None,
        "lastDrill": good_ones[0]["lastDrill"] if good_ones else None,
        "transports": ways,
        "queued": {"count": len(waits["entries"]), "bytes": waits["bytes"], "oldestMs": waits["oldestMs"]},
    }

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import fields, good, table, warning

        where = f"{place['path']} ({place['label']}, {place['kind']}, {place['tier']})"
        yield good(where) if here else warning(f"{where}: {place['detail']}")
        room, stays = place["freeBytes"], place["reserveBytes"]
        free = f"{room:,} bytes, of which {stays:,} stay" if room is not None else "not known"
        yield fields(
            [
                ("state", place["state"]),
                ("free", free),
                ("copies", f"{len(found)}, {len(good_ones)} of them verified, {result['bytes']:,} bytes"),
                ("newest", f"{result['newest']}, verified at {result['newestVerifiedAt']}" if good_ones else "none"),
                ("waiting here", f"{len(waits['entries'])}, {waits['bytes']:,} bytes" if waits["entries"] else ""),
            ]
        )
        if len(ways) > 1:
            columns = ("way", "where", "state", ">free", "newest verified", "host key", "lacks", "detail")
            yield table(columns, (_row(way) for way in ways), empty="")

    trouble = None
    if not usable:
        fix = (
            "mount it, or free space on it; what can't be kept there waits here (joelclaw backup queue), or is retried"
        )
        trouble = Failure("destination_unusable", place["detail"] or place["state"], fix=fix)
    return Answer(result, view, (("joelclaw backup list", "every copy"),), trouble)


def _row(way: dict[str, Any]) -> tuple[str, ...]:
    free = f"{way['freeBytes']:,}" if way["freeBytes"] is not None else "not known"
    key, lacks = way.get("hostKey") or "", ", ".join(way.get("lacks") or ())
    return (way["mode"], way["path"], way["state"], free, way["newestVerifiedAt"] or "none", key, lacks, way["detail"])


status.params.insert(0, state_option())
