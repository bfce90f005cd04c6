"""The proxy itself: what it claims to break is broken, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from tests.support.server import Server
from tests.support.tcp_proxy import TcpProxy


@pytest.fixture
def proxy(one_server: Server) -> Iterator[TcpProxy]:
    started = TcpProxy(one_server.port).start()
    yield started
    started.stop()


def connection(proxy: TcpProxy, patience: float = 0.3) -> redis.connection.Connection:
    made = redis.connection.Connection(host="127.0.0.1", port=proxy.port, socket_timeout=patience, protocol=2)
    made.connect()
    return made


def ping(made: redis.connection.Connection) -> bytes:
    made.send_command("PING")
    return bytes(made.read_response())


def test_what_is_said_arrives_on_the_other_side(proxy: TcpProxy) -> None:
    made = connection(proxy)
    assert ping(made) == b"PONG"
    made.disconnect()


def test_a_cut_ends_every_connection_and_a_new_one_works(proxy: TcpProxy) -> None:
    first, second = connection(proxy), connection(proxy)
    assert proxy.cut() == 2
    for made in (first, second):
        with pytest.raises(redis.exceptions.ConnectionError):
            ping(made)
    third = connection(proxy)
    assert ping(third) == b"PONG"
    third.disconnect()


def test_a_black_hole_is_silent_and_a_new_connection_works(proxy: TcpProxy, one_server: Server) -> None:
    frozen = connection(proxy)
    with one_server.client() as client:
        before = len(client.client_list())
        assert proxy.black_hole() == 1
        with pytest.raises(redis.exceptions.TimeoutError):
            ping(frozen)
        frozen.disconnect()
        time.sleep(0.1)
        assert len(client.client_list()) == before, "the server must not learn that its peer is gone"
    fresh = connection(proxy)
    assert ping(fresh) == b"PONG"
    fresh.disconnect()


def test_a_cut_does_not_wake_what_is_frozen(proxy: TcpProxy) -> None:
    frozen = connection(proxy)
    proxy.black_hole()
    assert proxy.cut() == 0
    with pytest.raises(redis.exceptions.TimeoutError):
        ping(frozen)
    frozen.disconnect()


def test_with_a_delay_answers_come_so_much_later(proxy: TcpProxy) -> None:
    made = connection(proxy, patience=5)
    proxy.delay(0.1)
    began = time.monotonic()
    assert ping(made) == b"PONG"
    assert time.monotonic() - began >= 0.2, "there and back"
    made.disconnect()
