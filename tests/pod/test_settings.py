from __future__ import annotations

from pathlib import Path

import pytest

from joelclaw_contracts import NameInvalid
from joelclaw_pod.errors import SettingsError
from joelclaw_pod.settings import ServiceSettings, read_settings

STORE = {"REDIS_URL": "redis://127.0.0.1:6379/0"}


def refusal(**environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings("router", STORE | environ)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_store_alone_is_enough_and_the_rest_has_defaults() -> None:
    s = read_settings("router", STORE | {"JOELCLAW_SYSTEM_ID": "here"})
    assert s == ServiceSettings("router", STORE["REDIS_URL"], system_id="here")
    assert (s.lease, s.grace, s.parallel, s.http_host, s.http_port) == (15.0, 10.0, 32, "127.0.0.1", 0)


def test_every_documented_variable_is_read() -> None:
    s = read_settings(
        "router",
        {
            "REDIS_URL": "rediss://u:p@store:6380/1",
            "JOELCLAW_PREFIX": "staging:",
            "JOELCLAW_HTTP_HOST": "0.0.0.0",
            "JOELCLAW_HTTP_PORT": "9000",
            "JOELCLAW_LEASE_MS": "2000",
            "JOELCLAW_PARALLEL": "4",
            "JOELCLAW_GRACE_MS": "0",
            "JOELCLAW_LOG_LEVEL": "WARN",
            "JOELCLAW_SYSTEM_ID": "pod-1",
            "JOELCLAW_READY_FILE": "/run/ready",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
            "JOELCLAW_CONFIG": "/etc/bus.json",
            "JOELCLAW_STATE_DIR": "/var/lib/joelclaw",
        },
    )
    assert (s.redis_url, s.prefix, s.http_host, s.http_port) == (
        "rediss://u:p@store:6380/1",
        "staging:",
        "0.0.0.0",
        9000,
    )
    assert (s.lease_ms, s.parallel, s.grace_ms, s.log_level, s.system_id) == (2000, 4, 0, "warn", "pod-1")
    assert (s.ready_file, s.state_dir) == (Path("/run/ready"), Path("/var/lib/joelclaw"))
    assert s.otlp_endpoint == "http://collector:4318"
    assert s.environ["JOELCLAW_CONFIG"] == "/etc/bus.json"


def test_a_missing_store_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match=r"^REDIS_URL is not set; name the store, e\.g\. REDIS_URL=redis://"):
        read_settings("router", {})


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://h", "redis://", "redis://u:hunter2@h:port/0", "redis://u:hunter2@h/zero"]
)
def test_an_unusable_store_address_is_refused_without_being_shown(url: str) -> None:
    message = refusal(REDIS_URL=url)
    assert message.startswith("REDIS_URL ")
    assert "hunter2" not in message


def test_a_password_is_not_in_the_settings_repr() -> None:
    assert "hunter2" not in repr(read_settings("router", {"REDIS_URL": "redis://u:hunter2@h/0"}))


@pytest.mark.parametrize("value", ["15s", "-1", "1.5", "0x10", "499", "600001", " 1 2", "١٥٠٠٠", "9" * 40])
def test_a_number_with_anything_else_in_it_or_out_of_bounds_is_refused(value: str) -> None:
    assert "JOELCLAW_LEASE_MS" in refusal(JOELCLAW_LEASE_MS=value)
    assert "500 to 600000" in refusal(JOELCLAW_LEASE_MS=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOELCLAW_LOG_LEVEL", "loud"),
        ("JOELCLAW_PREFIX", "a{b}"),
        ("JOELCLAW_HTTP_PORT", "65536"),
        ("JOELCLAW_PARALLEL", "0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:x"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str) -> None:
    assert refusal(**{name: value}).startswith(f"{name} ")


def test_a_misspelt_variable_stops_the_start_and_suggests_the_right_one() -> None:
    assert "did you mean JOELCLAW_LEASE_MS?" in refusal(JOELCLAW_LEASE_MSEC="15000")
    assert "did you mean JOELCLAW_STATE_DIR?" in refusal(JOELCLAW_STATEDIR="/x")
    assert "known are JOELCLAW_PREFIX" in refusal(JOELCLAW_ZZZ="1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOELCLAW_ROUTER_SERVICE_HOST", "10.0.0.1"),
        ("JOELCLAW_ROUTER_SERVICE_PORT", "80"),
        ("JOELCLAW_ROUTER_SERVICE_PORT_HTTP_PROBES", "80"),
        ("JOELCLAW_ROUTER_PORT", "tcp://10.0.0.1:80"),
        ("JOELCLAW_ROUTER_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("JOELCLAW_ROUTER_PORT_80_TCP_PROTO", "tcp"),
        ("JOELCLAW_ROUTER_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("JOELCLAW_PORT", "udp://10.0.0.1:53"),
        ("JOELCLAW_SERVICE_HOST", "10.0.0.1"),
    ],
)
def test_what_kubernetes_injects_is_ignored(name: str, value: str) -> None:
    assert read_settings("router", STORE | {name: value}) == read_settings("router", STORE)


def test_a_service_named_like_a_setting_does_not_become_that_setting() -> None:
    assert read_settings("router", STORE | {"JOELCLAW_HTTP_PORT": "tcp://10.0.0.1:80"}).http_port == 0


def test_a_port_variable_that_kubernetes_would_not_write_is_an_error() -> None:
    assert refusal(JOELCLAW_ROUTER_PORT="80").startswith("JOELCLAW_ROUTER_PORT ")


def test_a_variable_set_to_nothing_counts_as_not_set() -> None:
    assert read_settings("router", STORE | {"JOELCLAW_LEASE_MS": "", "JOELCLAW_READY_FILE": " "}).lease_ms == 15_000


def test_a_service_name_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(NameInvalid):
        read_settings("no spaces", STORE)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis+sentinel://:hunter2@h1,h2", "does not say what the sentinels call the service"),
        ("redis+cluster://:hunter2@h1/3", "a cluster has only number 0"),
        ("redis+nonsense://:hunter2@h1", "is not the address of a store"),
    ],
)
def test_an_address_of_many_servers_that_cannot_be_one_is_refused_without_showing_it(url: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings("router", {"REDIS_URL": url})
    assert why in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_durability_level_is_memory_unless_it_is_set_and_a_wrong_word_is_refused() -> None:
    url = {"REDIS_URL": "redis+sentinel://h1,h2/0?service=bus"}
    assert read_settings("router", url).durability == "memory"
    chosen = read_settings("router", url | {"JOELCLAW_DURABILITY": "Replica", "JOELCLAW_MIN_REPLICAS": "2"})
    assert (chosen.durability, chosen.min_replicas) == ("replica", 2)
    with pytest.raises(SettingsError, match="choose one of memory, local, replica"):
        read_settings("router", url | {"JOELCLAW_DURABILITY": "safe"})
    with pytest.raises(SettingsError, match="did you mean JOELCLAW_DURABILITY"):
        read_settings("router", url | {"JOELCLAW_DURABILTY": "local"})
