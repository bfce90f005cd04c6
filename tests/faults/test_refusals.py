"""F8: each refusal of a store, once for each kind of command that a worker sends: it waits, says so, and goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import pytest

from joelclaw_bus import StoreSettings, open_store, outbox, promoter, trouble
from joelclaw_bus.observer import StoreBack, StoreTrouble, Stuck, Unstuck, WorkerFault
from joelclaw_bus.script import scripts_of
from tests.faults.everything import Everything
from tests.support.resp_proxy import Refuse, RespProxy, Verdict
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.workers import working

pytestmark = pytest.mark.timeout(400)  # only a bound: its waits have their own
AWAY = {
    "READONLY": "READONLY You can't write against a read only replica.",
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "BUSY": "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "MISCONF": "MISCONF Errors writing to the AOF file: No space left on device",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MOVED": "MOVED 3999 127.0.0.1:6381",
    "ASK": "ASK 3999 127.0.0.1:6381",
    "TRYAGAIN": "TRYAGAIN Multiple keys request during rehashing of slot",
    "NOAUTH": "NOAUTH Authentication required.",
    "WRONGPASS": "WRONGPASS invalid username-password pair or user is disabled.",
    "MAXCLIENTS": "ERR max number of clients reached",
}
"""Refusals of everybody: one spell of trouble, whoever meets them."""
ONE_THING = {"NOPERM": "NOPERM this user has no permissions to run this command"}
"""A refusal of one thing: told once by each who meets it."""
QUIET = {
    "UNBLOCKED": "UNBLOCKED the stream key no longer exists",
    "NOSCRIPT": "NOSCRIPT No matching script. Please use EVAL.",
}
"""What is mended on the way, and no trouble."""
COMMANDS = {"XREADGROUP", "HSETNX", "HSET", "HGETALL", "HGET", "HKEYS", "SET", "GET", "PEXPIRE", "INFO", "TIME", "ROLE"}
COMMANDS |= {"SUBSCRIBE"}
AT_THE_END = {"hand_back", "HDEL"}
NOT_A_WORKERS = {"replay", "redrive", "cancel", "cancel_unread", "cancel_delayed"}  # an operator's, by hand
NOT_A_WORKERS |= {"confirm"}  # at the durability levels above `memory`
NOT_A_WORKERS |= {"mend", "mend_permit", "mend_pending", "mend_waits"}  # only where an audit found something broken
NOT_A_WORKERS |= {"outbox_again"}  # only where an item met a store that was away or full


@dataclass
class Once:
    """Breaks each kind of call once, as `verdict` says."""

    verdict: Verdict
    left: set[str] = field(default_factory=lambda: (set(scripts_of("joelclaw_bus")) - NOT_A_WORKERS) | COMMANDS)
    emptied: anyio.Event = field(default_factory=anyio.Event)

    def judge(self, kind: str, request: list[bytes]) -> Verdict:
        if kind not in self.left:
            return None
        self.left.remove(kind)
        if not self.left - AT_THE_END:
            self.emptied.set()
        return self.verdict

    async def meets_all(self, send: Callable[[], Awaitable[None]]) -> None:
        """Sends work until each kind of call was met, but for those of a worker's end."""
        with anyio.move_on_after(120):
            while not self.emptied.is_set():
                await send()
                with anyio.move_on_after(0.3):
                    await self.emptied.wait()
        assert not self.left - AT_THE_END, f"a worker never asked for {sorted(self.left - AT_THE_END)}"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bus with shorter waits between its tries: hundreds of refusals must fit into seconds."""
    monkeypatch.setattr(trouble, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr(outbox, "HOLD_MS", 100)
    monkeypatch.setattr(promoter, "SWEEP_MS", 100)


async def refused_everywhere(server: Server, text: str) -> Seen:
    once, everything = Once(Refuse(text)), Everything()
    async with (
        RespProxy(server.port, once.judge) as proxy,
        open_store(StoreSettings(server.url, deadline=30)) as direct,
        open_store(StoreSettings(proxy.url)) as store,
    ):
        everything.crowded(direct)
        await everything.leave_a_delivery(direct)

        async def send() -> None:
            if await everything.has_much_to_do(direct):
                return
            await everything.leave_an_item(direct)
            await everything.send(direct, 1, invalid=1)

        async with working(store, everything.functions, lease_ms=600, block=0.1, chores=0.1) as seen:
            await once.meets_all(send)
            await everything.all_ended(seen)
            await everything_over(seen)
        assert not once.left
        await everything.check(direct, seen)
    assert not seen.all(WorkerFault)
    return seen


async def everything_over(seen: Seen) -> None:
    """Whatever was told to have begun is told to be over, while the worker works: spells, and each thing refused."""
    with suppress(TimeoutError), anyio.fail_after(60):
        while stuck(seen) or len(seen.all(StoreTrouble)) != len(seen.all(StoreBack)):
            await seen.more()
    assert not stuck(seen)
    assert len(seen.all(StoreTrouble)) == len(seen.all(StoreBack))


def stuck(seen: Seen) -> dict[tuple[str, str], str]:
    """What was told as Stuck and not, later, as over; with why."""
    left = dict[tuple[str, str], str]()
    for fact in seen.facts:
        if isinstance(fact, Stuck):
            left[fact.slot, fact.what] = fact.reason
        elif isinstance(fact, Unstuck):
            left.pop((fact.slot, fact.what))  # a KeyError here: what nobody told was told as over
    return left


@pytest.mark.parametrize("text", AWAY.values(), ids=AWAY)
async def test_a_refusal_of_everybody_is_waited_out_and_one_spell(one_server: Server, text: str) -> None:
    seen = await refused_everywhere(one_server, text)
    assert seen.all(StoreTrouble)
    # An audit only reads: a full store never refuses it, and one that refuses one slot's audit stops no other's.
    assert not [f for f in seen.all(Stuck) if f.what != "audit"]


async def test_a_refusal_of_one_thing_is_told_by_each_who_meets_it(one_server: Server) -> None:
    seen = await refused_everywhere(one_server, ONE_THING["NOPERM"])
    assert not seen.all(StoreTrouble)
    told = [f.what for f in seen.all(Stuck)]
    missing = {"promote", "hear nudges", "read test/job for test/steps"} - set(told)
    assert not missing
    assert all("(NOPERM)" in f.reason and "ACL SETUSER" in f.reason for f in seen.all(Stuck))


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
async def test_what_is_mended_on_the_way_is_no_trouble(one_server: Server, text: str) -> None:
    seen = await refused_everywhere(one_server, text)
    assert not seen.all(StoreTrouble)
