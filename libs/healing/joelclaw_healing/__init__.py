"""What services share about failure: incidents, budgets, alerts, the kill switch, the manual queue.

Reading order: `incident` and `lifecycle` (nouns and their steps, pure), `move` (what is made in one atomic step),
`ledger` with lua/ (where it lies and how it is made; `look`, `ledger_keys`), `alerts`, `evidence`, `closing`,
`switch`, `pause_reasons`, `acknowledge`, `orders`, `postman`; then the guard: `guard_history` (nouns), `guard_policy`
(may it act? one pure page), `guard_rules`, `guard` (the door), `guard_memory` with lua/ (where it lies),
`guard_telling`.

    ledger = Ledger(store, post=worker.outbox.post)
    look = await ledger.look("backup", "redis", move="answer:…")     # what judgement needs, one round trip
    answer = await ledger.make(look, Move(…))                        # made, made earlier, moved, stopped, full
"""

from joelclaw_healing.alerts import DEFAULT_CHANNEL, DIGEST_CHANNEL, AlertText, alert, messages
from joelclaw_healing.closing import close_incident, close_target, dismiss_incident
from joelclaw_healing.errors import GuardContested, HealingError, IncidentContested, IncidentOver, IncidentUnknown
from joelclaw_healing.evidence import Voice, evidence_summary
from joelclaw_healing.guard import Guard
from joelclaw_healing.guard_history import RUNTIME, GuardLimits, History, Intent, Outcome, Seen, Symptom, Target
from joelclaw_healing.guard_memory import Answer
from joelclaw_healing.guard_rules import Rule
from joelclaw_healing.incident import Act, End, Incident, Kind, State
from joelclaw_healing.ledger import SLOT_NAME, Ledger
from joelclaw_healing.lifecycle import Report
from joelclaw_healing.look import STORM, Look, Place
from joelclaw_healing.move import (
    Charge,
    Full,
    Letter,
    Made,
    Move,
    Moved,
    Paused,
    Stopped,
    Storm,
    Stormy,
    retries_per_day,
)
from joelclaw_healing.pause_reasons import PauseReason, PauseRefused, check_scope
from joelclaw_healing.postman import Postman
from joelclaw_healing.proofs import Proof
from joelclaw_healing.switch import KillSwitch

__all__ = [
    "DEFAULT_CHANNEL",
    "DIGEST_CHANNEL",
    "RUNTIME",
    "SLOT_NAME",
    "STORM",
    "Act",
    "AlertText",
    "Answer",
    "Charge",
    "End",
    "Full",
    "Guard",
    "GuardContested",
    "GuardLimits",
    "HealingError",
    "History",
    "Incident",
    "IncidentContested",
    "IncidentOver",
    "IncidentUnknown",
    "Intent",
    "KillSwitch",
    "Kind",
    "Ledger",
    "Letter",
    "Look",
    "Made",
    "Move",
    "Moved",
    "Outcome",
    "PauseReason",
    "PauseRefused",
    "Paused",
    "Place",
    "Postman",
    "Proof",
    "Report",
    "Rule",
    "Seen",
    "State",
    "Stopped",
    "Storm",
    "Stormy",
    "Symptom",
    "Target",
    "Voice",
    "alert",
    "check_scope",
    "close_incident",
    "close_target",
    "dismiss_incident",
    "evidence_summary",
    "messages",
    "retries_per_day",
]
