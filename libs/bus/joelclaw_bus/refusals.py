"""What a store's refusals mean: whom each concerns, and what a person does about it.

| concerns  | what a worker does                                                                        |
|-----------|-------------------------------------------------------------------------------------------|
| everybody | waits and tries again: nobody can renew or claim, so to the leases it is an outage         |
| new work  | publishing is refused, what was published goes on to its end, so that the store can drain   |
| one thing | that one command, key or channel is told and tried again; everything else goes on          |

A code that isn't here concerns one thing. MAXCLIENTS, NOEVAL and NOTDURABLE are ours: the server
has no code of its own for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Concerns = Literal["everybody", "new work", "one thing"]


@dataclass(frozen=True, slots=True)
class Refusal:
    concerns: Concerns
    remedy: str


_CLUSTER = "it is a node of a cluster that doesn't hold this key now: wait, or let REDIS_URL name the cluster"

REFUSALS = {
    "LOADING": Refusal("everybody", "it is still loading its data: wait"),
    "READONLY": Refusal("everybody", "it is a replica: let REDIS_URL name the primary"),
    "MASTERDOWN": Refusal("everybody", "it is a replica without a primary: let REDIS_URL name the primary"),
    "BUSY": Refusal("everybody", "a foreign script holds it: wait, or SCRIPT KILL"),
    "MISCONF": Refusal("everybody", "it can't write its files: free disk space, then it goes on by itself"),
    "NOREPLICAS": Refusal("everybody", "too few replicas are there: mend them, or lower min-replicas-to-write"),
    "CLUSTERDOWN": Refusal("everybody", "the cluster has slots that nobody serves: mend its nodes"),
    "TRYAGAIN": Refusal("everybody", "slots are on the move: wait"),
    "MOVED": Refusal("everybody", _CLUSTER),
    "ASK": Refusal("everybody", _CLUSTER),
    "MAXCLIENTS": Refusal("everybody", "find who holds connections (CLIENT LIST), or raise maxclients"),
    "NOAUTH": Refusal("everybody", "it wants a password: write REDIS_URL as redis://user:password@host:port/0"),
    "WRONGPASS": Refusal("everybody", "check user and password in REDIS_URL"),
    "NOTDURABLE": Refusal("everybody", "nothing may end until the durability level can be given again"),
    "NOEVAL": Refusal(
        "everybody", "all that the bus writes are scripts: give the user in REDIS_URL +eval and +evalsha"
    ),
    "OOM": Refusal("new work", "it is full: raise maxmemory, or find what fills it"),
    "NOPERM": Refusal(
        "one thing", "give the user in REDIS_URL this right (ACL SETUSER); the runbook has the whole list"
    ),
}


def concerns(code: str) -> Concerns:
    """Whom a refusal with this code concerns."""
    return REFUSALS[code].concerns if code in REFUSALS else "one thing"


def remedy(code: str) -> str:
    """What to do about it; '' where the server's own words must do."""
    return REFUSALS[code].remedy if code in REFUSALS else ""
