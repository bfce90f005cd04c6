"""Where values come from, what is hidden, and when the hash changes."""

from __future__ import annotations

import json

from joelclaw_contracts import Provenance, template
from joelclaw_contracts.config import Config

SECRETS = {
    "alerts": {"owners": {"joel": ["slack://tokenA/tokenB", "ops-room"]}},
    "backup": {"redis": {"url": "redis://user:hunter2@host:6379/1?password=hunter3"}},
}


def rows(config):
    return {row.key: row for row in config.provenance()}


def test_every_value_says_where_it_comes_from(load, config_file):
    document = {"selfHealing": {"router": {"maxRetries": 3}}, "backupTransport": {"sshHost": "me@nas"}}
    found = rows(load(document, BACKUP_ROUTER_SLEEP_MIN_MS="7"))
    assert found["backupFailureRouter.maxRetries"] == Provenance(
        "backupFailureRouter.maxRetries", 3, "file", f"{config_file}: selfHealing.router.maxRetries"
    )
    assert found["backupTransport.nasSshHost"].where == f"{config_file}: backupTransport.sshHost"
    assert found["backupFailureRouter.sleepMinMs"] == Provenance(
        "backupFailureRouter.sleepMinMs", 7, "environment", "BACKUP_ROUTER_SLEEP_MIN_MS"
    )
    assert found["selfHealing.router.sleepMinMs"] == Provenance(
        "selfHealing.router.sleepMinMs", 300_000, "default", "default"
    )


def test_a_schedule_says_it_too(load):
    found = rows(load({"schedules": {"system/backup.redis": "0 4 * * *"}}))
    assert found["schedules.system/backup.redis"].origin == "file"
    assert found["schedules.system/backup.typesense"].origin == "default"


def test_the_order_is_stable_and_no_key_comes_twice(load):
    keys = [row.key for row in load().provenance()]
    assert keys == [row.key for row in load(template()).provenance()]
    assert len(set(keys)) == len(keys)


def test_an_unconfigured_nas_has_no_values(load):
    assert rows(load())["backupTransport.nasSshHost"].value is None


def test_secrets_are_hidden(load):
    config = load(SECRETS)
    shown = json.dumps([row.value for row in config.provenance()])
    assert not [secret for secret in ("tokenA", "tokenB", "hunter2", "hunter3", "user") if secret in shown]
    assert rows(config)["backup.redis.url"].value == "redis://***@host:6379/1"
    assert rows(config)["alerts.owners"].value == {"joel": ["slack://***", "ops-room"]}
    slack, room = config.alerts.channels("joel")
    assert slack.startswith("slack-")
    assert "token" not in slack, "channels stand in events, which anybody may read"
    assert config.alerts.addresses() == {slack: "slack://tokenA/tokenB"}
    assert room == "ops-room"


def test_the_hash_is_that_of_the_effective_values(load):
    default = load().hash
    assert default == Config().hash
    assert len(default) == 64
    assert load({"selfHealing": {"router": {"maxRetries": 5}}}).hash == default
    changed = load({"selfHealing": {"router": {"maxRetries": 6}}}).hash
    assert changed != default
    assert load({}, SELF_HEALING_ROUTER_MAX_RETRIES="6").hash == changed


def test_every_setting_changes_the_hash(load):
    documents = [
        {},
        {"backupFailureRouter": {"maxRetries": 6}},
        {"backupTransport": {}},
        {"models": {"allowed": ["o3"]}},
        {"routes": {"allowed": ["a"]}},
        {"schedules": {"system/backup.redis": "0 4 * * *"}},
        {"budgets": {"actsPerHour": 2}},
        {"alerts": {"owners": {"joel": "ops"}}},
        {"health": {"closings": 3}},
        {"backup": {"redis": {"url": "redis://host"}}},
    ]
    assert len({load(document).hash for document in documents}) == len(documents)


def test_a_rotated_secret_does_not_change_it(load):
    first = load(SECRETS).hash
    rotated = json.loads(json.dumps(SECRETS).replace("hunter", "other").replace("token", "fresh"))
    assert load(rotated).hash == first
