"""Waiting until a write has reached the durability level: a script, its trifle and the WAIT, on one connection.

An answer that falls short means: written, not confirmed. The script is then to be sent again, not only the WAIT: the
server that takes the second WAIT may be another one, which never had the write.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from joelclaw_bus.durability import ASKED, Durability, Kind, ServerFacts, facts_of, hindrance, online_of
from joelclaw_bus.errors import NotConfirmed, StoreRefused
from joelclaw_bus.keys import confirmed_key
from joelclaw_bus.nodes import Nodes
from joelclaw_bus.replies import FAULTS, translate
from joelclaw_bus.routing import Command
from joelclaw_bus.script import load_script

FACTS_AGE = 1.0
"""Seconds that a node's facts are believed: so late a new replica is waited for, or a lost one is not."""


@dataclass(eq=False)
class Confirmer:
    """`patience`: seconds that one WAIT may take."""

    nodes: Nodes
    where: str
    level: Durability
    min_replicas: int
    patience: float
    kind: Kind
    _facts: dict[str, tuple[float, ServerFacts]] = field(default_factory=dict)

    async def send(self, key: str, command: Command) -> Any:
        """One write and its confirmation. redis-py's faults for the write; NotConfirmed, StoreRefused NOTDURABLE."""
        facts = await self._known(key)
        why = hindrance(self.level, facts, self.min_replicas)
        if why:
            self._facts.clear()  # it may be mended at any moment
            raise StoreRefused(self.where, "NOTDURABLE", why)
        if self.level is not Durability.REPLICA:
            return await self._local(key, command)
        trifle = load_script("joelclaw_bus", "confirm").text
        wait = ("WAIT", facts.replicas, max(1, round(self.patience * 1000)))
        # Who is online is asked again behind the WAIT: a replica that came since may be promoted, and must have it.
        after = ("INFO", "replication")
        sent = await self.nodes.together(key, [command, ("EVAL", trifle, 1, confirmed_key(key)), wait, after])
        reply, written, reached, online = sent
        if isinstance(reply, Exception):  # refused: nothing was written
            raise reply
        for answer in (written, reached, online):
            if isinstance(answer, Exception):
                raise self._short(str(translate(answer, self.where)))
        enough = max(facts.replicas, online_of(online))
        if reached < enough:
            raise self._short(f"{reached} of {enough} in {self.patience:g} s")
        return reply

    async def _local(self, key: str, command: Command) -> Any:
        """With appendfsync always the answer itself comes after the sync. That the server which answered has it is
        asked behind the write: since the last look there may have been a failover to one that has not."""
        asked = [command, ("INFO", "persistence"), ("CONFIG", "GET", *ASKED)]
        reply, info, flat = await self.nodes.together(key, asked)
        if isinstance(reply, Exception):  # refused: nothing was written
            raise reply
        if isinstance(info, Exception):
            raise self._short(str(translate(info, self.where)))
        if why := hindrance(self.level, facts_of(info, _settings(flat), self.kind)):
            raise self._short(why)
        return reply

    def _short(self, why: str) -> NotConfirmed:
        self._facts.clear()
        return NotConfirmed(self.where, self.level, why)

    async def _known(self, key: str) -> ServerFacts:
        """What the key's node says of itself, not older than FACTS_AGE."""
        node = self.nodes.name_of(key)
        at, facts = self._facts.get(node, (float("-inf"), None))
        if facts is None or time.monotonic() - at > FACTS_AGE:
            info, flat = await self.nodes.together(key, [("INFO",), ("CONFIG", "GET", *ASKED)])
            facts = facts_of(_sound(info), _settings(flat), self.kind)
            self._facts[self.nodes.name_of(key)] = (time.monotonic(), facts)
        return facts


def _settings(flat: Any) -> dict[str, str]:
    """None where they may not be asked."""
    if isinstance(flat, Exception):
        return {}
    words = [word.decode() for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))


def _sound(reply: Any) -> Any:
    if isinstance(reply, FAULTS):
        raise reply
    return reply
