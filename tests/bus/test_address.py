"""REDIS_URL: what it can say, and that a refusal shows nothing of it."""

from __future__ import annotations

import pytest

from joelclaw_bus.address import read_address, without_secret
from joelclaw_bus.errors import AddressInvalid


def test_one_server_is_handed_on_as_it_is() -> None:
    address = read_address("rediss://u:p@h:1/2?ssl_ca_certs=/ca.pem")
    assert address.kind == "single"
    assert address.url() == "rediss://u:p@h:1/2?ssl_ca_certs=/ca.pem"
    assert address.shown == "rediss://h:1/2"


def test_sentinels_have_a_service_and_their_own_credentials() -> None:
    address = read_address(
        "redis+sentinel://u:p%40w@h1:1,h2,[::1]:3/4?service=bus&sentinel_username=su&sentinel_password=s%26p&x=1"
    )
    assert address.kind == "sentinel"
    assert address.places == (("h1", 1), ("h2", 26379), ("::1", 3))
    assert (address.service, address.sentinel_user, address.sentinel_password) == ("bus", "su", "s&p")
    assert address.url() == "redis://u:p%40w@h1:1/4?x=1", "the servers' own user, database and options"
    assert address.shown == "redis+sentinel://h1:1,h2,[::1]:3 (bus)"


def test_a_cluster_has_nodes_to_ask_and_each_node_an_address() -> None:
    address = read_address("rediss+cluster://:secret@h1,h2:7001")
    assert (address.kind, address.tls) == ("cluster", True)
    assert address.places == (("h1", 6379), ("h2", 7001))
    assert address.url(("10.0.0.7", 7002)) == "rediss://:secret@10.0.0.7:7002"
    assert address.url(("::1", 7002)) == "rediss://:secret@[::1]:7002"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hunter2@h:1", "is not the address of a store"),
        ("redis+sentinel://:hunter2@h1:1,h2:2", "add ?service=NAME"),
        ("redis+sentinel://:hunter2@h1:1,/0?service=bus", "host or port"),
        ("redis+sentinel://:hunter2@h1:no/0?service=bus", "host or port"),
        ("redis+sentinel://:hunter2@h1:70000/0?service=bus", "host or port"),
        ("redis+sentinel://:hunter2@/0?service=bus", "host or port"),
        ("redis+sentinel://:hunter2@h1/x?service=bus", "no database number"),
        ("redis+sentinel://:hun#ter2@h1/0?service=bus", "%23"),
        ("redis+cluster://:hunter2@h1/1", "only number 0"),
        ("redis+cluster://:hunter2@h1?service=bus", "only sentinels know"),
    ],
)
def test_nonsense_is_refused_in_one_line_that_shows_nothing_of_it(url: str, why: str) -> None:
    with pytest.raises(AddressInvalid) as refused:
        read_address(url)
    said = str(refused.value)
    assert why in said
    assert "\n" not in said
    assert "hun" not in said


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://reader@h:1/0", "redis://reader@h:1/0"),
        ("redis://:hunter2@h:1/0", "redis://h:1/0"),
        ("rediss://u:p%40ss@h:1/0?ssl_ca_certs=/ca&ssl_password=hunter2", "rediss://h:1/0?ssl_ca_certs=/ca"),
        ("unix://u:hunter2@/run/redis.sock?password=hunter2", "unix:///run/redis.sock"),
        (
            "redis+sentinel://u:hunter2@a:1,b:2/0?service=s&sentinel_password=hunter2",
            "redis+sentinel://a:1,b:2/0?service=s",
        ),
        ("redis+cluster://u:hunter2@a:1,b:2", "redis+cluster://a:1,b:2"),
    ],
)
def test_what_may_lie_on_a_disk_holds_no_password(url: str, kept: str) -> None:
    assert without_secret(url) == kept
    assert "hunter2" not in without_secret(url)
