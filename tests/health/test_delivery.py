"""Letters to people: by apprise, to a real local receiver, on a real store; and through SIGKILL at the worst moment."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest

from joelclaw_bus import Publisher, Store, StoreRefused
from joelclaw_contracts import Alerts, Audit, SendMessage
from joelclaw_health.__main__ import reach_outside
from joelclaw_health.alerting.delivery import Delivery
from joelclaw_health.alerting.letter import AlertLetter, read_letter
from joelclaw_health.alerting.memory import Memory
from joelclaw_health.alerting.outlets import DIGEST, TERMINAL, Outlet, Outlets
from joelclaw_health.alerting.outside import Outside
from joelclaw_health.alerting.terminal import NotDelivered, Terminal
from joelclaw_pod import LastResort
from tests.health.test_processes import Services
from tests.support.receiver import Receiver, receiver
from tests.support.server import Server


def letter(transition: str = "opened", repeat: int = 1, thread: str = "inc-1") -> AlertLetter:
    return AlertLetter(f"{thread}:{transition}:{repeat}", thread, transition, repeat, "hook", "the disk is full")


@dataclass
class Desk:
    """A delivery whose target answers what the test says, and what the terminal was told."""

    store: Store
    why: str = ""
    sent: list[str] = field(default_factory=list)
    out: io.StringIO = field(default_factory=io.StringIO)

    def send(self, url: str, title: str, text: str, key: str) -> str:
        self.sent.append(key)
        return self.why

    @property
    def delivery(self) -> Delivery:
        terminal = Terminal(LastResort("health", stream=self.out))
        return Delivery(Memory(self.store), Outlets(), terminal, self.send)


@pytest.fixture
def desk(one_store: Store) -> Desk:
    return Desk(one_store)


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as here:
        yield here


KEYED = Outlet("json-1", "apprise", "json://127.0.0.1/")
UNKEYED = Outlet("ntfy-1", "apprise", "ntfy://127.0.0.1/alerts")


@pytest.mark.parametrize(
    ("id", "thread", "transition", "repeat"),
    [
        ("inc-1:escalated:2", "inc-1", "escalated", 2),
        ("inc-1:escalated:2:hook", "inc-1", "escalated", 2),
        ("health:router:heartbeat:opened:1", "health:router:heartbeat", "opened", 1),
        ("anything else", "anything else", "message", 0),
    ],
)
def test_an_id_says_thread_transition_and_repeat(id: str, thread: str, transition: str, repeat: int) -> None:
    read = read_letter(id, SendMessage(channel="hook", text="t", audit=Audit(producer="tests")))
    assert (read.thread, read.transition, read.repeat, read.id) == (thread, transition, repeat, id)


def test_channels_go_out_by_the_table() -> None:
    alerts = Alerts(owners={"ada": ("json://h/x", "room")}, default_owner="ada")
    outlets = Outlets(alerts.addresses(), alerts.channels(None))
    (name,) = alerts.addresses()
    assert outlets.of("digest") == (DIGEST,)
    assert outlets.of(name) == (Outlet(name, "apprise", "json://h/x"),)
    assert outlets.of("default") == (Outlet(name, "apprise", "json://h/x"), TERMINAL)
    assert outlets.of("of-others") == (TERMINAL,)
    assert Outlets().of("default") == (TERMINAL,)
    assert "json://h/x" not in repr(outlets), "an address may be nothing but a secret"


async def test_an_end_is_told_only_to_those_who_heard_the_beginning(desk: Desk) -> None:
    assert await desk.delivery.deliver(letter("resolved", 2), KEYED, False) == "withheld"
    assert await desk.delivery.deliver(letter("opened", 3), KEYED, False) == "told"
    assert await desk.delivery.deliver(letter("resolved", 4), KEYED, False) == "told"
    assert await desk.delivery.deliver(letter("resolved", 4), TERMINAL, False) == "withheld"
    assert desk.sent == ["inc-1:opened:3", "inc-1:resolved:4"]


async def test_a_beginning_that_comes_after_its_end_goes_nowhere(desk: Desk) -> None:
    desk.why = "error=503"
    with pytest.raises(NotDelivered):
        await desk.delivery.deliver(letter("opened", 1), KEYED, False)
    assert await desk.delivery.deliver(letter("resolved", 2), KEYED, False) == "withheld"
    desk.why = ""
    assert await desk.delivery.deliver(letter("opened", 1), KEYED, False) == "withheld"
    assert await desk.delivery.deliver(letter("opened", 3), KEYED, False) == "told", "it was opened again"


async def test_an_end_that_came_while_a_sender_lay_dead_in_its_send_is_told_by_who_comes_after(desk: Desk) -> None:
    """It may have arrived, and its alarm would stay open for ever; the key tells a repetition."""
    await desk.delivery.memory.begin(letter("opened", 1), KEYED)  # sent, and dead before it was noted
    assert await desk.delivery.deliver(letter("resolved", 2), KEYED, False) == "withheld"
    for _ in range(2):
        assert await desk.delivery.deliver(letter("opened", 1), KEYED, False) == "withheld"
    assert desk.sent == ["inc-1:resolved:2"]


async def test_a_letter_that_a_full_store_can_t_keep_for_the_digest_is_tried_again_and_at_last_told(desk: Desk) -> None:
    store = desk.store
    await store.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(StoreRefused):
            await desk.delivery.deliver(letter(), DIGEST, False)
        assert await desk.delivery.deliver(letter(), DIGEST, True) == "failed"
    finally:
        await store.call("CONFIG", "SET", "maxmemory", "0")
    assert "the digest could not keep it" in desk.out.getvalue()


async def test_what_is_not_taken_is_tried_again_where_the_key_tells_and_at_last_the_terminal_has_it(desk: Desk) -> None:
    desk.why = "error=503"
    with pytest.raises(NotDelivered, match="error=503"):
        await desk.delivery.deliver(letter(), KEYED, False)
    assert desk.out.getvalue() == ""
    assert await desk.delivery.deliver(letter(), KEYED, True) == "failed"
    assert "json-1 did not take it (error=503): the disk is full" in desk.out.getvalue()
    assert await desk.delivery.deliver(letter("resolved", 2), KEYED, False) == "withheld"


async def test_without_a_key_nothing_is_ever_sent_twice(desk: Desk) -> None:
    desk.why = "no answer"
    assert await desk.delivery.deliver(letter(), UNKEYED, False) == "failed"
    assert await desk.delivery.deliver(letter(), UNKEYED, False) == "unclear"
    assert len(desk.sent) == 1
    assert "ntfy-1 did not take it" in desk.out.getvalue()


async def test_in_a_full_store_a_page_goes_out_once_and_so_does_its_end(desk: Desk) -> None:
    await desk.store.call("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(StoreRefused, match="OOM"):
            await desk.store.call("SET", "x", "y")
        for outlet in (TERMINAL, KEYED, UNKEYED):
            assert await desk.delivery.deliver(letter("opened", 1), outlet, False) == "told"
            assert await desk.delivery.deliver(letter("resolved", 2), outlet, False) == "told"
            assert await desk.delivery.deliver(letter("resolved", 2), outlet, False) == "withheld"
    finally:
        await desk.store.call("CONFIG", "SET", "maxmemory", 0)
    assert desk.sent == ["inc-1:opened:1", "inc-1:resolved:2"] * 2
    assert desk.out.getvalue().count("ALERT ") == 2


@pytest.mark.parametrize("outlet", [KEYED, UNKEYED])
async def test_an_end_that_was_withheld_during_a_slow_send_is_told_after_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, outlet: Outlet
) -> None:
    sending, go_on = threading.Event(), threading.Event()

    def slow(url: str, title: str, text: str, key: str) -> str:
        if key == "inc-1:opened:1":
            sending.set()
            assert go_on.wait(60)
        desk.sent.append(key)
        return ""

    monkeypatch.setattr(desk, "send", slow)
    delivery, ends = desk.delivery, list[str]()

    async def open_it() -> None:
        ends.append(await delivery.deliver(letter("opened", 1), outlet, False))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(open_it)
            while not sending.is_set():  # noqa: ASYNC110  a thread sets it
                await anyio.sleep(0.01)
            assert await delivery.deliver(letter("resolved", 2), outlet, False) == "withheld"
            go_on.set()
    assert ends == ["told"]
    assert desk.sent == ["inc-1:opened:1", "inc-1:resolved:2"]
    assert await delivery.deliver(letter("resolved", 2), outlet, False) == "withheld", "its end was told"
    assert await delivery.deliver(letter("opened", 3), outlet, False) == "told", "it was opened again"


@pytest.mark.parametrize("last", [False, True])
async def test_what_got_no_answer_may_have_arrived_so_its_end_is_told(desk: Desk, last: bool) -> None:
    go_on = threading.Event()

    def hung(url: str, title: str, text: str, key: str) -> str:
        assert go_on.wait(60)
        return ""

    delivery = replace(desk.delivery, send=hung, seconds=0.05)
    try:
        if last:
            assert await delivery.deliver(letter("opened", 1), KEYED, True) == "unclear"
        else:
            with pytest.raises(NotDelivered, match="no answer within"):
                await delivery.deliver(letter("opened", 1), KEYED, False)
            with pytest.raises(NotDelivered, match="no answer within"):
                await delivery.deliver(letter("resolved", 2), KEYED, False)
    finally:
        go_on.set()
    assert await desk.delivery.deliver(letter("resolved", 2), KEYED, False) == "told"


async def test_what_is_for_the_digest_is_kept_once_and_no_more_than_it_can_hold(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joelclaw_health.alerting.memory.KEPT_FOR_DIGEST", 2)
    for _ in range(2):
        assert await desk.delivery.deliver(letter("a", 1), DIGEST, False) == "kept"
    assert await desk.delivery.deliver(letter("b", 1), DIGEST, False) == "kept"
    assert await desk.delivery.deliver(letter("c", 1), DIGEST, False) == "failed"
    kept = await Memory(desk.store).kept()
    assert set(kept) == {"inc-1:a:1", "inc-1:b:1"}
    await Memory(desk.store).forget(list(kept))
    assert await Memory(desk.store).kept() == {}


def test_beyond_this_machine_without_a_store_an_end_follows_only_a_beginning_that_was_taken(hook: Receiver) -> None:
    outside = Outside("health", (Outlet("json-1", "apprise", f"json://{hook.address}/"),))
    hook.status = 500
    outside.step("opened", "store/unavailable", "gone since 5 s")
    hook.status = 200
    outside.step("resolved", "store/unavailable", "back")
    assert [json.loads(g.body)["message"].split()[0] for g in hook.got] == ["opened"]
    outside.step("opened", "store/unavailable", "gone")
    outside.step("resolved", "store/unavailable", "back")
    assert [json.loads(g.body)["message"].split()[0] for g in hook.got] == ["opened", "opened", "resolved"]


def test_each_spell_without_the_store_has_keys_of_its_own_in_every_process(hook: Receiver) -> None:
    for _ in range(2):  # two processes
        outside = Outside("health", (Outlet("json-1", "apprise", f"json://{hook.address}/"),))
        for _ in range(2):
            outside.step("opened", "store/unavailable", "gone")
            outside.step("resolved", "store/unavailable", "back")
    keys = [g.key for g in hook.got]
    assert len(set(keys)) == len(keys) == 8
    spells = [key.rpartition(":")[0] for key in keys]
    assert spells[::2] == spells[1::2], "an end names the spell that it ends"


async def test_a_reload_between_a_beginning_and_its_end_withholds_no_end(hook: Receiver) -> None:
    def outlets() -> Outlets:
        return Outlets({"json-1": f"json://{hook.address}/"}, ("json-1",))

    resort = LastResort("health", stream=io.StringIO())
    reach_outside(resort, outlets())
    resort.tell("opened", "store/unavailable", "gone")
    await expect_told(hook, ["opened"])
    reach_outside(resort, outlets())
    resort.tell("resolved", "store/unavailable", "back")
    await expect_told(hook, ["opened", "resolved"])
    reach_outside(resort, Outlets())
    resort.tell("opened", "store/unavailable", "gone")
    assert isinstance(resort.outside, Outside)
    assert resort.outside.outlets == ()


async def expect_told(hook: Receiver, words: list[str]) -> None:
    """These transitions arrive, in this order."""
    with anyio.move_on_after(20):
        while len(hook.got) < len(words):  # noqa: ASYNC110  a thread receives
            await anyio.sleep(0.02)
    assert [json.loads(g.body)["message"].split()[0] for g in hook.got] == words


@pytest.fixture
def services(one_server: Server, tmp_path: Path) -> Iterator[Services]:
    started = Services(one_server.url, tmp_path)
    yield started
    started.stop()


def configure(services: Services, url: str) -> str:
    """Alerts of `ada`, who is the default owner, go to this URL; the channel's name."""
    config = {"alerts": {"owners": {"ada": url}, "defaultOwner": "ada"}, "health": {"retired": ["destination/local"]}}
    (services.folder / "config.json").write_text(json.dumps(config))
    return Alerts(owners={"ada": (url,)}, default_owner="ada").channels(None)[0]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_sender_that_dies_at_its_send_repeats_it_under_the_same_key(
    services: Services, one_store: Store, hook: Receiver, tmp_path: Path, when: str
) -> None:
    channel = configure(services, f"json://{hook.address}/secret-path")
    mark = tmp_path / "mark"
    first = services.start("tests.support.dying_delivery", str(mark), when)
    message = SendMessage(channel=channel, text="the disk is full", audit=Audit(producer="tests"))
    await Publisher(one_store).send(message, id="inc-9:escalated:1")
    await services.until(lambda: first.poll() is not None)
    before = len(hook.got)
    assert (mark.exists(), before) == (True, 1 if when == "after" else 0)
    services.start("tests.support.dying_delivery", str(mark), when)
    await services.until(lambda: len(hook.got) > before)
    assert {(g.key, json.loads(g.body)["title"]) for g in hook.got} == {("inc-9:escalated:1", "system-bus inc-9")}
    assert "secret-path" not in services.lines()
    assert b"secret-path" not in b"".join(await one_store.call("KEYS", "*"))


@pytest.mark.slow
async def test_a_sender_without_a_key_that_dies_never_repeats_it_and_says_so(
    services: Services, one_store: Store, hook: Receiver, tmp_path: Path
) -> None:
    channel = configure(services, f"ntfy://{hook.address}/alerts")
    mark = tmp_path / "mark"
    first = services.start("tests.support.dying_delivery", str(mark), "after")
    message = SendMessage(channel=channel, text="the disk is full", audit=Audit(producer="tests"))
    await Publisher(one_store).send(message, id="inc-9:escalated:1")
    await services.until(lambda: first.poll() is not None)
    services.start("tests.support.dying_delivery", str(mark), "after")
    await services.until(lambda: bool(services.alerts("may not have reached ntfy-")))
    assert len(hook.got) == 1


@pytest.mark.slow
def test_a_target_that_is_none_stops_the_start_and_shows_nothing_of_it(services: Services) -> None:
    configure(services, "nosuchkind://token-a/token-b")
    assert services.start("joelclaw_health").wait(90) == 2
    assert "alerts.owners.ada holds a target nosuchkind://… that is none" in services.lines()
    assert "token-a" not in services.lines()


@pytest.mark.slow
async def test_the_loss_of_the_store_reaches_the_target_without_the_store(
    own_server: Server, tmp_path: Path, hook: Receiver
) -> None:
    services = Services(own_server.url, tmp_path)
    try:
        configure(services, f"json://{hook.address}/")
        services.env["JOELCLAW_READY_FILE"] = str(tmp_path / "ready.json")
        services.start("joelclaw_health")
        await services.until((tmp_path / "ready.json").exists)
        own_server.stop()
        await services.until(lambda: any("store/unavailable" in g.body for g in hook.got))
        own_server.start()
        await services.until(lambda: any("resolved store/unavailable" in g.body for g in hook.got))
        told = [g.body for g in hook.got if "store/unavailable" in g.body]
        assert "resolved" not in told[0], "that it is away came first"
    finally:
        services.stop()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_digest_goes_out_and_names_who_is_waited_for(
    services: Services, one_store: Store, hook: Receiver
) -> None:
    """The real services, whose crons tick once a minute."""
    config = {
        "alerts": {"owners": {"ada": f"json://{hook.address}/"}, "defaultOwner": "ada"},
        "health": {"retired": ["destination/local"]},
        "schedules": {"system/health.digest": "* * * * *"},
    }
    (services.folder / "config.json").write_text(json.dumps(config))
    services.start("joelclaw_health")
    services.start("joelclaw_router")
    asked = {
        "sourceFunction": "tests", "targetComponent": "bridge", "problemSummary": "it answers 502", "attempt": 0,
        "retryPolicy": {"maxRetries": 0}, "evidence": [], "playbook": {}, "domain": "gateway-bridge",
        "targetEventName": "system/health.check.requested",
    }  # fmt: skip
    await one_store.call("XADD", "system/self.healing.requested", "*", "data", json.dumps(asked))

    def texts(word: str) -> list[str]:
        return [str(json.loads(g.body)["message"]) for g in hook.got if word in g.body]

    with anyio.fail_after(200):
        while not texts("waits for a person: 1"):  # noqa: ASYNC110  others send
            await anyio.sleep(0.1)
    assert any("it answers 502" in text for text in texts("Daily digest"))
    keys = [g.key for g in hook.got]
    assert len(keys) == len(set(keys)), "nobody died, so nothing was sent twice"
