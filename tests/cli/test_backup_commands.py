"""Backups as an operator makes, lists and proves them; the service works in a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.support.server import Server

from joelclaw_backup import ledger
from joelclaw_backup.manifest import Verified
from joelclaw_cli.backup.progress import ERASE, Line


@pytest.fixture
def suite(cli: Cli, one_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state directory of a machine where nothing is configured."""
    with one_server.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JOELCLAW_STATE_DIR", str(tmp_path / "state"))
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen([sys.executable, "-m", "joelclaw_backup"], env=dict(os.environ), stderr=log)
    yield tmp_path / "state"
    service.kill()
    service.wait()


def test_a_backup_is_made_listed_and_proven_and_damage_is_named(cli: Cli, suite: Path) -> None:
    made = cli("backup", "run", "redis", "--wait")
    result = made.result
    assert (result["verified"], result["keys"]) == (True, result["restored"])
    assert [line for line in made.err.splitlines() if line.startswith("…")][-1] == "… published"
    (listed,) = cli("backup", "list").result["artefacts"]
    assert (listed["id"], listed["sha256"], listed["bytes"]) == (result["id"], result["sha256"], result["bytes"])
    assert "same disk" in cli("backup", "list", people=True).out
    assert cli("backup", "verify", result["id"]).result["ok"]
    people = cli("backup", "verify", "latest", people=True)
    assert (people.code, result["sha256"] in people.out) == (0, True)

    dump = Path(result["path"]) / "dump.rdb"
    raw = bytearray(dump.read_bytes())
    raw[len(raw) // 2] ^= 1
    dump.write_bytes(raw)
    drilled = cli("backup", "drill", result["id"])
    assert (drilled.code, drilled.error) == (1, "drill_failed")
    assert "hash-differs" in drilled.out
    damaged = cli("backup", "verify", result["id"])
    assert (damaged.code, damaged.error) == (1, "backup_damaged")
    assert "dump.rdb" in damaged.err
    assert cli("backup", "list").result["artefacts"][0]["standing"] == "damaged"
    assert "damaged" in cli("backup", "list", people=True).out
    refused = cli("backup", "restore", result["id"], "--into", str(suite / "there"))
    assert (refused.code, refused.error) == (1, "backup_not_verified")


def test_a_copy_that_was_read_back_and_never_restored_is_listed_as_that_until_a_drill(cli: Cli, suite: Path) -> None:
    made = cli("backup", "run", "redis", "--wait").result
    (listed,) = cli("backup", "list").result["artefacts"]
    assert (listed["provenBy"], listed["lastDrill"]["verdict"]) == ("restore", "verified")
    assert "read back only" not in cli("backup", "list", people=True).out
    record = Path(made["path"]) / "verified.json"
    proof = Verified.read(record.read_bytes())  # as where no server of its kind is here: a Typesense without a binary
    proof = proof.model_copy(update={"restored": None, "restore_ms": None}).sealed()
    record.write_bytes(proof.render())
    ledger.enter(suite / "backup-checks" / "redis", proof)
    (listed,) = cli("backup", "list").result["artefacts"]
    assert (listed["standing"], listed["provenBy"], listed["lastDrill"]) == ("verified", "read-back", None)
    assert "read back only" in cli("backup", "list", people=True).out
    assert "read back only" in cli("backup", "show", "latest", people=True).out
    assert cli("backup", "drill", "--latest", "redis").code == 0
    (listed,) = cli("backup", "list").result["artefacts"]
    assert (listed["provenBy"], listed["lastDrill"]["verdict"]) == ("restore", "verified")


def test_a_target_that_is_not_configured_is_said_to_be_so_and_is_never_begun(cli: Cli, suite: Path) -> None:
    assert cli("backup", "run", "redis", "--wait").code == 0
    asked = cli("backup", "run", "typesense", "--wait")
    assert (asked.code, asked.error) == (1, "not_configured")
    assert "TYPESENSE_API_KEY" in asked.out
    assert cli("bus", "runs").out.count("system/backup.typesense") == 0


def test_people_see_path_size_hash_keys_and_the_proof(cli: Cli, suite: Path) -> None:
    said = cli("backup", "run", "redis", "--wait", people=True)
    assert said.code == 0
    for word in ("path", str(suite), "bytes", "sha256", "keys", "verified", "same disk"):
        assert word in said.out


def test_without_wait_the_run_is_named(cli: Cli, one_server: Server) -> None:
    asked = cli("backup", "run", "redis").result
    assert asked["run"] == f"system/backup.redis:{asked['event']}"
    assert cli("backup", "run", "redis", "--wait", "--timeout", "200ms").error == "timed_out"


def test_a_copy_that_is_not_there_exits_3(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JOELCLAW_STATE_DIR", str(tmp_path / "state"))
    said = cli("backup", "verify", "latest")
    assert (said.code, said.error) == (3, "not_found")
    assert "there is no copy. " in cli("backup", "verify", "latest", people=True).err
    assert "there is no verified copy of redis" in cli("backup", "drill", "--latest", "redis", people=True).err
    assert cli("backup", "list").result["artefacts"] == []
    assert "no copy is kept there" in cli("backup", "list", people=True).out


def test_a_failed_backup_exits_1_and_says_why(cli: Cli, suite: Path) -> None:
    suite.mkdir()
    (suite / "backups").write_text("in the way")
    said = cli("backup", "run", "redis", "--wait")
    assert (said.code, said.error) == (1, "backup_failed")
    assert "joelclaw heal list" in said.err


def test_a_drill_beside_a_running_suite_tells_whether_its_source_changed_since(
    cli: Cli, suite: Path, one_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("backup", "run", "redis", "--wait")
    monkeypatch.delenv("REDIS_URL")
    assert cli("backup", "drill", "--latest", "redis").result["source"] == "unknown", "nobody said where it is"
    (suite / "suite.json").write_text(json.dumps({"redis_url": one_server.url, "login": False}))
    with one_server.client() as client:
        client.set("one", "more")
    assert cli("backup", "drill", "--latest", "redis").result["source"] == "changed since"


def test_a_copy_is_drilled_shown_restored_and_the_place_looked_at(cli: Cli, suite: Path, tmp_path: Path) -> None:
    made = cli("backup", "run", "redis", "--wait").result
    drilled = cli("backup", "drill", "--latest", "redis").result
    assert (drilled["id"], drilled["verdict"]) == (made["id"], "verified")
    assert drilled["restored"] == drilled["expected"]
    people = cli("backup", "drill", made["id"], people=True)
    assert (people.code, "is what the source held" in people.out) == (0, True)

    shown = cli("backup", "show", "latest").result
    assert (shown["id"], shown["manifest"]["id"], shown["checks"]["drill"]["verdict"]) == (
        made["id"],
        made["id"],
        "verified",
    )
    assert "read again" in cli("backup", "show", made["id"], people=True).out

    there = tmp_path / "there"
    restored = cli("backup", "restore", "latest", "--into", str(there)).result
    assert (restored["sentBytes"], restored["bytes"]) == (made["bytes"], made["bytes"])
    assert (there / "dump.rdb").read_bytes() == (Path(made["path"]) / "dump.rdb").read_bytes()
    assert cli("backup", "restore", "latest", "--into", str(there)).result["sentBytes"] == 0, "it is there already"

    status = cli("nas", "status").result
    assert (status["state"], status["verified"], status["newest"]) == ("ok", 1, made["id"])
    assert status["freeBytes"] > status["reserveBytes"] > 0
    assert "free" in cli("nas", "status", people=True).out

    (suite / "backup-checks" / "redis" / f"{made['id']}.proof").unlink()  # as on a machine that is new
    assert "claimed" in cli("backup", "list", people=True).out
    none = cli("backup", "restore", "latest", "--into", str(tmp_path / "new"), people=True)
    assert (none.code, f"joelclaw backup verify {made['id']} reads all of it" in " ".join(none.err.split())) == (
        3,
        True,
    )
    assert cli("backup", "drill", "--latest", "redis").code == 3
    again = cli("backup", "restore", made["id"], "--into", str(tmp_path / "new"), people=True)
    assert (again.code, "says itself that it was proven" in again.out) == (0, True)
    assert (tmp_path / "new" / "dump.rdb").read_bytes() == (there / "dump.rdb").read_bytes()
    assert cli("backup", "drill", made["id"]).result["standing"] == "verified", "a person adopted it"


def test_a_place_that_is_not_empty_is_refused_unless_forced(cli: Cli, suite: Path, tmp_path: Path) -> None:
    cli("backup", "run", "redis", "--wait")
    there = tmp_path / "there"
    there.mkdir()
    (there / "mine").write_text("precious")
    refused = cli("backup", "restore", "latest", "--into", str(there))
    assert refused.code == 1
    assert (refused.error, "not empty" in refused.err) == ("restore_failed", True)
    nowhere = cli("backup", "restore", "latest", "--into", str(there / "mine" / "below"))
    assert (nowhere.code, nowhere.error, "--into" in nowhere.envelope["fix"]) == (1, "restore_failed", True)
    assert [p.name for p in there.iterdir()] == ["mine"]
    (there / "dump.rdb").write_text("another server's")
    assert cli("backup", "restore", "latest", "--into", str(there), "--force").code == 0
    assert (there / "dump.rdb").read_bytes().startswith(b"REDIS")
    assert (there / "mine").read_text() == "precious"


def test_a_place_that_cannot_be_used_exits_1(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NAS_HDD_ROOT", str(tmp_path / "not mounted"))
    said = cli("nas", "status")
    assert (said.code, said.error) == (1, "destination_unusable")


def test_pruning_says_what_it_would_do_and_asks(cli: Cli, suite: Path, tmp_path: Path) -> None:
    cli("backup", "run", "redis", "--wait")
    told = cli("backup", "prune", "--dry-run").result
    assert (told["dryRun"], told["pruned"], len(told["kept"])) == (True, [], 1)
    assert "stays" in cli("backup", "prune", "--dry-run", people=True).out
    assert cli("backup", "prune", "--yes").result["freedBytes"] == 0


def test_a_drill_wants_one_copy(cli: Cli) -> None:
    for words in ((), ("x", "--latest", "redis")):
        assert cli("backup", "drill", *words).code == 2


def test_the_queue_is_told_and_a_machine_without_a_nas_has_nothing_in_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JOELCLAW_STATE_DIR", str(tmp_path / "state"))
    assert cli("backup", "queue").result["entries"] == []
    assert "nothing waits" in cli("backup", "queue", people=True).out


def test_where_no_way_is_open_a_backup_waits_and_both_ways_are_told(
    cli: Cli, one_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_server.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    (tmp_path / "known_hosts").write_text(
        "[127.0.0.1]:1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    )
    for name, value in {
        "HOME": str(tmp_path),
        "JOELCLAW_STATE_DIR": str(tmp_path / "state"),
        "NAS_HDD_ROOT": str(tmp_path / "nothing is mounted here"),
        "NAS_SSH_HOST": "nobody@127.0.0.1",
        "NAS_SSH_FLAGS": f"-p 1 -o UserKnownHostsFile={tmp_path}/known_hosts",
        "NAS_BACKUP_MAX_ATTEMPTS": "2",
    }.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen([sys.executable, "-m", "joelclaw_backup"], env=dict(os.environ), stderr=log)
    try:
        said = cli("backup", "run", "redis", "--wait")
    finally:
        service.kill()
        service.wait()
    assert (said.code, said.error) == (1, "backup_deferred")
    lines = [line for line in said.err.splitlines() if line.startswith("…")]
    assert lines[0] == "… taken and checked"
    assert "… copied" not in lines, "it was tried, and no way was open"
    assert [line.startswith("… not yet: ") for line in lines[1:]] == [True, True]
    (entry,) = cli("backup", "queue").result["entries"]
    assert entry["id"] in said.err
    assert entry["id"] in cli("backup", "queue", people=True).out
    assert cli("backup", "queue", "--retry", entry["id"]).result["retried"]["id"] == entry["id"]
    unknown = cli("backup", "queue", "--retry", "20260101T000000Z-aaaaaaaaaaaa")
    assert (unknown.code, unknown.error) == (3, "not_found")
    status = cli("nas", "status")
    assert (status.code, status.error) == (1, "destination_unusable")
    people = cli("nas", "status", people=True)
    for word in ("local", "remote", "not-mounted", "connection-refused", "waiting here"):
        assert word in people.out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_run_tells_a_terminal_how_far_its_transfer_is_and_takes_the_line_away_again() -> None:
    far = {"what": "copying", "doneBytes": 5_000_000, "totalBytes": 20_000_000, "bytesPerSecond": 2_000_000}
    told = iter([{**far, "remainingSeconds": 7.5, "mode": "local"}, None])
    terminal, pipe = Terminal(), io.StringIO()
    line = Line(lambda: next(told), terminal)
    line.turn()
    line.turn()  # at once: nobody is asked
    line.say("copied")
    shown = "… copying: 5,000,000 of 20,000,000 bytes, 2.0 MB/s, 8 s remain (local)"
    assert terminal.getvalue() == f"{ERASE}{shown}{ERASE}… copied\n"
    Line(lambda: far, pipe).turn()
    assert pipe.getvalue() == "", "no control characters in a log"
