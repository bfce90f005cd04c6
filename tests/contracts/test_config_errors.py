"""Everything the loader refuses: one line each, with the key, the place and what to do."""

from __future__ import annotations

import json

import pytest

from joelclaw_contracts import ConfigError

NO_NAME = "is no event's name: it holds ' ' at character 2; only A-Z a-z 0-9 . _ / - may stand in it"
NO_FLAGS = "is no list of strings; expected ssh options, like `-o BatchMode=yes`, as a string or a list"


def refusals(load, document=None, **environ):
    with pytest.raises(ConfigError) as caught:
        load(document, **environ)
    lines = str(caught.value).splitlines()
    assert lines == [str(problem) for problem in caught.value.problems]
    return caught.value.problems


def refusal(load, document=None, **environ):
    problems = refusals(load, document, **environ)
    assert len(problems) == 1, problems
    return problems[0]


@pytest.mark.parametrize(
    ("document", "key", "advice"),
    [
        (
            {"selfHealing": {"router": {"maxRetrys": 3}}},
            "selfHealing.router.maxRetrys",
            "did you mean selfHealing.router.maxRetries?",
        ),
        (
            {"backupTransport": {"nasSshhost": "x"}},
            "backupTransport.nasSshhost",
            "did you mean backupTransport.nasSshHost?",
        ),
        ({"selfhealing": {}}, "selfhealing", "did you mean selfHealing?"),
        ({"sleepMinMs": 3}, "sleepMinMs", "did you mean selfHealing.router.sleepMinMs?"),
        ({"backup": {"redis": {"url": None, "colour": 1}}}, "backup.redis.colour", "known here: url, rdbPath, witness"),
        ({"runtime": {"comand": []}}, "runtime.comand", "did you mean runtime.command?"),
        (
            {"selfHealing": {"router": {"max_retries": 3}}},
            "selfHealing.router.max_retries",
            "did you mean selfHealing.router.maxRetries?",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_one(load, config_file, document, key, advice):
    problem = refusal(load, document)
    assert (problem.where, problem.key) == (str(config_file), key)
    assert problem.message == f"is no known key; {advice}"


@pytest.mark.parametrize(
    ("document", "key", "message"),
    [
        ({"selfHealing": 3}, "selfHealing", "is no object; expected a section { … }"),
        ({"backup": {"redis": None}}, "backup.redis", "is no object; expected a section { … }"),
        ({"schedules": []}, "schedules", "is no object; expected function ids and their crons"),
        (
            {"selfHealing": {"router": {"maxRetries": "3"}}},
            "selfHealing.router.maxRetries",
            'is "3" (a string); expected an integer from 0 to 64',
        ),
        (
            {"selfHealing": {"router": {"maxRetries": True}}},
            "selfHealing.router.maxRetries",
            "is true; expected an integer from 0 to 64",
        ),
        (
            {"selfHealing": {"router": {"maxRetries": 3.0}}},
            "selfHealing.router.maxRetries",
            "is 3.0; expected an integer from 0 to 64",
        ),
        (
            {"selfHealing": {"router": {"maxRetries": 65}}},
            "selfHealing.router.maxRetries",
            "is 65; expected an integer from 0 to 64",
        ),
        (
            {"selfHealing": {"router": {"maxRetries": None}}},
            "selfHealing.router.maxRetries",
            "is null; expected an integer from 0 to 64",
        ),
        (
            {"selfHealing": {"router": {"sleepMinMs": 0}}},
            "selfHealing.router.sleepMinMs",
            "is 0; expected an integer from 1 to 3600000",
        ),
        (
            {"backupTransport": {"recoveryWindowHours": 0}},
            "backupTransport.recoveryWindowHours",
            "is 0; expected a number above 0 and up to 720",
        ),
        ({"models": {"allowed": "o3"}}, "models.allowed", 'is "o3" (a string); expected a list'),
        ({"routes": {"allowed": ["a", "b c"]}}, "routes.allowed[1]", NO_NAME),
        ({"budgets": {"groupShare": 1.5}}, "budgets.groupShare", "is 1.5; expected a number above 0 and up to 1"),
        ({"alerts": {"owners": {"joel": 5}}}, "alerts.owners.joel", "is 5; expected a list of 1 to 100 items"),
        ({"alerts": {"owners": {"joel": []}}}, "alerts.owners.joel", "has 0 items; expected a list of 1 to 100 items"),
        (
            {"alerts": {"owners": {"joel": "x"}, "defaultOwner": "joe"}},
            "alerts.defaultOwner",
            'is "joe", which alerts.owners does not hold; did you mean joel?',
        ),
        (
            {"alerts": {"owners": {"joel": "x"}, "chain": ["joel", "joe"]}},
            "alerts.chain",
            'names "joe", which alerts.owners does not hold; did you mean joel?',
        ),
        (
            {"alerts": {"defaultOwner": "joe"}},
            "alerts.defaultOwner",
            'is "joe", which alerts.owners does not hold; add it there',
        ),
        (
            {"backupTransport": {"hddRoot": "relative"}},
            "backupTransport.hddRoot",
            "is no absolute path; expected one like /Volumes/three-body",
        ),
        (
            {"backupTransport": {"hddRoot": "//"}},
            "backupTransport.hddRoot",
            "is / or climbs with `..`; expected a directory of its own",
        ),
        (
            {"backupTransport": {"hddRoot": "/a/../.."}},
            "backupTransport.hddRoot",
            "is / or climbs with `..`; expected a directory of its own",
        ),
        (
            {"backup": {"destination": {"kind": "nfs"}}},
            "backup.destination.kind",
            'is "nfs" (a string); expected one of directory, mount',
        ),
        (
            {"backup": {"destination": {"keep": 0}}},
            "backup.destination.keep",
            "is 0; expected an integer from 1 to 10000",
        ),
        (
            {"backup": {"destination": {"keepAtLeast": 0}}},
            "backup.destination.keepAtLeast",
            "is 0; expected an integer from 1 to 10000",
        ),
        (
            {"backup": {"destination": {"keepDaily": -1}}},
            "backup.destination.keepDaily",
            "is -1; expected an integer from 0 to 10000",
        ),
        (
            {"backup": {"destination": {"path": "here"}}},
            "backup.destination.path",
            "is no absolute path; expected one like /Volumes/three-body",
        ),
        (
            {"backupTransport": {"sshHost": "-oProxyCommand=x"}},
            "backupTransport.sshHost",
            "starts with `-`, which ssh would read as an option; expected host or user@host",
        ),
        (
            {"backupTransport": {"sshHost": "a b"}},
            "backupTransport.sshHost",
            "holds a space or a character outside ASCII; expected host or user@host",
        ),
        (
            {"backupTransport": {"sshFlags": "-o 'x"}},
            "backupTransport.sshFlags",
            "can't be split like a command line (No closing quotation); close the quotation",
        ),
        ({"backupTransport": {"sshFlags": [1]}}, "backupTransport.sshFlags", NO_FLAGS),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(load, config_file, document, key, message):
    problem = refusal(load, document)
    assert (problem.where, problem.key, problem.message) == (str(config_file), key, message)


@pytest.mark.parametrize("text", ["120000oops", "1_000", "1e3", "0x10", "１", "1.5", "--1"])
def test_trailing_garbage_in_a_number_is_an_error(load, text):
    problem = refusal(load, BACKUP_ROUTER_SLEEP_MIN_MS=text)
    assert str(problem) == (
        f'BACKUP_ROUTER_SLEEP_MIN_MS: is "{text}" (a string); expected an integer from 1 to 3600000'
    )


@pytest.mark.parametrize("text", ["4h", "nan", "inf", "-1", "1e1"])
def test_hours_are_a_plain_number(load, text):
    assert refusal(load, NAS_BACKUP_RECOVERY_WINDOW_HOURS=text).where == "NAS_BACKUP_RECOVERY_WINDOW_HOURS"


def test_a_switch_is_on_or_off(load):
    assert "expected true or false" in refusal(load, NAS_BACKUP_PREFER_REMOTE="maybe").message


def test_a_shadowed_value_must_be_right_too(load):
    problem = refusal(load, {"selfHealing": {"router": {"maxRetries": "3"}}}, SELF_HEALING_ROUTER_MAX_RETRIES="4")
    assert problem.key == "selfHealing.router.maxRetries"


def test_min_above_max_names_both_and_their_places(load):
    environ = {"SELF_HEALING_ROUTER_SLEEP_MAX_MS": "1000"}
    assert str(refusal(load, **environ)) == (
        "SELF_HEALING_ROUTER_SLEEP_MAX_MS: sleepMinMs 300000 (default) is above "
        "sleepMaxMs 1000 (SELF_HEALING_ROUTER_SLEEP_MAX_MS); lower the one or raise the other"
    )
    problem = refusal(load, {"backupFailureRouter": {"sleepMinMs": 2000}}, BACKUP_ROUTER_SLEEP_MAX_MS="1000")
    assert problem.key == "backupFailureRouter.sleepMinMs"
    assert "sleepMinMs 2000 (backupFailureRouter.sleepMinMs) is above sleepMaxMs 1000" in problem.message


def test_a_section_with_a_wrong_value_is_not_judged_as_a_whole(load):
    problem = refusal(load, SELF_HEALING_ROUTER_SLEEP_MIN_MS="soon", SELF_HEALING_ROUTER_SLEEP_MAX_MS="1000")
    assert problem.where == "SELF_HEALING_ROUTER_SLEEP_MIN_MS"


def test_the_transports_base_above_its_ceiling_is_refused(load):
    problem = refusal(load, {"backupTransport": {"nasRetryBaseMs": 5, "nasRetryMaxMs": 4}})
    assert problem.message.startswith("retryBaseMs 5 (backupTransport.nasRetryBaseMs) is above retryMaxMs 4")


def test_a_key_given_under_both_its_names_is_refused(load):
    problem = refusal(load, {"backupTransport": {"nasMaxAttempts": 3, "maxAttempts": 3}})
    assert problem.message == "is given twice, as nasMaxAttempts and maxAttempts; keep one"


def test_a_disallowed_model_lists_what_is_allowed(load):
    problem = refusal(load, SELF_HEALING_ROUTER_MODEL="gpt-5")
    assert problem.where == "SELF_HEALING_ROUTER_MODEL"
    assert problem.message == (
        'is "gpt-5", which is not allowed; did you mean gpt-5.4? allowed (models.allowed): '
        "anthropic/claude-opus-4-6, anthropic/claude-sonnet-4-6, anthropic/claude-sonnet-4-5, "
        "anthropic/claude-haiku-4-5, gpt-5.4, o4-mini, o3"
    )


def test_a_model_outside_the_configured_allowlist_is_refused(load):
    document = {"models": {"allowed": ["local/tiny"]}, "backupFailureRouter": {"fallbackModel": "o3"}}
    problem = refusal(load, document)
    assert problem.key == "backupFailureRouter.fallbackModel"
    assert problem.message.endswith("allowed (models.allowed): local/tiny")


@pytest.mark.parametrize(
    ("function", "cron", "message"),
    [
        ("system/backup.redi", "* * * * *", "is no function with a schedule; did you mean system/backup.redis?"),
        ("zzz", "* * * * *", "is no function with a schedule; known: "),
        ("system/self-healing.router", "* * * * *", "runs on events alone and can't have a schedule; remove it"),
        ("system/backup.redis", "* * * *", "has 4 fields; expected"),
        ("system/backup.redis", "60 * * * *", "has the minute '60', outside 0-59; expected"),
        ("system/backup.redis", "0 24 * * *", "has the hour '24', outside 0-23"),
        ("system/backup.redis", "*/0 * * * *", "has the minute '*/0', outside 0-59"),
        ("system/backup.redis", "1,,2 * * * *", "has the minute '1,,2', outside 0-59"),
        ("system/backup.redis", "TZ=../etc 0 3 * * *", "names the time zone '../etc', which is none"),
        ("system/backup.redis", "@daily", "has 1 fields"),
        ("system/backup.redis", " ", "is empty"),
        ("system/backup.redis", 5, "is 5; expected a non-empty string"),
    ],
)
def test_a_schedule_must_be_one_of_a_function_that_has_one(load, function, cron, message):
    problem = refusal(load, {"schedules": {function: cron}})
    assert problem.key == f"schedules.{function}"
    assert problem.message.startswith(message)


@pytest.mark.parametrize("url", ["http://user:hunter2@host", "host:6379", 5])
def test_a_wrong_redis_url_is_refused_without_its_password(load, url):
    problem = refusal(load, {"backup": {"redis": {"url": url}}})
    assert problem.key == "backup.redis.url"
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("SELF_HEALING_ROUTER_MAX_RETRYS", "SELF_HEALING_ROUTER_MAX_RETRIES"),
        ("BACKUP_ROUTER_MODEL", "BACKUP_FAILURE_ROUTER_MODEL"),
        ("NAS_SSH_FLAG", "NAS_SSH_FLAGS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_right_one(load, name, right):
    assert str(refusal(load, **{name: "1"})) == f"{name}: is no known variable; did you mean {right}?"


@pytest.mark.parametrize(
    "name",
    [
        "SELF_HEALING_ROUTER_SERVICE_HOST",
        "SELF_HEALING_ROUTER_SERVICE_PORT_HTTP",
        "SELF_HEALING_ROUTER_PORT",
        "NAS_BACKUP_PORT_8080_TCP_ADDR",
        "BACKUP_STATE_DIR",
        "NAS_PORT",
    ],
)
def test_what_kubernetes_and_others_set_is_left_alone(load, name):
    assert load(**{name: "tcp://10.0.0.1:80"}) == load()


def test_all_problems_are_told_at_once(load):
    document = {"selfHealing": {"router": {"maxRetrys": 3, "sleepMinMs": "x"}}, "health": {"closings": 0}}
    problems = refusals(load, document, NAS_SSH_HOST="-x", BACKUP_ROUTER_MODEL="o3")
    assert {problem.key or problem.where for problem in problems} == {
        "selfHealing.router.maxRetrys",
        "selfHealing.router.sleepMinMs",
        "health.closings",
        "NAS_SSH_HOST",
        "BACKUP_ROUTER_MODEL",
    }


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"health": {\n  "closings" 3}}', "2:14: is not JSON: Expecting ':' delimiter"),
        (b"", "1:1: is not JSON"),
        (b'{"health": {}} trailing', "1:16: is not JSON: Extra data"),
        (b'{"health": {}, "health": {}}', 'holds the key "health" twice in one object'),
        (b'{"a": "\xff"}', "is not UTF-8: byte 0xff at offset 7"),
        (b"[]", "holds no object"),
        (b" " * (1024 * 1024 + 1), "is larger than 1048576 bytes"),
    ],
)
def test_a_malformed_file_stops_the_start_with_its_place(load, config_file, raw, message):
    config_file.write_bytes(raw)
    problem = refusal(load)
    assert (problem.where, problem.key) == (str(config_file), None)
    assert problem.message.startswith(message)


def test_a_directory_in_the_files_place_is_refused(load, config_file):
    config_file.mkdir()
    assert refusal(load).message == "is a directory; expected a JSON file"


def test_a_file_that_cannot_be_read_is_refused(load, config_file):
    config_file.symlink_to(config_file)  # a loop: unreadable for root as well
    assert refusal(load).message.startswith("can't be read (")


def test_a_link_to_nowhere_is_refused(load, config_file):
    config_file.symlink_to("nowhere.json")
    assert refusal(load).message.startswith("does not exist; ")


@pytest.mark.parametrize("named", ["~/missing.json", "no\0name"])
def test_a_named_file_that_is_missing_is_refused(load, named):
    problem = refusal(load, JOELCLAW_CONFIG=named)
    assert "JOELCLAW_CONFIG" in problem.message or "null" in problem.message


def test_hostile_keys_take_one_line(load):
    problem = refusal(load, {"a\nb\x1b[31m": 1})
    assert "\n" not in str(problem)
    assert "\x1b" not in str(problem)
    assert json.dumps("a\nb")[1:-1] in str(problem)
