"""A user with a wrong password or too few rights: one line that says what and what to do; mended, all goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from joelclaw_bus import Event, Functions, Publisher, Step, Store, StoreSettings, event, open_store
from joelclaw_bus.observer import RunEnded, StoreBack, StoreTrouble, Stuck, Unstuck
from joelclaw_contracts import EventModel
from tests.faults.everything import Everything
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.workers import working

SECRET = "open-sesame"
RIGHTS = "~* &* -@all +@read +@write +@connection +@pubsub +@scripting +info +time +role +config|get"
"""What the runbook says a worker needs; see the test of it."""


class Alpha(EventModel):
    event_name: ClassVar[str] = "alpha/told"


class Beta(EventModel):
    event_name: ClassVar[str] = "beta/told"


def telling() -> Functions:
    functions = Functions()

    @functions.function("alpha/tell", on=[event(Alpha)], retries=1)
    async def alpha(e: Event[Alpha], step: Step) -> None:
        return None

    @functions.function("beta/tell", on=[event(Beta)], retries=1)
    async def beta(e: Event[Beta], step: Step) -> None:
        return None

    return functions


class Administrator:
    """Who may change what the bus's user may do."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.url.replace("://", f"://bus:{SECRET}@")

    def rights(self, *rules: str, password: str = SECRET) -> None:
        with self.server.client() as client:
            client.execute_command("ACL", "SETUSER", "bus", "reset", "on", f">{password}", *rules)

    def remove(self) -> None:
        with self.server.client() as client:
            client.execute_command("ACL", "DELUSER", "bus")


@pytest.fixture
def administrator(one_server: Server) -> Iterator[Administrator]:
    admin = Administrator(one_server)
    admin.rights(*RIGHTS.split())
    yield admin
    admin.remove()


@asynccontextmanager
async def at_work(admin: Administrator, functions: Functions) -> AsyncIterator[tuple[Store, Seen]]:
    """A worker as the bus's user, and a store as the administrator."""
    async with (
        open_store(StoreSettings(admin.server.url, deadline=30)) as direct,
        open_store(StoreSettings(admin.url)) as store,
        working(store, functions, lease_ms=600, chores=0.2) as seen,
    ):
        yield direct, seen
    told = [str(f) for f in seen.facts]
    assert not [line for line in told if SECRET in line], "a secret was told"


async def test_the_rights_that_the_runbook_names_are_enough(administrator: Administrator) -> None:
    everything = Everything()
    async with at_work(administrator, everything.functions) as (direct, seen):
        await everything.send(direct, 5, invalid=1)
        await everything.all_ended(seen)
        await everything.check(direct, seen)
    assert not seen.all(Stuck)
    assert not seen.all(StoreTrouble)


async def test_a_wrong_password_is_one_line_and_work_begins_when_it_is_right(administrator: Administrator) -> None:
    administrator.rights(*RIGHTS.split(), password="another")
    async with at_work(administrator, telling()) as (direct, seen):
        await Publisher(direct).send(Alpha())
        [trouble] = await seen.wait(StoreTrouble)
        administrator.rights(*RIGHTS.split())
        await seen.wait(StoreBack)
        await seen.wait(RunEnded)
    assert "WRONGPASS" in trouble.error
    assert "check user and password in REDIS_URL" in trouble.error
    assert len(seen.all(StoreTrouble)) == 1
    assert not seen.all(Stuck)


async def test_a_user_that_is_removed_under_work_comes_back(administrator: Administrator) -> None:
    async with at_work(administrator, telling()) as (direct, seen):
        await Publisher(direct).send(Alpha())
        await seen.wait(RunEnded)
        administrator.remove()
        await seen.wait(StoreTrouble)
        await Publisher(direct).send(Alpha())
        administrator.rights(*RIGHTS.split())
        await seen.wait(StoreBack)
        await seen.wait(RunEnded, 2)
    assert not seen.all(Stuck)


async def test_without_scripts_it_is_one_line_that_names_the_right(administrator: Administrator) -> None:
    administrator.rights(*RIGHTS.split(), "-evalsha")
    async with at_work(administrator, telling()) as (direct, seen):
        await Publisher(direct).send(Alpha())
        [trouble] = await seen.wait(StoreTrouble)
        administrator.rights(*RIGHTS.split())
        await seen.wait(StoreBack)
        await seen.wait(RunEnded)
    assert "+evalsha" in trouble.error
    assert not seen.all(Stuck)


async def test_a_stream_without_rights_stops_no_other_and_goes_on_when_it_has_them(
    administrator: Administrator,
) -> None:
    narrow = RIGHTS.replace("~*", "~alpha/* ~{alpha/* ~{beta/tell}* ~{bus}*")
    administrator.rights(*narrow.split())
    async with at_work(administrator, telling()) as (direct, seen):
        await Publisher(direct).send(Alpha())
        await Publisher(direct).send(Beta())
        await seen.wait(RunEnded, where=lambda f: f.function == "alpha/tell")
        [stuck] = await seen.wait(Stuck, where=lambda f: f.what.startswith("read "))
        administrator.rights(*RIGHTS.split())
        await seen.wait(RunEnded, where=lambda f: f.function == "beta/tell")
        await seen.wait(Unstuck, where=lambda f: f.what == stuck.what)
    assert stuck.what == "read beta/told for beta/tell"
    assert "NOPERM" in stuck.reason
    assert "ACL SETUSER" in stuck.reason
    assert not seen.all(StoreTrouble)


async def test_without_the_channel_it_is_one_line_until_it_has_it(administrator: Administrator) -> None:
    administrator.rights(*RIGHTS.replace("&*", "").split())
    async with at_work(administrator, telling()) as (direct, seen):
        [stuck] = await seen.wait(Stuck)
        await Publisher(direct).send(Alpha(), at_ms=await direct.time_ms() + 100)
        await seen.wait(RunEnded)
        administrator.rights(*RIGHTS.split())
        [unstuck] = await seen.wait(Unstuck)
    assert stuck.what == unstuck.what == "hear nudges"
    assert "ACL SETUSER" in stuck.reason
