"""One death of a primary, and its mending: what the drills do again and again under load."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field

import redis

from tests.support.replicated import Sentinels
from tests.support.server import Server
from tests.support.sharded import Shards

FILLER = b"x" * (24 << 20)
STALL = 0.3
"""Seconds; less than the sentinels need to think a replica dead."""


@dataclass
class SentinelKills:
    """Each call: the replicas stall for a moment, the primary is killed in it, another one takes over, and the dead
    one comes back, alone (every third) or as a replica.

    The stall is what makes a loss visible. On one machine the kernel delivers what a killed process had sent, so that
    nearly nothing is lost; with its replicas not reading and their link full, the primary acknowledges at `memory`
    what nobody else has, as it would behind a slow network.
    """

    sentinels: Sentinels
    calls: int = field(default=0)

    def __call__(self) -> None:
        s = self.sentinels
        s.wait_whole()
        primary, replicas = s.primary(), s.replicas()
        for replica in replicas:
            replica.send(signal.SIGSTOP)
        stall(primary, "failover/filler")
        primary.stop(signal.SIGKILL)
        for replica in replicas:
            replica.send(signal.SIGCONT)
        new = s.wait_for_another(than=primary)
        self.calls += 1
        if self.calls % 3 == 1:
            s.start_alone(primary)  # the sentinels have to find it and make it a replica
        else:
            s.start_replica(primary, new)
        s.wait_whole()


@dataclass
class ShardKills:
    """The same for the shard that serves a key: its replica stalls, its primary is killed, and comes back as one."""

    shards: Shards
    key: str
    calls: int = field(default=0)

    def __call__(self) -> None:
        s = self.shards
        s.wait_whole()
        primary = s.owner_of(self.key)
        replicas = s.replicas_of(primary)
        for replica in replicas:
            replica.send(signal.SIGSTOP)
        stall(primary, "{" + self.key + "}:filler")
        primary.stop(signal.SIGKILL)
        for replica in replicas:
            replica.send(signal.SIGCONT)
        s.wait_for_another(self.key, than=primary)
        self.calls += 1
        primary.start()
        s.wait_whole()


def stall(primary: Server, key: str) -> None:
    """Fill the links to the replicas, and let the load go on for a moment."""
    try:
        with primary.client() as client:
            client.set(key, FILLER, px=1000)
    except redis.exceptions.RedisError:
        pass  # it may refuse for want of replicas: then nothing is acknowledged either
    time.sleep(STALL)
