"""The source's truth at the dump's own moment, got without the dump; what it catches that no hash can."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from joelclaw_backup import taking
from joelclaw_backup.address import parse_address
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.witness import witness_of
from tests.backup.conftest import AT_ONCE, back_up, settings_of
from tests.backup.test_killable import wait_until
from tests.support.server import Server

pytestmark = pytest.mark.anyio


@contextmanager
def writing(server: Server) -> Iterator[Callable[[], int]]:
    """Writes of every kind, as fast as they go, in a thread; how many there were."""
    over, count = threading.Event(), 0

    def write() -> None:
        nonlocal count
        with server.client() as client:
            while not over.is_set():
                count += 1
                pipe = client.pipeline(transaction=count % 3 == 0)
                pipe.set(f"text-{count % 500}", os.urandom(50))
                pipe.set(f"soon-{count % 50}", count, px=1 + count % 40)
                pipe.lpush("list", count).ltrim("list", 0, 200)
                pipe.hset("hash", str(count % 300), str(count))
                pipe.xadd("stream", {"n": str(count)}, maxlen=500)
                pipe.delete(f"text-{(count * 7) % 500}")
                pipe.execute_command("SELECT", count % 5)
                pipe.incr("counter")
                pipe.execute_command("SELECT", 0)
                pipe.execute()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield lambda: count
    finally:
        over.set()
        thread.join()


async def test_a_source_that_is_written_to_all_the_time_is_held_to_one_exact_moment(any_source, nas):
    backup = RedisBackup(settings_of(any_source, nas))
    with writing(any_source) as count:
        seen = []
        for n in range(3):
            before = count()
            taken, proven, _ = await back_up(backup, f"r:{n}", 1_795_000_000_000 + n * 60_000)
            assert proven["verified"]["restored"] == taken["manifest"]["witness"]
            assert count() > before
            seen.append(taken["manifest"]["witness"]["digest"])
    assert len(set(seen)) == 3, "each time the source held something else"
    assert set(taken["manifest"]["witness"]["databases"]) == {"0", "1", "2", "3", "4"}


async def test_its_digest_is_the_sources_own(source, nas, tmp_path):
    asked = Server(tmp_path / "asked", aof=False, options=(*AT_ONCE, "--enable-debug-command", "yes")).start()
    try:
        with asked.client() as client:
            client.set("a", 1)
            client.sadd("set", *range(1000))
            own = client.execute_command("DEBUG", "DIGEST")
        taken, *_ = await back_up(RedisBackup(settings_of(asked, nas)))
    finally:
        asked.stop()
    assert taken["manifest"]["witness"]["digest"] == own.decode()


@pytest.fixture
def unsummed(tmp_path) -> Iterator[Server]:
    """A source that was told to make no checksums: nothing inside its dump proves anything."""
    server = Server(tmp_path / "unsummed", aof=False, options=(*AT_ONCE, "--rdbchecksum", "no")).start()
    with server.client() as client:
        client.config_set("rdbcompression", "no")
        client.set("account", "balance=1000000")
    yield server
    server.stop()


def corrupting(monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit flips between the source and the file: the hash that is recorded is that of the wrong bytes."""
    real = taking._in_blocks

    async def flipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytearray]:
        async for block in real(chunks):
            yield bytearray(block.replace(b"balance=1000000", b"balance=1000001"))

    monkeypatch.setattr(taking, "_in_blocks", flipped)


async def test_a_bit_that_flips_before_it_is_hashed_is_found(unsummed, nas, monkeypatch):
    corrupting(monkeypatch)
    backup = RedisBackup(settings_of(unsummed, nas))
    taken = await backup.take("r", 0, "", 1)
    assert taken["manifest"]["dump"]["crc"] == "none"
    with pytest.raises(BackupFailed, match="content digest") as caught:
        await backup.verify(taken, await backup.copy(taken))
    assert caught.value.failure_class == "started-and-differs"


async def test_without_a_witness_such_a_bit_is_not_found_and_the_manifest_says_that_there_was_none(
    unsummed, nas, monkeypatch
):
    """Why a witness is the default."""
    corrupting(monkeypatch)
    taken, *_ = await back_up(RedisBackup(settings_of(unsummed, nas, witness=False)))
    assert taken["manifest"]["witness"] is None


async def test_a_source_that_becomes_another_one_in_between_is_no_one_moment(source):
    async with witness_of(parse_address(source.url), 20) as witness:
        for replication_id, offset in (("b" * 40, witness.snapshot.offset), (witness.snapshot.replication_id, -5)):
            with pytest.raises(BackupFailed, match="between the witness and the dump") as caught:
                await witness.at(replication_id, offset, 5)
            assert caught.value.failure_class == "source-changed"


async def test_a_source_that_dies_in_between_is_classified(own_server):
    with own_server.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    async with witness_of(parse_address(own_server.url), 20) as witness:
        own_server.stop()
        with pytest.raises(BackupFailed, match=r"hung up|broke the connection") as caught:
            await witness.at(witness.snapshot.replication_id, witness.snapshot.offset + 1, 10)
    assert caught.value.failure_class == "connection-reset"


async def test_a_disk_based_source_streams_right_behind_its_dump(redis_source, nas):
    redis_source.empty()
    with redis_source.client() as client:
        client.config_set("repl-diskless-sync", "no")
    try:
        with writing(redis_source):
            taken, proven, _ = await back_up(RedisBackup(settings_of(redis_source, nas)))
    finally:
        with redis_source.client() as client:
            client.config_set("repl-diskless-sync", "yes")
    assert taken["manifest"]["taken"]["mode"] == "disk"
    assert proven["verified"]["restored"] == taken["manifest"]["witness"]


async def test_a_stranger_on_the_witness_port_gets_no_byte_of_the_data(source):
    with source.client() as client:
        client.set("secret", "x" * 1000)
    async with witness_of(parse_address(source.url), 20) as witness:
        for words in (b"PSYNC ? -1\r\n", b"AUTH wrong\r\nPSYNC ? -1\r\n"):
            stream = await anyio.connect_tcp("127.0.0.1", witness.relay.port)
            async with stream:
                await stream.send(words)
                told = b""
                with anyio.move_on_after(0.5):
                    while True:
                        told += await stream.receive()
            assert told.startswith((b"-NOAUTH", b"-WRONGPASS"))
            assert b"FULLRESYNC" not in told
            assert b"xxx" not in told


async def test_nothing_is_left_of_a_witness(source):
    seen: list[Path] = []

    async def interrupted() -> None:
        async with witness_of(parse_address(source.url), 20) as witness:
            seen.append(witness.scratch)
            assert servers(witness.scratch)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await interrupted()
    (scratch,) = seen
    assert await anyio.to_thread.run_sync(wait_until, lambda: not servers(scratch))
    assert not scratch.exists()


def servers(scratch: Path) -> set[str]:
    """The processes that are about this directory."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if os.fsencode(scratch) in entry.read_bytes():
                found.add(entry.parent.name)
    return found


async def test_a_witness_is_not_wanted_where_the_configuration_says_so(source, nas):
    settings = replace(settings_of(source, nas), witness=False)
    taken, proven, _ = await back_up(RedisBackup(settings))
    assert taken["manifest"]["witness"] is None
    assert proven["verified"]["restored"]["databases"] == {"0": 1}
