"""What the guard says: one piece of evidence per ruling, an alert per transition, `resolved` only after an alert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from joelclaw_contracts import Level
from joelclaw_healing.alerts import messages
from joelclaw_healing.evidence import Voice
from joelclaw_healing.guard_history import Record, Target
from joelclaw_healing.guard_policy import Ruling
from joelclaw_healing.move import Letter

ACTION = "system.self-healing.guard"


def letters_of(
    id: str,
    target: Target,
    before: Record,
    after: Record,
    ruling: Ruling,
    now: int,
    voice: Voice,
    channels: Sequence[str],
) -> tuple[str, list[Letter]]:
    """The rule that a person has been told of from now on, and what leaves with the move."""
    rule = ruling.rule
    letters = [_evidence(id, target, before, after, ruling, now, voice)]
    if rule.alert and before.told != str(rule):
        return str(rule), [*letters, *_alert("opened", target, before, ruling, voice, channels)]
    if before.told and not after.told:
        return "", [*letters, *_alert("resolved", target, before, ruling, voice, channels)]
    return after.told, letters


def _evidence(id: str, target: Target, before: Record, after: Record, ruling: Ruling, now: int, voice: Voice) -> Letter:
    metadata = {
        "rule": str(ruling.rule),
        "why": ruling.why,
        "domain": target.domain,
        "target": target.name,
        "act": target.action,
        "failing": after.failing,
        "intent": intent.id if (intent := after.intent or before.intent) else None,
        "fence": after.fence,
        "outcomes": list(after.outcomes),
        "off": after.off or None,
    }
    return voice.evidence(
        f"guard:{id}",
        at_ms=now,
        component=target.name,
        action=ACTION,
        metadata=metadata,
        level=cast(Level, ruling.rule.level),
        success=ruling.rule.level != "error",
        error=ruling.why if ruling.rule.level == "error" else "",
    )


def _alert(
    transition: Literal["opened", "resolved"],
    target: Target,
    before: Record,
    ruling: Ruling,
    voice: Voice,
    channels: Sequence[str],
) -> list[Letter]:
    """One per channel; its id counts the target's alerts, so that a repeated move sends nothing twice."""
    number = before.alerts + 1
    if transition == "opened":
        text = f"{target.action} of {target.text}: {ruling.rule}\nwhy: {ruling.why}\na person should look"
    else:
        text = f"Resolved: {target.text}\nit has stayed well; told before: {before.told}"
    id = f"guard:{target.text}:{transition}:{number}"
    return list(messages(id, text, channels=channels, producer=voice.source))
