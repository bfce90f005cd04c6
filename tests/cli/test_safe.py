"""What strangers wrote reaches a terminal as text: no cursor moved, no colour, no forged line, no markup."""

from __future__ import annotations

import json
import unicodedata

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli, Terminal, call
from tests.cli.test_health_commands import check, put, round_of
from tests.support.server import Server

from joelclaw_bus import StoreSettings, open_store
from joelclaw_cli.safe import plain_json, visible
from joelclaw_cli.up.feed import Feed
from joelclaw_contracts import CoverageRow
from joelclaw_healing import Ledger, Made, Move, Report
from joelclaw_healing.lifecycle import reported

EVIL = "a\x1b[2J\x1b]0;own\x07\x9b31m\x7f\r\x08\u202e\u2028[red]b[/red][/]"
OWN = "\x1b\n"  # what this command itself writes: its colours, its lines


def hostile(out: str) -> list[str]:
    """Characters that must not be there; the command's own colour codes are none of a stranger's."""
    import re

    rest = re.sub(r"\x1b\[[0-9;]*m", "", out)
    bidi = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u2028\u2029"
    return [c for c in rest if c != "\n" and (unicodedata.category(c) == "Cc" or c in bidi)]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ünï 日本 🎉", "plain ünï 日本 🎉"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb", "a⏎b"),
        ("\r\t\x9b\x7f", "\\r\\t\\x9b\\x7f"),
        ("\u202e\u2066\u2028\u2029\u061c", "\\u202e\\u2066\\u2028\\u2029\\u061c"),
        ("\udcff", "\\udcff"),
    ],
)
def test_controls_become_visible_and_all_else_stays(raw: str, shown: str) -> None:
    assert visible(raw) == shown


def test_json_stays_equal_and_holds_nothing_raw() -> None:
    raw = json.dumps({EVIL: EVIL}, ensure_ascii=False)
    assert json.loads(plain_json(raw)) == {EVIL: EVIL}
    assert not hostile(plain_json(raw))


async def test_a_hostile_incident_and_hostile_events_are_shown_harmlessly(cli: Cli, one_server: Server) -> None:
    async with open_store(StoreSettings(one_server.url)) as store:
        ledger = Ledger(store)
        look = await ledger.look("gateway-bridge", EVIL)
        report = Report("event-1", "gateway-bridge", EVIL, look.now, owner=EVIL, problem=EVIL)
        incident = reported(None, report, look.now)
        move = Move("test", outcome={}, audit={"what": EVIL, "why": EVIL}, after=incident)
        assert isinstance(await ledger.make(look, move), Made)
        await ledger.stop(actor=EVIL, reason=EVIL)
    data = json.dumps({"problemSummary": EVIL, EVIL: EVIL})
    evidence = {"id": EVIL, "timestamp": 10**30, "level": EVIL, "action": EVIL, "component": EVIL, "error": EVIL}
    with one_server.client() as client:
        client.xadd("system/self.healing.requested", {"data": data, "id": EVIL, "ts": "9" * 30})
        client.xadd("system/self.healing.completed", {"data": json.dumps({"status": EVIL, "dueAt": EVIL})})
        client.xadd("a/b", {"data": EVIL, "id": EVIL, "ts": "²"})
        client.xadd("otel/event", {"data": json.dumps(evidence | {"metadata": {EVIL: EVIL}})})
        letter = {"kind": "entry", "error": EVIL, "function": EVIL, "e:data": EVIL, "x:²": EVIL, "x:1": EVIL}
        client.xadd("{a/b}:dead", letter, id="1763770000000-0")
        run = {"fn": EVIL, "state": "ended", "status": EVIL, "error": EVIL, "e:data": EVIL, "x:1": EVIL, "s:a": EVIL}
        client.hset(store.keys.slot("a/b").run(f"f:{EVIL}"), mapping=run)
        client.zadd(store.keys.slot("a/b").ended, {f"f:{EVIL}": 1})
    row = CoverageRow(component="store", condition="data-path", check=EVIL, remediation=EVIL, owner=EVIL, note=EVIL)
    put(
        one_server,
        check(state="failing", latest="failing", value=EVIL, reason=EVIL),
        round_of(coverage=(row,), findings=(EVIL,)),
    )

    def operator() -> None:
        for words in (
            ("heal", "list"),
            ("heal", "show", incident.id),
            ("bus", "tail"),
            ("bus", "runs"),
            ("bus", "run", f"f:{EVIL}"),
            ("bus", "run", EVIL),
            ("bus", "dead", "list"),
            ("bus", "dead", "show", "1763770000000-0"),
            ("bus", "streams"),
            ("otel", "list"),
            ("otel", "stats"),
            ("health", "status"),
        ):
            for asked in (words, (*words, "--json")):
                said = cli(*asked, people=True)
                assert "internal" not in said.out + said.err, said
                assert not hostile(said.out + said.err), (asked, said)
                assert "Traceback" not in said.err
            said = cli(*words, people=True)
            if words[:2] not in (("bus", "streams"),):
                assert "\\x1b[2J" in said.out + said.err, words
                assert "[red]" in said.out + said.err, words

    await to_thread.run_sync(operator)


@pytest.mark.parametrize("colour", [True, False])
def test_the_feed_shows_lines_alerts_and_tracebacks_harmlessly(monkeypatch: pytest.MonkeyPatch, colour: bool) -> None:
    import io

    out = Terminal() if colour else io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    feed = Feed(as_json=False)
    feed.say(EVIL)
    feed.line("router", EVIL)
    feed.line("router", f"ALERT {EVIL}")
    feed.line("router", json.dumps({"level": "error", "message": EVIL, "k": EVIL, "exc": f"one\n{EVIL}"}))
    feed.line("router", '{"a": ' + "[" * 16_000)
    assert not hostile(out.getvalue())
    assert out.getvalue().count("\n") == 7, "a line a line, three for the one with a traceback"
    assert out.getvalue().count("\\x1b[2J") == 6


def test_a_failure_that_quotes_is_harmless() -> None:
    said = call("bus", f"no{EVIL}", people=True)
    assert said.code == 2
    assert not hostile(said.err)
