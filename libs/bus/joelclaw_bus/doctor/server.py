"""What a server's settings mean for the bus. Pure: its INFO and its settings come in.

A setting that may not be read is None: then nothing is said of it but that it is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from joelclaw_bus.doctor.check import Check
from joelclaw_bus.doctor.disk import judge_disk
from joelclaw_bus.durability import ASKED, Durability, facts_of, hindrance, promise
from joelclaw_bus.fitness import OLDEST
from joelclaw_bus.inspect.spans import span

SETTINGS = (*ASKED, "save", "timeout", "maxclients")
SKEW_MS, FAR_SKEW_MS = 2_000, 60_000
FULL, CROWDED = 0.85, 0.8
SHORT_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """One node. `info`: its raw INFO; settings: None where it may not be asked; skew_ms: its clock less ours, known
    but for slack_ms: what lies between our two looks at our clock is no skew."""

    node: str
    info: bytes
    settings: Mapping[str, str | None]
    skew_ms: float
    slack_ms: float = 0

    @property
    def fields(self) -> dict[str, str]:
        lines = self.info.decode("utf-8", "replace").splitlines()
        return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def judge_server(s: ServerSeen, level: Durability, min_replicas: int, kind: str) -> list[Check]:
    """Everything that can be said of one node."""
    info = s.fields
    return [
        *_version(s, info),
        *_promise(s, level, min_replicas, kind),
        *judge_disk(s.node, info, s.settings),
        *_memory(s, info),
        *_connections(s, info),
        *_role(s, info),
        *_clock(s),
        *(
            Check("not known", s.node, f"the setting {name} may not be read", "allow the user +config|get")
            for name in SETTINGS
            if s.settings.get(name) is None
        ),
    ]


def _version(s: ServerSeen, info: Mapping[str, str]) -> Iterator[Check]:
    version = info.get("redis_version", "0.0")  # Valkey tells the Redis version that it is compatible with here
    name = f"{info.get('server_name', 'redis')} {info.get('valkey_version', version)}"
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < OLDEST:
        yield Check("finding", s.node, f"{name} is too old", f"use Redis or Valkey {OLDEST[0]}.{OLDEST[1]} or newer")
    else:
        yield Check("ok", s.node, f"{name}; it lacks nothing that the bus uses")


def _promise(s: ServerSeen, level: Durability, min_replicas: int, kind: str) -> Iterator[Check]:
    facts = facts_of(s.info, s.settings, kind)  # type: ignore[arg-type]  # a Kind's word
    made = promise(level, facts)
    if why := hindrance(level, facts, min_replicas):
        yield Check("finding", s.node, f"durability {level.value} can't be kept", why)
        return
    losses = "; ".join(f"{event}: {loss}" for event, loss in made.losses.rows())
    yield Check("ok", s.node, f"durability {level.value}. {made.sentence} Lost when {losses}.")


def _memory(s: ServerSeen, info: Mapping[str, str]) -> Iterator[Check]:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        what = f"maxmemory-policy is {policy}: it may evict runs and events"
        yield Check("finding" if policy.startswith("allkeys") else "warning", s.node, what, "set noeviction")
    used, most = _number(info, "used_memory"), _number(info, "maxmemory")
    if most and used > FULL * most:
        what = f"{used / most:.0%} of maxmemory is in use: a full store refuses new work"
        yield Check("finding", s.node, what, "raise maxmemory, or find what grows: joelclaw bus streams")
    elif most:
        yield Check("ok", s.node, f"{used / most:.0%} of maxmemory is in use")
    else:
        what = "maxmemory is not set: a store that grows is ended by its system, not refused by itself"
        yield Check("warning", s.node, what, "set maxmemory to what the machine can spare")


def _connections(s: ServerSeen, info: Mapping[str, str]) -> Iterator[Check]:
    timeout, most = s.settings.get("timeout"), s.settings.get("maxclients")
    if timeout and timeout.isdigit() and 0 < int(timeout) < SHORT_TIMEOUT:
        what = f"timeout is {timeout} s: it cuts idle connections, and each cut looks like an outage"
        yield Check("warning", s.node, what, "set timeout 0; dead peers are found by tcp-keepalive")
    if most and most.isdigit() and _number(info, "connected_clients") > CROWDED * int(most):
        what = f"{info['connected_clients']} of {most} connections are taken"
        yield Check("finding", s.node, what, "raise maxclients, or find who leaks: CLIENT LIST")
    if _number(info, "rejected_connections"):
        what = f"{info['rejected_connections']} connections were refused since its start (maxclients)"
        yield Check("warning", s.node, what, "raise maxclients, or find who leaks: CLIENT LIST")


def _role(s: ServerSeen, info: Mapping[str, str]) -> Iterator[Check]:
    if info.get("role", "master") != "master":
        yield Check("finding", s.node, "it is a replica: it takes no writes", "name its primary in REDIS_URL")
        return
    lagging = [name for name, value in info.items() if _is_replica(name) and "state=online" not in value]
    if lagging:
        yield Check("warning", s.node, f"{len(lagging)} replica(s) are not online", "look at their logs")
    yield Check("ok", s.node, f"replicas attached: {info.get('connected_slaves', '0')}")


def _is_replica(name: str) -> bool:
    return name.startswith("slave") and name[5:].isdigit()


def _clock(s: ServerSeen) -> Iterator[Check]:
    what = f"its clock is {span(s.skew_ms)} {'ahead of' if s.skew_ms > 0 else 'behind'} this machine's"
    if abs(s.skew_ms) <= s.slack_ms and s.slack_ms > SKEW_MS:
        what = f"its clock: its answer took {span(2 * s.slack_ms)}, too long to compare it with this machine's"
        yield Check("not known", s.node, what, "look at the network, or ask again from nearer by")
    elif abs(s.skew_ms) <= s.slack_ms:
        yield Check("ok", s.node, f"its clock and this machine's agree within {span(SKEW_MS)}")
    elif abs(s.skew_ms) > FAR_SKEW_MS:
        yield Check("finding", s.node, what, "the bus goes by the server's; set both by NTP")
    elif abs(s.skew_ms) > SKEW_MS:
        yield Check("warning", s.node, what, "the bus goes by the server's, logs don't; set both by NTP")
    else:
        yield Check("ok", s.node, f"its clock and this machine's agree within {span(SKEW_MS)}")


def _number(info: Mapping[str, str], name: str) -> int:
    text = info.get(name, "0")
    return int(text) if text.isdigit() else 0
