"""What a look found is remembered: a set that was damaged once is never verified again, for anybody."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from joelclaw_backup import provider
from joelclaw_backup.artefacts import standing_of
from joelclaw_backup.checks import Check, Checks, remember_aside
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.files import open_directory, replace_small
from joelclaw_backup.inspection import Finding, Inspected
from joelclaw_backup.killable import finished
from joelclaw_backup.looking import Shelved, remembering
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.retention import Rule
from joelclaw_health.probes.shelf import newest
from tests.backup.conftest import back_up, settings_of

pytestmark = pytest.mark.anyio
FIRST_MS = 1_795_000_000_000


@pytest.fixture
async def two(source, nas) -> list[Path]:
    """An older and a newer verified set."""
    with source.client() as client:
        client.set("big", os.urandom(100_000))
    paths = []
    for n in range(2):
        *_, published = await back_up(RedisBackup(settings_of(source, nas)), f"r:{n}", FIRST_MS + n * 60_000)
        paths.append(Path(published["path"]))
    return paths


def flip(path: Path, position: int = 50_000) -> None:
    raw, told = bytearray(path.read_bytes()), path.stat()
    raw[position] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def standings(environ: dict[str, str]) -> dict[str, str]:
    return {a["id"]: a["standing"] for a in provider.list_artefacts(environ)}


async def test_a_damaged_set_is_never_verified_again_even_if_its_bytes_come_back(two, environ, nas):
    old, new = two
    dump = new / "dump.rdb"
    good = dump.read_bytes()
    flip(dump)
    assert standings(environ())[new.name] == "verified", "nobody has looked yet"
    assert not provider.verify(environ(), "latest")["ok"]
    dump.write_bytes(good)
    again = provider.verify(environ(), new.name)
    assert (again["findings"], again["ok"], again["standing"]) == ([], False, "damaged"), "nothing is wrong now"
    assert "dump.rdb" in again["problem"], "the file that was damaged is named"
    assert standings(environ()) == {new.name: "damaged", old.name: "verified"}
    told = provider.show(environ(), new.name)
    assert (told["verified"], "found damaged at" in told["problem"]) == (False, True)
    assert provider.newest(environ())["id"] == old.name
    assert [row["id"] for row in newest("redis", environ())["newest"]] == [old.name], "what health sees"
    assert os.readlink(nas / "backups/redis/latest") == old.name


async def test_without_any_good_set_there_is_no_latest(two, environ, nas):
    for path in two:
        flip(path / "dump.rdb")
        provider.verify(environ(), path.name)
    assert not (nas / "backups/redis/latest").is_symlink()
    assert provider.newest(environ()) is None
    assert provider.drill(environ(), "latest") is None


async def test_a_damaged_set_counts_for_nothing_in_retention(two, environ, source, nas):
    old, new = two
    flip(new / "dump.rdb")
    provider.verify(environ(), new.name)
    backup = RedisBackup(settings_of(source, nas, rule=Rule(last=2, floor=2)))
    *_, published = await back_up(backup, "r:3", FIRST_MS + 180_000)
    assert published["pruned"] == []
    assert old.is_dir(), "with the damaged one counted it would have gone"
    *_, published = await back_up(backup, "r:4", FIRST_MS + 240_000)
    assert set(published["pruned"]) == {old.name, new.name}, "two good ones are newer"


async def test_what_cannot_be_read_is_unknown_and_green_again_only_when_all_of_it_was_read(two, environ, monkeypatch):
    _, new = two
    (new / "notes.txt").touch()
    assert provider.verify(environ(), new.name)["verdict"] == "extra-file"
    (new / "notes.txt").unlink()
    assert standings(environ())[new.name] == "unknown", "the last look was not a good one"
    assert provider.newest(environ())["id"] != new.name
    assert provider.verify(environ(), new.name)["ok"]
    assert standings(environ())[new.name] == "verified"
    assert provider.show(environ(), new.name)["rereadAt"] is not None


async def drill(environ: dict[str, str], artefact: str) -> Any:
    """As the command drills: where no event loop runs."""
    return await anyio.to_thread.run_sync(provider.drill, environ, artefact)


@pytest.mark.parametrize("verdict", ["did-not-start", "timeout", "unknown"])
async def test_a_failed_drill_is_lifted_by_a_passing_drill_of_that_set_alone(two, environ, nas, verdict):
    old, new = two
    at = Shelved(Destination("directory", nas), "redis", nas.parent / "state/backup-checks/redis")
    finished(remembering(at, new.name, look(verdict, "2026-11-01T00:00:00.000Z", by="drill")))
    assert os.readlink(nas / "backups/redis/latest") == old.name
    read = provider.verify(environ(), new.name)
    assert (read["findings"], read["ok"], read["standing"]) == ([], False, "unknown")
    assert "only a drill that passes" in read["problem"]
    assert (await drill(environ(), old.name))["ok"], "another set's drill says nothing of this one"
    assert provider.newest(environ())["id"] == old.name
    assert os.readlink(nas / "backups/redis/latest") == old.name
    drilled = await drill(environ(), new.name)
    assert (drilled["ok"], drilled["standing"]) == (True, "verified")
    assert os.readlink(nas / "backups/redis/latest") == new.name


async def test_a_drill_that_passes_makes_no_damaged_set_good(two, environ):
    _, new = two
    flip(new / "dump.rdb")
    provider.verify(environ(), new.name)
    flip(new / "dump.rdb")
    drilled = await drill(environ(), new.name)
    assert (drilled["verdict"], drilled["ok"], drilled["standing"]) == ("verified", False, "damaged")
    assert "found damaged at" in drilled["problem"]


async def test_a_later_drill_that_failed_is_not_forgotten_for_an_earlier_one_kept_elsewhere(two, environ, tmp_path):
    _, new = two
    aside = tmp_path / "state/backup-checks/redis"
    remember_aside(aside, new.name, look("did-not-start", "2026-11-02T00:00:00.000Z", by="drill"))
    with closing(open_directory(new)) as folder:
        replace_small("checked.json", checks_of(new, "2026-11-01T00:00:00.000Z", "2026-11-03T00:00:00.000Z"), folder)
    assert standings(environ())[new.name] == "unknown"


def checks_of(set_: Path, drilled: str, read: str) -> bytes:
    """A record of an earlier good drill and a later good reading."""
    return Checks.after(
        Checks.after(None, set_.name, look("verified", drilled, by="drill")), set_.name, look("verified", read)
    ).render()


async def test_a_list_says_that_nobody_has_read_a_set_since_it_was_verified(two, environ):
    before, _ = provider.list_artefacts(environ())
    assert (before["standing"], before["rereadAt"]) == ("verified", None)
    provider.verify(environ(), before["id"])
    after, _ = provider.list_artefacts(environ())
    assert after["rereadAt"] > after["verifiedAt"]


async def test_a_changed_record_of_looks_makes_nothing_green(two, environ):
    _, new = two
    flip(new / "dump.rdb")
    provider.verify(environ(), new.name)
    record = new / "checked.json"
    for position in range(0, record.stat().st_size, 29):
        flip(record, position)
        assert standings(environ())[new.name] in ("unknown", "damaged"), position
        flip(record, position)


async def test_what_the_destination_does_not_take_is_remembered_aside(two, environ, tmp_path, nas):
    old, new = two
    flip(new / "dump.rdb")
    (new / "checked.json").mkdir()  # no record can be put there, by root neither
    (new / "checked.json" / "x").touch()
    assert not provider.verify(environ(), new.name)["ok"]
    assert (tmp_path / "state/backup-checks/redis" / f"{new.name}.json").is_file()
    shutil.rmtree(new / "checked.json")
    flip(new / "dump.rdb")  # back to what it was
    assert standings(environ()) == {new.name: "damaged", old.name: "verified"}


async def test_a_share_that_hangs_in_a_look_makes_the_set_unknown(two, environ, monkeypatch):
    _, new = two

    def hang(*_: Any) -> Any:
        raise TimeoutError("it showed no sign of life")

    real = provider.run_here
    monkeypatch.setattr(
        provider,
        "run_here",
        lambda w, f, t, *a, **k: hang() if f.__name__ == "reading_again" else real(w, f, t, *a, **k),
    )
    with pytest.raises(BackupFailed) as caught:
        provider.verify(environ(), new.name)
    assert caught.value.failure_class == "timeout"
    assert standings(environ())[new.name] == "unknown"
    assert "ended as timeout" in provider.show(environ(), new.name)["problem"]


async def test_each_night_the_set_that_waited_longest_is_read_again(two, source, nas, environ):
    old, new = two
    backup = RedisBackup(settings_of(source, nas))
    third = {"id": "20991231T000000Z-aaaaaaaaaaaa"}
    read = [(await backup.recheck(third))["id"] for _ in range(4)]
    assert read == [old.name, new.name, old.name, new.name]
    flip(old / "dump.rdb")
    found = await backup.recheck(third)
    assert (found["id"], found["verdict"]) == (old.name, "hash-differs")
    assert standings(environ())[old.name] == "damaged"


async def test_a_look_leaves_nothing_half_done_beside_the_data(two, environ):
    _, new = two
    provider.verify(environ(), new.name)
    assert sorted(os.listdir(new)) == ["checked.json", "dump.rdb", "manifest.json", "users.acl", "verified.json"]
    assert provider.verify(environ(), new.name)["ok"]


def look(verdict: str, at: str = "2026-01-01T00:00:00.000Z", by: str = "verify") -> Check:
    return Check.model_validate({"at": at, "by": by, "verdict": verdict})


def test_the_first_damage_stays_and_the_last_good_look_and_drill_are_known():
    checks = None
    for number, (verdict, by) in enumerate(
        [("verified", "drill"), ("hash-differs", "verify"), ("file-missing", "recheck"), ("verified", "verify")]
    ):
        checks = Checks.after(checks, "x", look(verdict, f"2026-01-0{number + 1}T00:00:00.000Z", by))
    assert checks is not None
    assert checks.damage is not None
    assert (checks.damage.verdict, checks.damage.at[:10]) == ("hash-differs", "2026-01-02")
    assert (checks.last.verdict, checks.good and checks.good.at[:10]) == ("verified", "2026-01-04")
    assert checks.drill is not None
    assert checks.drill.at[:10] == "2026-01-01"


@pytest.mark.parametrize("verdict", ["timeout", "io-error", "did-not-start", "extra-file", "unknown"])
def test_what_is_not_damage_is_not_for_good(verdict):
    checks = Checks.after(Checks.after(None, "x", look(verdict)), "x", look("verified"))
    assert checks.damage is None


DAMAGED = Finding("dump.rdb", FailureClass.HASH_DIFFERS, "other bytes")
UNREADABLE = Finding("dump.rdb", FailureClass.IO_ERROR, "can't be read")
UNPROVEN = Finding("verified.json", FailureClass.FILE_MISSING, "is missing")


@pytest.mark.parametrize(
    ("findings", "before", "lost", "standing"),
    [
        ((), [], "", "verified"),
        ((), ["verified"], "", "verified"),
        ((), ["timeout"], "", "unknown"),
        ((), ["timeout", "verified"], "", "verified"),
        ((), ["hash-differs", "verified"], "", "damaged"),
        ((), [], "it is not what was sealed", "unknown"),
        ((UNREADABLE,), [], "", "unknown"),
        ((UNREADABLE,), ["verified"], "", "unknown"),
        ((UNREADABLE, DAMAGED), [], "", "damaged"),
        ((DAMAGED,), ["verified"], "", "damaged"),
        ((UNPROVEN,), [], "", "unverified"),
        ((UNPROVEN,), ["file-missing"], "", "damaged"),
    ],
)
def test_only_what_is_known_to_be_good_stands_as_verified(findings, before, lost, standing):
    checks = None
    for verdict in before:
        checks = Checks.after(checks, "x", look(verdict))
    came, problem = standing_of(Inspected(None, None, findings), checks, lost, now=0)
    assert came == standing
    assert bool(problem) == (standing != "verified")
