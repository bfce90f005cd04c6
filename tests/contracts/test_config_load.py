"""The configuration that results: defaults, every key, every variable, one precedence."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from joelclaw_contracts import KNOWN_ROUTES, ConfigError, RouterKnobs, config_path, load_config, template
from joelclaw_contracts.config import Alerts, Config
from joelclaw_contracts.config.sources import KEYS, VARIABLES

ROUTER = {  # key, attribute, variable's end, a value that is not the default
    "maxRetries": ("max_retries", "MAX_RETRIES", 7),
    "sleepMinMs": ("sleep_min_ms", "SLEEP_MIN_MS", 1),
    "sleepMaxMs": ("sleep_max_ms", "SLEEP_MAX_MS", 14_000_000),
    "sleepStepMs": ("sleep_step_ms", "SLEEP_STEP_MS", 2),
}
MODELS = {"model": ("model", "MODEL", "o3"), "fallbackModel": ("fallback_model", "FALLBACK_MODEL", "o4-mini")}
TRANSPORT = {  # key without nas, path of attributes, NAS variable, general variable, value
    "recoveryWindowHours": ("recovery_window_hours", "NAS_BACKUP_RECOVERY_WINDOW_HOURS", "RECOVERY_WINDOW_HOURS", 1.5),
    "maxAttempts": ("max_attempts", "NAS_BACKUP_MAX_ATTEMPTS", "MAX_ATTEMPTS", 3),
    "retryBaseMs": ("retry_base_ms", "NAS_BACKUP_RETRY_BASE_MS", "RETRY_BASE_MS", 5),
    "retryMaxMs": ("retry_max_ms", "NAS_BACKUP_RETRY_MAX_MS", "RETRY_MAX_MS", 60_000),
    "sshHost": ("nas.ssh_host", "NAS_SSH_HOST", "NAS_HOST", "me@nas"),
    "sshFlags": ("nas.ssh_flags", "NAS_SSH_FLAGS", "NAS_FLAGS", "-p 2222"),
    "hddRoot": ("nas.hdd_root", "NAS_HDD_ROOT", "NAS_HDD_ROOT", "/mnt/hdd"),
    "nvmeRoot": ("nas.nvme_root", "NAS_NVME_ROOT", "NAS_NVME_ROOT", "/mnt/nvme"),
    "remoteRoot": ("nas.remote_root", "NAS_REMOTE_ROOT", "NAS_REMOTE_ROOT", "/volume2/x"),
}


def at(section, path):
    for name in path.split("."):
        section = getattr(section, name)
    return section


def as_read(value):
    return ("-p", "2222") if value == "-p 2222" else value


def test_without_file_and_variables_the_defaults_hold(load):
    config = load()
    assert config == Config()
    router = RouterKnobs(
        model=None,
        fallback_model=None,
        max_retries=5,
        sleep_min_ms=300_000,
        sleep_max_ms=14_400_000,
        sleep_step_ms=30_000,
    )
    assert config.healing_router == config.backup_router == router
    transport = config.transport
    assert (transport.recovery_window_hours, transport.max_attempts) == (4, 12)
    assert (transport.retry_base_ms, transport.retry_max_ms) == (10_000, 120_000)
    budgets = config.budgets
    assert (budgets.max_retries, budgets.retries_per_day) == (64, 12)
    assert (budgets.acts_per_hour, budgets.acts_per_day, budgets.group_share) == (3, 7, 0.3)
    assert (config.health.confirmations, config.health.closings) == (3, 2)
    assert config.backup.redis.url is None
    assert config.backup.destination.model_dump() == {
        "kind": None,
        "path": None,
        "tier": "hdd",
        "keep": 7,
        "keep_daily": 7,
        "keep_weekly": 4,
        "keep_monthly": 6,
        "keep_at_least": 3,
        "reserve_mb": 256,
        "queue_cap_mb": 10_240,
        "ssh_limit_mb": 0,
    }
    assert config.backup.redis.witness
    assert config.models.allowed[0] == "anthropic/claude-opus-4-6"
    assert len(config.models.allowed) == 7
    assert config.schedules["system/backup.redis"] == "TZ=America/Los_Angeles 30 3 * * *"


def test_without_a_nas_section_or_variable_no_nas_is_configured(load):
    assert not load().transport.configured
    assert not load({"backupFailureRouter": {}}, SELF_HEALING_ROUTER_MAX_RETRIES="3").transport.configured


@pytest.mark.parametrize("document", [{"backupTransport": {}}, {"selfHealing": {"transport": {"maxAttempts": 1}}}])
def test_a_transport_section_brings_the_nas_defaults(load, document):
    nas = load(document).transport.nas
    assert nas.ssh_host == "joel@three-body"
    assert " ".join(nas.ssh_flags) == (
        "-o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=2"
    )
    assert (nas.hdd_root, nas.nvme_root, nas.remote_root) == (
        "/Volumes/three-body",
        "/Volumes/nas-nvme",
        "/volume1/joelclaw",
    )
    assert nas.prefer_remote is False


@pytest.mark.parametrize("text", ["1", "true", "True"])
def test_a_nas_variable_brings_them_too(load, text):
    nas = load(NAS_BACKUP_PREFER_REMOTE=text).transport.nas
    assert (nas.prefer_remote, nas.ssh_host) == (True, "joel@three-body")


@pytest.mark.parametrize("key", [*ROUTER, *MODELS])
def test_router_keys_follow_the_one_precedence(load, key):
    attribute, end, value = {**ROUTER, **MODELS}[key]
    family = "BACKUP_FAILURE_ROUTER_" if key in MODELS else "BACKUP_ROUTER_"
    others = iter(["gpt-5.4", "anthropic/claude-haiku-4-5", "o4-mini"] if key in MODELS else [11, 12, 13])
    if key == "sleepMaxMs":
        others = iter([13_000_000, 12_000_000, 11_000_000])

    def both(config):
        return at(config.healing_router, attribute), at(config.backup_router, attribute)

    default = getattr(RouterKnobs(), attribute)
    document = {"selfHealing": {"router": {key: value}}}
    assert both(load(document)) == (value, value)
    specific = next(others)
    document["backupFailureRouter"] = {key: specific}
    assert both(load(document)) == (value, specific)
    general = next(others)
    environ = {f"SELF_HEALING_ROUTER_{end}": str(general)}
    assert both(load(document, **environ)) == (general, general)
    strongest = next(others)
    environ[family + end] = str(strongest)
    assert both(load(document, **environ)) == (general, strongest)
    assert both(load({}, **{family + end: str(strongest)})) == (default, strongest)


@pytest.mark.parametrize("key", TRANSPORT)
def test_transport_keys_follow_it_with_and_without_the_prefix(load, key):
    path, variable, general, value = TRANSPORT[key]
    prefixed = "nas" + key[0].upper() + key[1:]
    default = at(load({"backupTransport": {}}).transport, path)
    assert default != as_read(value)
    for name in (key, prefixed):
        assert at(load({"selfHealing": {"transport": {name: value}}}).transport, path) == as_read(value)
        assert at(load({"backupTransport": {name: value}}).transport, path) == as_read(value)
    raw_default = " ".join(default) if isinstance(default, tuple) else default
    document = {"selfHealing": {"transport": {prefixed: value}}, "backupTransport": {key: raw_default}}
    assert at(load(document).transport, path) == default
    assert at(load(document, **{f"SELF_HEALING_{general}": str(value)}).transport, path) == as_read(value)
    both = {f"SELF_HEALING_{general}": str(value), variable: str(raw_default)}
    assert at(load(document, **both).transport, path) == default


def test_every_variable_is_in_one_of_these_tables():
    routers = {f"SELF_HEALING_ROUTER_{end}" for _, end, _ in [*ROUTER.values(), *MODELS.values()]}
    routers |= {f"BACKUP_ROUTER_{end}" for _, end, _ in ROUTER.values()}
    routers |= {f"BACKUP_FAILURE_ROUTER_{end}" for _, end, _ in MODELS.values()}
    transports = {variable for _, variable, _, _ in TRANSPORT.values()}
    transports |= {f"SELF_HEALING_{general}" for _, _, general, _ in TRANSPORT.values()}
    assert set(VARIABLES) == routers | transports | {"NAS_BACKUP_PREFER_REMOTE"}


def test_a_blank_variable_counts_as_unset(load):
    document = {"selfHealing": {"router": {"maxRetries": 3}}}
    config = load(document, SELF_HEALING_ROUTER_MAX_RETRIES=" ", NAS_SSH_HOST="")
    assert config.healing_router.max_retries == 3
    assert not config.transport.configured


def test_a_null_turns_the_inherited_model_off(load):
    document = {"selfHealing": {"router": {"model": "o3"}}, "backupFailureRouter": {"model": None}}
    config = load(document)
    assert (config.healing_router.model, config.backup_router.model) == ("o3", None)


@pytest.mark.parametrize(
    "flags",
    [
        "-p 22 -o 'ProxyCommand=ssh jump'",
        ["-p", "22", "-o", "'ProxyCommand=ssh jump'"],
        ["-p 22", "-o 'ProxyCommand=ssh jump'"],
    ],
)
def test_ssh_flags_become_separate_words(load, flags):
    nas = load({"backupTransport": {"nasSshFlags": flags}}).transport.nas
    assert nas.ssh_flags == ("-p", "22", "-o", "ProxyCommand=ssh jump")


def test_a_configured_allowlist_replaces_the_default_one(load):
    config = load({"models": {"allowed": ["local/tiny"]}, "selfHealing": {"router": {"model": "local/tiny"}}})
    assert config.healing_router.model == "local/tiny"
    assert config.models.allowed == ("local/tiny",)


def test_configured_routes_are_added_to_the_known_ones(load):
    routes = load({"routes": {"allowed": ["logs/reingest.requested"]}}).routes
    assert routes.permits("logs/reingest.requested")
    assert all(routes.permits(name) for name in KNOWN_ROUTES)
    assert not routes.permits("otel/event")


def test_a_schedule_replaces_its_default_and_leaves_the_others(load):
    schedules = load({"schedules": {"system/backup.redis": "TZ=Europe/Berlin  15 4 * * MON-FRI"}}).schedules
    assert schedules["system/backup.redis"] == "TZ=Europe/Berlin 15 4 * * MON-FRI"
    assert schedules["system/backup.typesense"] == "TZ=America/Los_Angeles 0 3 * * *"
    assert schedules.get("system/self-healing.router") is None


def test_an_unknown_owner_is_heard_by_the_default_owner(load):
    alerts = load(
        {"alerts": {"owners": {"joel": "slack://a/b", "ops": ["mail", "pager"]}, "defaultOwner": "joel"}}
    ).alerts
    assert alerts.channels("ops") == ("mail", "pager")
    (shown,) = alerts.channels("nobody")
    assert alerts.channels(None) == (shown,)
    assert alerts.addresses() == {shown: "slack://a/b"}
    assert Alerts().channels("nobody") == ()


def test_the_remaining_sections_are_read(load):
    config = load(
        {
            "budgets": {"maxRetries": 3, "retriesPerDay": 4, "actsPerHour": 1, "actsPerDay": 2, "groupShare": 1},
            "health": {"confirmations": 1, "closings": 1, "recheckMs": 0, "retired": ["old-service"]},
            "backup": {
                "redis": {"url": "rediss://u:p@host:6380/1"},
                "destination": {"kind": "mount", "path": "/mnt/nas/", "tier": "nvme", "keep": 3, "reserveMb": 9},
            },
            "runtime": {"command": ["worker", "--port", "80"], "url": "http://localhost/", "stateFile": "/run/w.json"},
        }
    )
    assert config.runtime.command == ("worker", "--port", "80")
    assert (config.runtime.url, config.runtime.state_file) == ("http://localhost/", "/run/w.json")
    assert config.runtime.configured
    assert config.budgets.model_dump() == {
        "max_retries": 3,
        "retries_per_day": 4,
        "acts_per_hour": 1,
        "acts_per_day": 2,
        "all_retries_per_hour": 60,
        "all_acts_per_hour": 10,
        "groups": {},
        "storm_targets": 5,
        "storm_window_ms": 900_000,
        "storm_cool_down_ms": 600_000,
        "report_ms": 3_600_000,
        "flap_outages": 3,
        "flap_half_life_ms": 3_600_000,
        "flap_long_outages": 7,
        "flap_days": 7,
        "group_share": 1.0,
        "cool_down_ms": 900_000,
        "hold_ms": 1_800_000,
        "stability_ms": 90_000,
        "stability_passes": 6,
    }
    assert (config.health.confirmations, config.health.closings) == (1, 1)
    assert (config.health.recheck_ms, config.health.retired) == (0, ("old-service",))
    assert config.backup.redis.url == "rediss://u:p@host:6380/1"
    destination = config.backup.destination
    assert (destination.kind, destination.path, destination.tier) == ("mount", "/mnt/nas", "nvme")
    assert (destination.keep, destination.keep_daily, destination.reserve_mb) == (3, 7, 9)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("command", "worker --port 80", "is no list of strings"),
        ("command", [""], "names no program"),
        ("url", "localhost:80", "is no address to probe"),
        ("stateFile", "run/w.json", "is no absolute path"),
        ("stopMs", "10s", ""),
    ],
)
def test_a_runtime_that_can_not_be_is_refused(load, key, value, problem):
    with pytest.raises(ConfigError, match=f"runtime.{key}.*{problem}"):
        load({"runtime": {key: value}})


def test_without_keys_no_runtime_is_configured(load):
    assert not load({"runtime": {}}).runtime.configured
    assert load({"runtime": {"url": "http://localhost/ready"}}).runtime.configured


def test_the_template_loads_into_the_defaults_with_a_nas(load):
    document = template()
    assert json.loads(json.dumps(document)) == document
    assert set(document) == {
        "selfHealing", "backupFailureRouter", "backupTransport", "models", "routes", "schedules", "budgets", "alerts",
        "approval",
        "health", "runtime", "backup",
    }  # fmt: skip
    assert document["backupTransport"]["nasSshHost"] == "joel@three-body"
    config = load(document)
    assert config.hash == load({"backupTransport": {}}).hash
    assert config.transport.configured


def test_a_change_of_the_templates_general_section_reaches_the_backups(load):
    document = template()
    document["selfHealing"]["router"]["maxRetries"] = 9
    assert load(document).backup_router.max_retries == 9


def test_the_template_holds_every_key_once():
    def leaves(tree, at=""):
        for name, inner in tree.items():
            if isinstance(inner, dict) and inner and at + name != "schedules":
                yield from leaves(inner, f"{at}{name}.")
            else:
                yield at + name

    given = set(leaves(template())) - {"selfHealing.transport", "backupFailureRouter", "schedules"}
    assert given == {f"{key.places[0].section}.{key.places[0].names[0]}" for key in KEYS if key.places} - {
        f"backupFailureRouter.{key}" for key in [*ROUTER, *MODELS]
    }


def test_joelclaw_config_names_the_file(tmp_path):
    (tmp_path / "elsewhere.json").write_text('{"health": {"closings": 5}}')
    for named in ("~/elsewhere.json", str(tmp_path / "elsewhere.json")):
        assert load_config({"JOELCLAW_CONFIG": named}, home=tmp_path).health.closings == 5
        assert config_path({"JOELCLAW_CONFIG": named}, tmp_path) == tmp_path / "elsewhere.json"
    assert config_path({"JOELCLAW_CONFIG": ""}, tmp_path) == tmp_path / ".joelclaw" / "system-bus.config.json"


def test_the_configuration_is_frozen_and_strict_in_python_too(load):
    config = load()
    with pytest.raises(ValidationError, match="frozen"):
        config.healing_router.max_retries = 6
    with pytest.raises(ValidationError, match="sleepMinMs is 10, above sleepMaxMs, which is 5"):
        RouterKnobs(sleep_min_ms=10, sleep_max_ms=5)
    with pytest.raises(ValidationError, match="max_retrys"):
        RouterKnobs(max_retrys=3)
