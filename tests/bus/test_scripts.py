"""The scripts as files: their form, their one caller each, and that all their keys share a slot."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import ClassVar

import pytest

import joelclaw_bus
from joelclaw_bus import (
    Backoff,
    Event,
    Functions,
    Keys,
    Limits,
    Publisher,
    SlotCalls,
    Step,
    Store,
    StoreRefused,
    StoreSettings,
    event,
    load_script,
    open_store,
)
from joelclaw_bus.observer import OutboxDelivered, RunEnded, RunParked
from joelclaw_bus.script import scripts_of
from joelclaw_contracts import EventModel
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.workers import working

PACKAGE = Path(joelclaw_bus.__file__).parent
LUA = PACKAGE / "lua"
NAMES = scripts_of("joelclaw_bus")
ADDS = {"publish", "redrive", "replay", "register_schedule", "tick"}
"""What brings new work: refused in a full store. All others settle what is there, so that it can drain."""


def text_of(name: str) -> str:
    return (LUA / f"{name}.lua").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_script_says_what_it_does_with_which_keys_and_what_it_answers(name: str) -> None:
    first, *rest = text_of(name).splitlines()
    header = [line for line in rest if line.startswith("--")]
    assert re.fullmatch(r"#!lua( flags=allow-oom)?", first)
    assert rest[0].startswith("-- "), "the second line says what it does"
    for part in ("KEYS: ", "ARGV: ", "Answers: "):
        assert any(line.startswith(f"-- {part}") for line in header), part


@pytest.mark.parametrize("name", NAMES)
def test_every_key_and_argument_that_a_script_uses_stands_in_its_header(name: str) -> None:
    text = text_of(name)
    header = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    for kind in ("KEYS", "ARGV"):
        stated = header.partition(f"{kind}: ")[2].partition("Answers")[0]
        for number in set(re.findall(rf"{kind}\[(\d+)\]", text)):
            assert re.search(rf"\b{number}\b", stated), f"{kind}[{number}]"


@pytest.mark.parametrize("name", NAMES)
def test_what_settles_runs_in_a_full_store_and_what_adds_does_not(name: str) -> None:
    assert ("allow-oom" in text_of(name).splitlines()[0]) == (name not in ADDS)


@pytest.mark.parametrize("name", [*NAMES, *(f"lib/{p.stem}" for p in (LUA / "lib").iterdir())])
def test_a_script_declares_its_names(name: str) -> None:
    """A global outlives its script on Redis 7.0 only as an error, in the middle of a transition."""
    body = re.sub(r"--[^\n]*|'[^']*'", "", text_of(name))
    body = re.sub(r"\{[^{}]*\}", "", body)
    declared = {n.strip() for names in re.findall(r"local ([\w, ]+?)(?= =|\n|$)", body) for n in names.split(",")}
    assigned = {
        n.strip() for m in re.findall(r"^\s*(?:then )?([a-z_]\w*(?:, \w+)*) = ", body, re.M) for n in m.split(",")
    }
    assert not re.search(r"^\s*function ", body, re.M)
    assert assigned <= declared


@cache
def sources() -> dict[str, str]:
    return {str(p.relative_to(PACKAGE)): p.read_text() for p in PACKAGE.rglob("*.py")}


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_called_from_one_place(name: str) -> None:
    call = re.compile(rf'(?:_script\(|load_script\([^,]+, )"{name}"\)')
    where = [path for path, text in sources().items() for _ in call.findall(text)]
    assert len(where) == 1, where


@pytest.mark.parametrize("name", NAMES)
async def test_the_server_loads_a_script(store: Store, name: str) -> None:
    script = load_script("joelclaw_bus", name)
    assert await store.call("SCRIPT", "LOAD", script.text) == script.sha.encode()


class Begun(EventModel):
    event_name: ClassVar[str] = "test/begun"

    fails: bool = False


class Followed(EventModel):
    event_name: ClassVar[str] = "test/followed"


def eventful() -> Functions:
    """One function that does all that a run can do."""
    functions = Functions()

    @functions.function(
        "test/all",
        on=[event(Begun)],
        retries=1,
        exclusive=1,
        backoff=Backoff(base_ms=10, cap_ms=10),
        on_failure=lambda failure: [Followed()],
    )
    async def everything(e: Event[Begun], step: Step) -> int:
        await step.run("one", lambda: 1)
        await step.sleep("rest", 0.01)
        await step.send_event("later", Followed(), delay=0.02)
        if e.data.fails:
            raise OSError("it fails")
        return 1

    functions.on_invalid["test/begun"] = lambda data, error, event_id: [Followed()]
    return functions


async def everything_happens(store: Store) -> Seen:
    async with working(store, eventful(), chores=0.05) as seen:
        for n in range(6):
            await Publisher(store).send(Begun(fails=n % 2 == 1), id=f"{n}", at_ms=await store.time_ms() + 10)
        await store.call("XADD", store.keys.slot("test/begun").stream, "*", "data", "bad")
        await seen.wait(RunEnded, 6)
        await seen.wait(RunParked, where=lambda f: f.state == "held")
        await seen.wait(OutboxDelivered, where=lambda f: f.kind == "wake")

        async def delivered() -> bool:
            return bool(await store.call("XLEN", store.keys.slot("test/followed").stream) == 10)

        await until(delivered)
    return seen


@pytest.mark.parametrize("prefix", ["", "staging:"])
async def test_every_key_a_script_touches_carries_the_tag_of_one_slot(one_server: Server, prefix: str) -> None:
    """On a cluster an undeclared key fails only if it lies on another node: here each key itself is looked at."""
    with one_server.client() as watcher, watcher.monitor() as monitor:
        async with open_store(StoreSettings(one_server.url, prefix=prefix)) as store:
            await everything_happens(store)
            await store.call("ECHO", "the end")
        transition: set[str] = set()
        seen = 0
        for command in monitor.listen():
            text = str(command["command"])
            if text == "ECHO the end":
                break
            if command["client_type"] != "lua":
                transition = set()
                continue
            first = text.split(" ")
            if first[0] in ("TIME", "PUBLISH"):
                continue
            key = first[2] if first[0] in ("XGROUP", "XINFO") else first[1]
            assert key.removeprefix("{").startswith(prefix)
            transition.add(key[1 : key.index("}")] if key.startswith("{") else key)
            seen += 1
            assert len(transition) == 1, f"one script touched {transition}"
        assert seen > 300
        one_server.empty()  # of a prefixed deployment's keys, which the look behind each test doesn't know


async def test_all_that_a_run_can_do_is_done_on_one_slot_at_a_time(store: Store) -> None:
    seen = await everything_happens(store)
    assert Counter(f.status for f in seen.all(RunEnded)) == {"completed": 3, "failed": 3}


async def test_a_full_store_refuses_new_work_and_finishes_old(one_server: Server, one_store: Store) -> None:
    store, keys = one_store, Keys()
    functions, slot = eventful(), keys.slot("test/begun")
    await SlotCalls(store, Limits()).ensure_group(slot, "test/all")
    for n in range(3):
        await Publisher(store).send(Begun(), id=f"{n}")
    await store.call("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(StoreRefused, match="OOM"):
            await Publisher(store).send(Begun(), id="refused")
        async with working(store, functions) as seen:
            await seen.wait(RunEnded, 3)
    finally:
        await store.call("CONFIG", "SET", "maxmemory", 0)
    assert [f.status for f in seen.all(RunEnded)] == ["completed"] * 3
