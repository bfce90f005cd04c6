"""A source that is away, locked, silent, or hangs up in the middle."""

from __future__ import annotations

import anyio
import pytest

from joelclaw_backup.address import AddressInvalid, parse_address
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.replication import Deadlines, snapshot_of
from joelclaw_backup.source import identify
from tests.support.server import free_port

pytestmark = pytest.mark.anyio
SOON = Deadlines(connect=0.3, reply=0.3, silence=0.3)
FULL = b"+FULLRESYNC " + b"a" * 40 + b" 7\r\n"


async def read(url: str) -> bytes:
    async with snapshot_of(parse_address(url), SOON) as snapshot:
        return b"".join([chunk async for chunk in snapshot.chunks])


async def scripted(*said: bytes, hang: bool = False) -> bytes:
    """What a client gets from a server that answers its first requests with `said`, then hangs up (or hangs)."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:

        async def answer(stream) -> None:
            async with stream:
                for line in said:
                    await stream.receive()
                    await stream.send(line)
                if hang:
                    await anyio.sleep_forever()

        tasks.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        try:
            got: bytes | BackupFailed = await read(f"redis://127.0.0.1:{port}")
        except BackupFailed as failed:
            got = failed
        tasks.cancel_scope.cancel()
    if isinstance(got, BackupFailed):
        raise got
    return got


OK = (b"+OK\r\n", b"+OK\r\n", b"+OK\r\n")


async def test_both_ways_of_sending_a_dump_are_read():
    mark = b"m" * 40
    assert await scripted(*OK, FULL + b"\n\n$5\r\nhello") == b"hello"
    assert await scripted(*OK, FULL + b"$EOF:" + mark + b"\r\nhello" + mark) == b"hello"
    assert await scripted(*OK, FULL + b"$0\r\n") == b""


async def test_a_server_without_rdb_only_is_read_too():
    assert await scripted(b"+OK\r\n", b"+OK\r\n", b"-ERR Unrecognized REPLCONF option\r\n", FULL + b"$2\r\nhi") == b"hi"


@pytest.mark.parametrize(
    ("said", "hang", "kind", "words"),
    [
        ((*OK, FULL + b"$10\r\nhello"), False, "connection-reset", "before its dump was whole"),
        ((*OK, FULL + b"$EOF:" + b"m" * 40 + b"\r\nhello" + b"m" * 39), False, "connection-reset", "whole"),
        ((*OK, FULL + b"$10\r\nhello"), True, "timeout", "silent for 0.3 s"),
        ((*OK,), True, "timeout", "silent"),
        ((*OK, b"-NOMASTERLINK Can't SYNC while not connected\r\n"), False, "server-unavailable", "NOMASTERLINK"),
        ((*OK, b"-ERR unknown command 'PSYNC'\r\n"), False, "snapshot-refused", "refuses PSYNC"),
        ((*OK, b"+CONTINUE\r\n"), False, "snapshot-refused", "answered PSYNC"),
        ((*OK, FULL + b"*3\r\n"), False, "snapshot-refused", "announced"),
        ((b"HTTP/1.1 400 " + b"x" * 5000,), False, "snapshot-refused", "does not speak"),
        ((b"-LOADING Redis is loading\r\n",), False, "server-unavailable", "LOADING"),
    ],
)
async def test_what_is_cut_short_or_refused_is_classified(said, hang, kind, words):
    with pytest.raises(BackupFailed, match=words) as caught:
        await scripted(*said, hang=hang)
    assert caught.value.failure_class == kind


async def test_a_source_that_is_away_is_classified():
    url = f"redis://127.0.0.1:{free_port()}"
    for ask in (read(url), identify(parse_address(url))):
        with pytest.raises(BackupFailed) as caught:
            await ask
        assert caught.value.failure_class == "connection-refused"
    with pytest.raises(BackupFailed) as caught:
        await read("unix:///nowhere/at/all")
    assert caught.value.failure_class == "unreachable"


async def test_a_wrong_password_is_permanent_and_never_shown(source):
    with source.client() as client:
        client.execute_command("ACL", "SETUSER", "joel", "on", ">right", "~*", "+@all")
    for user in ("joel:wrong", "nobody:wrong"):
        address = parse_address(f"redis://{user}@127.0.0.1:{source.port}")
        for ask in (read(address.url), identify(address)):
            with pytest.raises(BackupFailed) as caught:
                await ask
            assert caught.value.failure_class == "permission-denied"
            assert ":wrong" not in str(caught.value)


async def test_a_user_with_few_rights_is_enough(source):
    with source.client() as client:
        client.execute_command("ACL", "SETUSER", "copy", "on", ">p", "+psync", "+replconf", "+info", "+ping")
    address = parse_address(f"redis://copy:p@127.0.0.1:{source.port}")
    assert (await identify(address)).role == "master"
    assert (await read(address.url)).startswith(b"REDIS")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://x", "no address"),
        ("redis://", "no address"),
        ("unix://", "no socket"),
        ("redis://h:x", "host or port"),
        ("redis://u:secret@h/0?socket_timeout=3", "can't obey"),
    ],
)
def test_an_address_that_could_not_be_obeyed_is_refused(url, problem):
    with pytest.raises(AddressInvalid, match=problem) as caught:
        parse_address(url)
    assert "secret" not in str(caught.value)
