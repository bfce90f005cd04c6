"""Sending, watching, and what became of it: on a real store, with real workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli, Said
from tests.support.server import Server
from tests.support.workers import working

from joelclaw_bus import Backoff, Event, Functions, Reject, Step, Store, StoreSettings, event, open_store
from joelclaw_bus.observer import EventBuried, Promoted, RunEnded, RunParked
from joelclaw_contracts import EventModel

EXAMPLE = Path(__file__).parents[2] / "examples" / "healing-request.json"
CHECK = "system/health.check.requested"


class Greeted(EventModel):
    event_name: ClassVar[str] = "test/greeted"

    name: str


async def later(work: Callable[[], Said]) -> Said:
    return await to_thread.run_sync(work)


def entries(server: Server, stream: str) -> list[Any]:
    with server.client() as client:
        return list(client.xrange(stream))


def test_an_event_is_sent_and_seen(cli: Cli, one_server: Server) -> None:
    sent = cli("bus", "send", CHECK, "--data", '{"mode": "core"}').result
    (entry,) = entries(one_server, CHECK)
    assert entry[0].decode() == sent["entry"]
    assert json.loads(entry[1][b"data"]) == {"mode": "core"}
    (seen,) = cli("bus", "tail", "system/*").result["events"]
    assert (seen["name"], seen["data"], seen["source"]) == (CHECK, {"mode": "core"}, "joelclaw")


def test_the_example_request_is_a_valid_event(cli: Cli) -> None:
    assert cli("bus", "send", "system/self.healing.requested", "--data", f"@{EXAMPLE}").code == 0


def test_an_event_with_an_id_is_sent_once(cli: Cli, one_server: Server) -> None:
    first = cli("bus", "send", CHECK, "--data", "{}", "--id", "one").result
    second = cli("bus", "send", CHECK, "--data", "{}", "--id", "one").result
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert len(entries(one_server, CHECK)) == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("system/health.check.requestd", "{}"), "event_unknown", f"did you mean {CHECK}?"),
        ((CHECK, '{"mode": "all"}'), "payload_invalid", "expected one of core, signals, full"),
        ((CHECK, '{"mod": "core"}'), "payload_invalid", "has no field mod; did you mean mode?"),
        ((CHECK, "{mode: core}"), "usage", "is no JSON"),
        ((CHECK, "[]"), "usage", "expected an object"),
        ((CHECK, "@/nowhere/at/all"), "usage", "can't be read"),
        (("no name", "{}"), "event_unknown", "no event that this suite knows"),
    ],
)
def test_what_is_wrong_is_told_before_it_is_sent(
    cli: Cli, one_server: Server, words: tuple[str, str], code: str, says: str
) -> None:
    with one_server.client() as client:
        before = client.dbsize()
        said = cli("bus", "send", words[0], "--data", words[1])
        assert client.dbsize() == before
    assert (said.code, said.error) == (2, code)
    assert says in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("[" * 20_000, "nested deeper than 64 levels"),
        ('{"a":' * 20_000, "nested deeper than 64 levels"),
        ('{"a":' + "[" * 70 + "]" * 70 + "}", "nested deeper than 64 levels"),
        ('{"a":"\udcff"}', "is not UTF-8"),
        ('{"a":NaN}', "holds NaN"),
        ('{"a":1,"a":2}', 'holds the key "a" twice'),
        ("@/dev/full", "holds more than 1 MiB"),
        ("@/dev/null\0", "can't be read"),
        ("", "is no JSON"),
    ],
)
def test_a_payload_that_is_no_strict_json_is_one_line(
    cli: Cli, one_server: Server, force: tuple[str, ...], data: str, says: str
) -> None:
    said = cli("bus", "send", CHECK, "--data", data, *force)
    assert (said.code, said.error) == (2, "usage"), said
    assert says in said.err
    assert said.err.count("\n") == 1
    assert len(said.err) < 400
    assert entries(one_server, CHECK) == []


@pytest.mark.parametrize(("id", "fix"), [(("--id", "order-1"), "--id order-1"), ((), "look whether it is there")])
def test_no_answer_to_a_send_is_told_as_one_that_may_have_been_written(
    cli: Cli, own_server: Server, id: tuple[str, ...], fix: str
) -> None:
    own_server.send(signal.SIGSTOP)
    said = cli("bus", "send", "test/greeted", "--data", "{}", "--force", "--redis-url", own_server.url, *id)
    own_server.send(signal.SIGCONT)
    assert said.code == 1
    assert "may have been written all the same" in said.envelope["error"]["message"]
    assert fix in said.envelope["fix"]


def test_force_sends_what_the_suite_does_not_know(cli: Cli, one_server: Server) -> None:
    assert cli("bus", "send", "my/own.event", "--data", '{"n": 1}', "--force").code == 0
    assert len(entries(one_server, "my/own.event")) == 1


def test_what_is_sent_for_later_waits_where_it_can_be_seen(cli: Cli, one_server: Server) -> None:
    sent = cli("bus", "send", CHECK, "--data", '{"mode": "core"}', "--in", "10m").result
    assert entries(one_server, CHECK) == []
    # Nobody has registered the event and its stream is empty: it must be listed, and promoted, all the same.
    (due,) = cli("bus", "due").result["due"]
    assert (due["kind"], due["event"], due["id"], due["data"]) == ("event", CHECK, sent["id"], {"mode": "core"})
    assert due["due_ms"] == sent["due"]


async def test_what_is_sent_for_later_comes_though_no_function_takes_it(cli: Cli, one_server: Server) -> None:
    functions = Functions()

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None: ...

    async with open_store(StoreSettings(one_server.url)) as store, working(store, functions) as seen:
        await later(lambda: cli("bus", "send", CHECK, "--data", "{}", "--in", "200ms"))
        await seen.wait(Promoted)
    assert len(entries(one_server, CHECK)) == 1


def test_tail_shows_the_newest_in_order_and_only_since(cli: Cli, one_server: Server) -> None:
    with one_server.client() as client:
        client.xadd("a/old", {"data": "{}"}, id="1000-0")
    for n in range(3):
        cli("bus", "send", f"a/{n}", "--data", "{}", "--force")
    assert [e["name"] for e in cli("bus", "tail", "--limit", "2").result["events"]] == ["a/1", "a/2"]
    assert [e["name"] for e in cli("bus", "tail", "a/*", "--since", "5m").result["events"]] == ["a/0", "a/1", "a/2"]


def test_bytes_that_are_no_text_are_shown_and_break_nothing(cli: Cli, one_server: Server) -> None:
    with one_server.client() as client:
        client.xadd("a/b", {b"data": b"\xff\xfe", b"\xf0": b"x"})
        client.xadd("a/b", {"other": "no data"})
    assert [e["data"] for e in cli("bus", "tail").result["events"]] == ["\\xff\\xfe", ""]
    assert cli("bus", "tail", people=True).code == 0


async def test_a_failed_run_can_be_looked_at_replayed_and_dropped(cli: Cli, one_server: Server) -> None:
    functions, broken = Functions(), [True]

    @functions.function("test/greet", on=[event(Greeted)], retries=1, backoff=Backoff(base_ms=10, cap_ms=20))
    async def greet(e: Event[Greeted], step: Step) -> str:
        await step.run("hello", lambda: "hi")
        if broken[0]:
            raise OSError("the line is down")
        return f"{e.data.name} greeted"

    async with open_store(StoreSettings(one_server.url)) as store, working(store, functions) as seen:
        sent = await later(lambda: cli("bus", "send", "test/greeted", "--data", '{"name": "Ada"}', "--force"))
        await seen.wait(RunEnded)
        (run,) = (await later(lambda: cli("bus", "runs", "--state", "failed"))).result["runs"]
        assert run["id"] == f"test/greet:{sent.result['entry']}"
        detail = (await later(lambda: cli("bus", "run", run["id"]))).result
        assert detail["steps"] == {"hello": "hi"}
        assert "the line is down" in detail["facts"]["error"]
        assert detail["event"]["data"] == {"name": "Ada"}
        assert (await later(lambda: cli("bus", "run", run["id"], people=True))).code == 0

        (letter,) = (await later(lambda: cli("bus", "dead", "list"))).result["letters"]
        assert (letter["kind"], letter["function"], letter["data"]) == ("run", "test/greet", {"name": "Ada"})
        (facts,) = (await later(lambda: cli("bus", "streams", "test/greeted"))).result["streams"]
        assert facts["dead"] == 1
        assert [g["function"] for g in facts["groups"]] == ["test/greet"]

        broken[0] = False
        replay = ("bus", "dead", "replay", letter["id"], "--force")
        assert (await later(lambda: cli(*replay))).error == "usage", "nobody is here to confirm"
        planned = (await later(lambda: cli(*replay, "--dry-run"))).result
        assert planned["entry"] is None
        done = (await later(lambda: cli(*replay, "--yes"))).result
        assert (done["replayOf"], done["id"]) == (letter["fields"]["entry"], f"replay-{letter['id']}")
        await seen.wait(RunEnded, 2)
        assert seen.all(RunEnded)[-1].status == "completed"
        assert (await later(lambda: cli("bus", "dead", "list"))).result["letters"] == []
    entry = entries(one_server, "test/greeted")[-1][1]
    assert (entry[b"id"].decode(), entry[b"replayOf"].decode()) == (done["id"], done["replayOf"])


async def test_an_unreadable_event_is_mended_and_replayed(cli: Cli, one_server: Server) -> None:
    functions = Functions()

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> str:
        return await step.run("greet", lambda: e.data.name)

    with one_server.client() as client:
        client.xadd("test/greeted", {"data": '{"name": 5}', "id": "order-1"})
    async with open_store(StoreSettings(one_server.url)) as store, working(store, functions) as seen:
        await seen.wait(EventBuried)
        (letter,) = (await later(lambda: cli("bus", "dead", "list"))).result["letters"]
        assert "name" in letter["error"]
        mended = ("--data", '{"name": "Ada"}', "--force", "--yes")
        done = (await later(lambda: cli("bus", "dead", "replay", letter["id"], *mended))).result
        assert done["replayOf"] == "order-1"
        await seen.wait(RunEnded)
        assert seen.all(RunEnded)[-1].status == "completed"


async def test_a_dead_letter_is_shown_without_its_secrets_and_replayed_with_them(cli: Cli, one_server: Server) -> None:
    functions = Functions()

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        raise Reject("never")

    data = '{"name":"Ada","password":"hunter2 and more","at":"redis://u:hunter2@host"}'
    async with open_store(StoreSettings(one_server.url)) as store, working(store, functions) as seen:
        await later(lambda: cli("bus", "send", "test/greeted", "--data", data, "--force"))
        await seen.wait(RunEnded)
    listed = await later(lambda: cli("bus", "dead", "list"))
    (letter,) = listed.result["letters"]
    show = ("bus", "dead", "show", letter["id"])
    said = [listed, await later(lambda: cli(*show)), await later(lambda: cli(*show, people=True))]
    replayed = await later(lambda: cli("bus", "dead", "replay", letter["id"], "--force", "--yes"))
    assert ["hunter2" in x.out or "and more" in x.out for x in [*said, replayed]] == [False] * 4
    assert all("redis://u:***@host" in x.out for x in said), "what is no secret is shown"
    assert entries(one_server, "test/greeted")[-1][1][b"data"] == data.encode()


async def test_a_dropped_letter_is_gone_and_dropping_it_again_says_so(cli: Cli, one_server: Server) -> None:
    functions = Functions()

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        raise Reject("never")

    async with open_store(StoreSettings(one_server.url)) as store, working(store, functions) as seen:
        await later(lambda: cli("bus", "send", "test/greeted", "--data", '{"name": "Ada"}', "--force"))
        await seen.wait(RunEnded)
    (letter,) = (await later(lambda: cli("bus", "dead", "list"))).result["letters"]
    drop = ("bus", "dead", "drop", letter["id"], "--yes")
    assert (await later(lambda: cli(*drop, "--dry-run"))).result["dry_run"]
    assert (await later(lambda: cli(*drop))).code == 0
    assert (await later(lambda: cli(*drop))).error == "not_found"


async def test_a_sleeping_run_is_due_and_says_when(cli: Cli, one_server: Server) -> None:
    functions = Functions()

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        await step.sleep("nap", 600)

    async with open_store(StoreSettings(one_server.url)) as store, working(store, functions) as seen:
        await later(lambda: cli("bus", "send", "test/greeted", "--data", '{"name": "Ada"}', "--force"))
        await seen.wait(RunParked)
        (due,) = (await later(lambda: cli("bus", "due"))).result["due"]
        (run,) = (await later(lambda: cli("bus", "runs", "--state", "due"))).result["runs"]
        assert (due["kind"], due["id"], due["due_ms"]) == ("run", run["id"], run["due_ms"])
        assert "in 10 min" in (await later(lambda: cli("bus", "due", people=True))).out


async def test_a_deployment_prefix_keeps_deployments_apart(cli: Cli, one_server: Server) -> None:
    await later(lambda: cli("bus", "send", CHECK, "--data", "{}", "--prefix", "blue:"))
    assert len(entries(one_server, f"blue:{CHECK}")) == 1
    assert (await later(lambda: cli("bus", "tail", "--prefix", "green:"))).result["events"] == []
    assert len((await later(lambda: cli("bus", "tail", "--prefix", "blue:"))).result["events"]) == 1


async def test_reading_changes_nothing(cli: Cli, one_server: Server) -> None:
    await later(lambda: cli("bus", "send", CHECK, "--data", "{}", "--in", "10m"))
    async with open_store(StoreSettings(one_server.url)) as store:
        before = await dump(store)
        for words in (("tail",), ("streams",), ("runs",), ("due",), ("dead", "list")):
            assert (await later(partial(cli, "bus", *words))).code == 0
        assert await dump(store) == before


async def dump(store: Store) -> dict[bytes, Any]:
    return {key: await store.call("DUMP", key) for key in await store.call("KEYS", "*")}


def test_following_prints_a_line_an_event_and_ctrl_c_ends_it_well(one_server: Server) -> None:
    env = {**os.environ, "REDIS_URL": one_server.url}
    words = [sys.executable, "-m", "joelclaw_cli", "bus", "tail", "--follow", "a/*"]
    tail = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert tail.stdout is not None
        with one_server.client() as client:
            for n in range(3):
                client.xadd("a/b", {"data": f'{{"n": {n}}}'})
                assert json.loads(tail.stdout.readline())["data"] == {"n": n}
        tail.send_signal(signal.SIGINT)
        _, err = tail.communicate(timeout=60)
    finally:
        tail.kill()
        tail.communicate()
    assert (tail.returncode, err) == (0, "")
