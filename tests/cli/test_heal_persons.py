"""Pauses with an owner and an end, and a person's word, as an operator gives it."""

from __future__ import annotations

import os
import pwd
import socket
from typing import Any

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli
from tests.router.conftest import CONFIG, HEALING, healing
from tests.router.test_hook import MESSAGE, REQUESTED, ROUTE, routing, until, xadd
from tests.support.server import Server

from joelclaw_bus import Store, StoreSettings, open_store
from joelclaw_cli.heal.actor import actor
from joelclaw_contracts import Approval
from joelclaw_healing import Ledger, Voice
from joelclaw_router.desk import Desk
from joelclaw_router.judgement import Bench
from joelclaw_router.rulebook import Rulebook

ASKING = CONFIG.model_copy(update={"approval": Approval(required=("gateway-bridge",))})


def test_a_pause_has_an_owner_a_reason_and_an_end_and_everybody_sees_it(cli: Cli) -> None:
    made = cli("heal", "pause", "domain:backup", "--reason", "moving the NAS", "--for", "2h").result
    assert (made["scope"], made["reason"], made["until_ms"] - made["since_ms"]) == (
        "domain:backup",
        "moving the NAS",
        7_200_000,
    )
    assert made["owner"]
    assert [p["id"] for p in cli("heal", "list").result["pauses"]] == [made["id"]]
    assert "moving the NAS" in cli("heal", "list", people=True).out
    assert cli("heal", "resume", made["id"]).result["left"] == []
    assert cli("heal", "list").result["pauses"] == []
    assert (cli("heal", "resume", made["id"]).code, cli("heal", "resume", made["id"]).error) == (3, "not_found")


@pytest.mark.parametrize("words", [("backup",), ("domain:*",), ("all", "--for", "31d"), ("all", "--for", "0s")])
def test_a_pause_without_a_scope_or_an_end_is_refused(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("heal", "pause", *words, "--reason", "r").error == "usage"


def test_a_pause_without_a_reason_is_refused(cli: Cli) -> None:
    assert cli("heal", "pause", "all", "--reason", " ").error == "usage"


async def decided(server: Server, **changes: Any) -> str:
    """An incident of which the router has decided; nobody runs afterwards."""
    async with open_store(StoreSettings(server.url)) as store:
        desk = Desk(Ledger(store), Bench(Rulebook(ASKING if changes.pop("asks", False) else CONFIG), Voice("tests")))
        return str((await desk.decide(healing(**changes)))["incident"])


async def test_a_person_acknowledges_once(cli: Cli, one_server: Server) -> None:
    incident = await decided(one_server, retryPolicy={"maxRetries": 0})

    def operator() -> None:
        assert cli("heal", "ack", incident, "--reason", "I look").result["changed"] is True
        assert cli("heal", "ack", incident).result["changed"] is False
        assert "who has seen it" in cli("heal", "list", people=True).out
        assert cli("heal", "ack", "inc-none").code == 3

    await to_thread.run_sync(operator)


async def test_without_a_router_a_person_s_word_is_not_called_done(cli: Cli, one_server: Server) -> None:
    asks = await decided(one_server, asks=True, requestedBy="ann")

    def operator() -> None:
        assert cli("heal", "approve", asks, "--wait", "200ms").error == "not_answered"
        assert cli("heal", "retry", asks, "--reason", "r", "--yes", "--wait", "200ms").error == "not_answered"
        assert cli("heal", "retry", asks, "--reason", "r").error == "usage", "nobody confirms"
        assert cli("heal", "retry", asks, "--reason", " ", "--yes").error == "usage"

    await to_thread.run_sync(operator)


async def test_what_asks_for_nothing_can_t_be_approved(cli: Cli, one_server: Server) -> None:
    incident = await decided(one_server)
    said = await to_thread.run_sync(lambda: cli("heal", "approve", incident))
    assert said.error == "nothing_to_approve"


async def test_the_requester_is_told_at_once(cli: Cli, one_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def who(store: Store) -> str:
        return "ann@desk"

    monkeypatch.setattr("joelclaw_cli.heal.actor.actor", who)
    incident = await decided(one_server, asks=True, requestedBy="ann")
    said = await to_thread.run_sync(lambda: cli("heal", "approve", incident))
    assert said.error == "requester_cannot_approve"


async def test_who_says_it_is_the_process_s_own_user_whatever_its_environment_says(
    one_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "alice")
    async with open_store(StoreSettings(one_server.url)) as store:
        assert await actor(store) == f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"


async def test_approve_and_retry_with_a_router_at_work(cli: Cli, one_server: Server) -> None:
    async with open_store(StoreSettings(one_server.url)) as store, routing(store, ASKING):
        await xadd(store, REQUESTED, {**HEALING, "requestedBy": "nobody-here"})
        await until(store, MESSAGE, 1)
        (incident,) = await Ledger(store).queue()
        done = await to_thread.run_sync(lambda: cli("heal", "approve", incident.id, "--wait", "30s"))
        assert done.result["rule"] == "retry-approved-by-person"
        await until(store, ROUTE, 1)
        words = ("heal", "retry", incident.id, "--reason", "again", "--yes", "--wait", "30s")
        ordered = await to_thread.run_sync(lambda: cli(*words))
        assert ordered.result["rule"] == "retry-ordered-by-person"
        await until(store, ROUTE, 2)
        await Ledger(store).stop(actor="joel", reason="moving")
        refused = await to_thread.run_sync(lambda: cli(*words))
        assert (refused.code, refused.error) == (1, "refused")
        assert "kill-switch" in refused.envelope["error"]["message"]


async def test_a_storm_stands_for_its_members(cli: Cli, one_server: Server) -> None:
    async with open_store(StoreSettings(one_server.url)) as store, routing(store):
        for n in range(6):
            await xadd(store, REQUESTED, {**HEALING, "targetComponent": f"t{n}"})
        await until(store, MESSAGE, 1)

        def look() -> tuple[Any, Any]:
            return cli("heal", "list").result, cli("heal", "list", "--members").result

        listed, all_of_it = await to_thread.run_sync(look)
    assert [i["domain"] for i in listed["incidents"]] == ["storm"]
    assert (len(listed["members"]), len(all_of_it["incidents"])) == (6, 7)
