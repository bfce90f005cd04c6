"""The restore drill: every kind of damage is caught by it and by verify, and nothing else ever is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from joelclaw_backup import drill as drilling
from joelclaw_backup import here, provider
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.parts import Held
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.retention import Rule
from tests.backup import drills
from tests.backup.conftest import back_up, settings_of
from tests.backup.test_restore import TOOLS
from tests.support.server import Server

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stored(source, nas) -> Path:
    with source.client() as client:
        client.set("big", os.urandom(200_000))
        client.rpush("list", *range(100))
    *_, published = await back_up(RedisBackup(settings_of(source, nas)))
    return Path(published["path"])


async def drilled(environ: dict[str, str], id: str = "latest") -> Any:
    return await anyio.to_thread.run_sync(provider.drill, environ, id)


async def test_a_good_set_restores_to_what_the_source_held(stored, environ, source):
    heard: list[int] = []
    told = await anyio.to_thread.run_sync(provider.drill, environ(REDIS_URL=source.url), "latest", heard.append)
    assert (told["ok"], told["verdict"], told["findings"]) == (True, "verified", [])
    assert told["restored"] == told["expected"]
    assert told["restoreMs"] > 0
    assert sum(heard) == told["rereadBytes"] > 200_000
    last = provider.list_artefacts(environ())[0]["lastDrill"]
    assert (last["at"], last["verdict"], last["restoreMs"]) == (told["at"], "verified", told["restoreMs"])


async def test_it_says_what_became_of_the_source_since(source, nas, environ, own_server):
    with source.client() as client:
        client.set("before", 1)
        await back_up(RedisBackup(settings_of(source, nas)))
        here = environ(REDIS_URL=source.url)
        assert (await drilled(here))["source"] == "unchanged"
        client.set("after", 1)
        told = await drilled(here)
        assert (told["source"], told["ok"]) == ("changed since", True), "a copy is compared with its own moment"
    assert (await drilled(environ(REDIS_URL=own_server.url)))["source"] == "another server"
    assert (await drilled(environ()))["source"] == "unknown"


async def test_nothing_is_left_of_a_drill(stored, environ, tmp_path):
    await drilled(environ())
    fetched = tmp_path / "state/backup-staging/backups/fetched"
    assert list(fetched.iterdir()) == []
    assert sorted(p.name for p in stored.iterdir()) == [
        "checked.json",
        "dump.rdb",
        "manifest.json",
        "users.acl",
        "verified.json",
    ]


async def test_an_empty_source_drills_green(any_source, nas, environ):
    with any_source.client() as client:
        client.flushall()
        await back_up(RedisBackup(settings_of(any_source, nas)))
        client.set("joelclaw-test-store", 1)
    told = await drilled(environ())
    assert (told["ok"], told["restored"]["keys"], told["expected"]["keys"]) == (True, 0, 0)


async def test_fifty_clean_drills_raise_no_false_alarm(source, nas, environ):
    settings = settings_of(source, nas, rule=Rule(10))
    with source.client() as client:
        for n in range(10):
            client.set(f"key-{n}", os.urandom(n * 1000))
            client.set(f"soon-{n}", n, px=30 + n * 40)
            client.zadd("scores", {f"m{n}": n})
            await back_up(RedisBackup(settings), f"r:{n}", 1_795_000_000_000 + n * 60_000)
    at = here.Here.of(environ()).everywhere("redis")[0]
    names = [a["id"] for a in provider.list_artefacts(environ())]
    verdicts = [
        (await drilling.drill(at, name, settings.staging)).check.verdict
        for name in names
        for _ in range(50 // len(names))
    ]
    assert verdicts == ["verified"] * 50


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in drills.kinds() if kind != "typesense"])
def test_clean_sets_of_every_kind_raise_no_false_alarm(kind, tmp_path):
    """The short form of `make drills`."""
    told = drills.kinds()[kind](tmp_path, 1)
    assert (told.count, told.alarms) == (1, ())


def keeping_times(path: Path, harm: Callable[[bytearray], bytes | bytearray]) -> None:
    """Other bytes, the same times; whoever goes by them sees nothing."""
    told = path.stat()
    path.write_bytes(harm(bytearray(path.read_bytes())))
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def flipped(position: int) -> Callable[[Path], None]:
    def harm(raw: bytearray) -> bytearray:
        raw[position] ^= 0x40
        return raw

    return lambda s: keeping_times(s / "dump.rdb", harm)


def linked(file: Path) -> None:
    """A link to the very same bytes, elsewhere."""
    moved = file.parent.with_name("moved.rdb")
    file.rename(moved)
    file.symlink_to(moved)


def swap(one: Path, other: Path) -> None:
    """Each file under the other's name."""
    spare = one.with_name("spare")
    one.rename(spare)
    other.rename(one)
    spare.rename(other)


HARM: dict[str, tuple[Callable[[Path], object], str, str]] = {
    **{f"byte {n} flipped": (flipped(n), "dump.rdb", "hash-differs") for n in (0, 9, 100, 100_000, -9, -1)},
    "cut by a byte": (lambda s: keeping_times(s / "dump.rdb", lambda r: r[:-1]), "dump.rdb", "hash-differs"),
    "cut in half": (lambda s: keeping_times(s / "dump.rdb", lambda r: r[: len(r) // 2]), "dump.rdb", "hash-differs"),
    "emptied": (lambda s: keeping_times(s / "dump.rdb", lambda r: b""), "dump.rdb", "hash-differs"),
    "a byte longer": (lambda s: keeping_times(s / "dump.rdb", lambda r: r + b"x"), "dump.rdb", "hash-differs"),
    "zero-filled": (lambda s: keeping_times(s / "dump.rdb", lambda r: bytes(len(r))), "dump.rdb", "hash-differs"),
    "a hole of zeros": (lambda s: keeping_times(s / "dump.rdb", lambda r: r[:4096] + bytes(4096) + r[8192:]),
                        "dump.rdb", "hash-differs"),
    "missing": (lambda s: (s / "dump.rdb").unlink(), "dump.rdb", "file-missing"),
    "extra": (lambda s: (s / "dump.rdb.old").write_bytes(b"x"), "dump.rdb.old", "extra-file"),
    "another set's file": (lambda s: shutil.copy2(s.parent / "other.rdb", s / "dump.rdb"), "dump.rdb", "hash-differs"),
    "files swapped": (lambda s: swap(s / "dump.rdb", s / "manifest.json"), "manifest.json", "hash-differs"),
    "a link in its place": (lambda s: linked(s / "dump.rdb"), "dump.rdb", "hash-differs"),
    "manifest missing": (lambda s: (s / "manifest.json").unlink(), "manifest.json", "file-missing"),
    "proof missing": (lambda s: (s / "verified.json").unlink(), "verified.json", "file-missing"),
}  # fmt: skip


@pytest.mark.parametrize("look", ["verify", "drill"])
async def test_every_kind_of_damage_is_caught(source, nas, environ, look):
    """All in one test: one good set, copied anew for each harm."""
    with source.client() as client:
        client.set("big", os.urandom(200_000))
        *_, published = await back_up(RedisBackup(settings_of(source, nas)))
        stored = Path(published["path"])
        client.set("big", os.urandom(200_000))
        await back_up(RedisBackup(settings_of(source, tmp := _folder(nas.parent / "elsewhere"))), "other")
    shutil.copy2(next(tmp.glob("backups/redis/*-*/dump.rdb")), stored.parent / "other.rdb")
    good = shutil.copytree(stored, nas.parent / "good")
    seen = {}
    for name, (harm, _, _) in HARM.items():
        shutil.rmtree(stored)
        shutil.copytree(good, stored)
        harm(stored)
        told = await anyio.to_thread.run_sync(getattr(provider, look), environ(), stored.name)
        seen[name] = (told["ok"], told["findings"][0]["file"] if told["findings"] else "", told["verdict"])
        assert not provider.list_artefacts(environ())[0]["verified"], name
    assert seen == {name: (False, file, verdict) for name, (_, file, verdict) in HARM.items()}


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


async def test_one_that_does_not_start_is_unknown_and_not_damaged(stored, environ, monkeypatch):
    async def refused(*_: Any) -> Any:
        raise BackupFailed(FailureClass.DID_NOT_START, "no server here reads it")

    monkeypatch.setattr(drilling, "restored_from", refused)
    told = await drilled(environ())
    assert (told["ok"], told["verdict"], told["restored"]) == (False, "did-not-start", None)
    assert provider.list_artefacts(environ())[0]["standing"] == "unknown"
    monkeypatch.undo()
    assert (await drilled(environ(), stored.name))["ok"]
    assert provider.list_artefacts(environ())[0]["standing"] == "verified"


async def test_one_that_starts_and_differs_is_damaged_for_good(stored, environ, monkeypatch):
    real = drilling.restored_from

    async def other(*words: Any) -> tuple[Held, int]:
        held, ms = await real(*words)
        return held.model_copy(update={"databases": {"0": 1}}), ms

    monkeypatch.setattr(drilling, "restored_from", other)
    told = await drilled(environ())
    assert (told["verdict"], "database 0 holds 1 keys" in told["detail"]) == ("started-and-differs", True)
    monkeypatch.undo()
    again = await drilled(environ(), stored.name)
    assert (again["verdict"], again["ok"], again["standing"]) == ("verified", False, "damaged")
    assert provider.list_artefacts(environ())[0]["standing"] == "damaged"


async def test_a_server_that_refuses_the_bytes_did_not_start(source, tmp_path):
    """The verdict comes from the server itself, where a hash would have told it before."""
    from joelclaw_backup.restore import restore

    path = tmp_path / "dump.rdb"
    path.write_bytes(b"REDIS0011" + b"\xff" * 20)
    with pytest.raises(BackupFailed, match="did not start") as caught:
        await restore(path, TOOLS, 20)
    assert caught.value.failure_class == "did-not-start"


async def test_a_full_scratch_disk_says_nothing_about_the_set(stored, environ, monkeypatch):
    monkeypatch.setattr(here, "staging_of", lambda *_: _tight(stored))
    with pytest.raises(BackupFailed, match="must stay free") as caught:
        await drilled(environ())
    assert caught.value.failure_class == "no-space-left"
    assert provider.list_artefacts(environ())[0]["standing"] == "verified"


def _tight(near: Path) -> Any:
    from joelclaw_backup.destination import Destination

    return Destination("directory", near.parents[3] / "tight", ours=True, reserve=1 << 60)


async def test_what_is_not_there_is_none(environ, one_server: Server):
    assert await drilled(environ()) is None
    assert await drilled(environ(), "20990101T000000Z-aaaaaaaaaaaa") is None
