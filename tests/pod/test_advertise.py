"""What stands in a heartbeat can be reached by others."""

from __future__ import annotations

from joelclaw_pod.advertise import advertised


def test_an_address_of_its_own_is_advertised_as_it_is() -> None:
    assert advertised("http://127.0.0.1:8080") == "http://127.0.0.1:8080"


def test_a_service_that_listens_everywhere_names_an_address_that_others_can_use() -> None:
    host, _, port = advertised("http://0.0.0.0:8080").removeprefix("http://").partition(":")
    assert host not in ("0.0.0.0", "")
    assert port == "8080"
