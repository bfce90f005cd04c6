"""Dumps of real servers: whole, flipped, cut, zeroed, and without a checksum."""

from __future__ import annotations

import os

import pytest

from joelclaw_backup.address import parse_address
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.rdb import RdbReader
from joelclaw_backup.replication import snapshot_of
from tests.backup.conftest import AT_ONCE
from tests.support.server import Server

pytestmark = pytest.mark.anyio


async def dump_of(server: Server) -> bytes:
    async with snapshot_of(parse_address(server.url)) as snapshot:
        return b"".join([chunk async for chunk in snapshot.chunks])


def frame_of(dump: bytes, size: int = 1 << 20):
    reader = RdbReader()
    for start in range(0, len(dump), size):
        reader.feed(dump[start : start + size])
    return reader.frame()


def filled(server: Server) -> Server:
    with server.client() as client:
        client.set("text", os.urandom(2000))
        client.rpush("list", *range(50))
        client.xadd("stream", {"a": "b"})
    return server


async def test_a_dump_is_read_whole_whatever_its_pieces(any_source):
    dump = await dump_of(filled(any_source))
    frame = frame_of(dump)
    assert (frame.magic, frame.crc, frame.size) == ("REDIS", "good", len(dump))
    assert frame.version in (10, 11)
    assert {frame_of(dump, size) for size in (1, 2, 7, 8, 9, 10, 17, 1000)} == {frame}


async def test_every_flipped_byte_is_found(any_source):
    dump = await dump_of(filled(any_source))
    for position in [*range(30), *range(30, len(dump), 37), *range(len(dump) - 10, len(dump))]:
        broken = bytearray(dump)
        broken[position] ^= 0x10
        with pytest.raises(BackupFailed) as caught:
            frame_of(bytes(broken))
        assert caught.value.failure_class == "rdb-invalid"


async def test_a_cut_or_zeroed_dump_is_found(any_source):
    dump = await dump_of(filled(any_source))
    for broken in (
        b"",
        dump[:5],
        dump[:9],
        dump[: len(dump) // 2],
        dump[:-1],
        dump[:-8],
        dump + b"\0",
        dump[:100] + bytes(len(dump) - 100),
        bytes(len(dump)),
    ):
        with pytest.raises(BackupFailed, match="the dump"):
            frame_of(broken)


async def test_without_a_checksum_the_end_is_still_known(tmp_path):
    server = Server(tmp_path / "no-crc", aof=False, options=(*AT_ONCE, "--rdbchecksum", "no")).start()
    try:
        dump = await dump_of(filled(server))
    finally:
        server.stop()
    assert frame_of(dump).crc == "none"
    for broken in (dump[: len(dump) // 2], dump[:-1], dump[:100] + bytes(len(dump) - 100)):
        with pytest.raises(BackupFailed, match="cut short"):
            frame_of(broken)
