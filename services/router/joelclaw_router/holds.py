"""What keeps an act back whose time has come. Pure."""

from __future__ import annotations

from joelclaw_healing.incident import Incident
from joelclaw_healing.ledger_keys import group_of
from joelclaw_healing.look import Look
from joelclaw_healing.pause_reasons import covering, scopes_of
from joelclaw_router.policy import STORMS_BLIND
from joelclaw_router.rules import Rule

Held = tuple[Rule, str]


def held_by(look: Look, found: Incident) -> Held | None:
    """What keeps an act back whose time has come. A person's order is kept back by the kill switch alone."""
    if look.switch is not None:
        return Rule.SWITCH_HOLDS, f"all acting is stopped: {look.switch.owner}: {look.switch.reason}"
    if found.act is not None and found.act.ordered_by:
        return None
    pause = covering(look.pauses, scopes_about(found))
    if pause is not None:
        return Rule.PAUSE_HOLDS, f"acting on it is paused: {pause.text}"
    if look.blind:
        return Rule.BLIND_HOLDS, look.blind
    if len(look.storms) >= STORMS_BLIND:
        return Rule.BLIND_HOLDS, f"{len(look.storms)} groups fail at once: what we see is not trusted"
    if look.storms.get(group_of(found), 0) > look.now:
        return Rule.STORM_HOLDS, f"{group_of(found)} is in a storm; its targets wait until it is over"
    return None


def scopes_about(found: Incident) -> tuple[str, ...]:
    """Every scope of a pause that covers this incident's target."""
    return scopes_of(found.domain, found.target, group_of(found))
