from __future__ import annotations

import json
import math

import pytest

from joelclaw_contracts.redact import is_secret, redact, redact_text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("redis://user:hunter2@host:6379/0 is away", "redis://user:***@host:6379/0 is away"),
        ("rediss://:hunter2@host", "rediss://:***@host"),
        ("redis://u:hun@ter2@host/0", "redis://u:***@host/0"),
        ("GET /x?token=hunter2&a=1", "GET /x?token=***&a=1"),
        ('{"password": "hunter2"}', '{"password": "***"}'),
        ("api_key=hunter2, apiKey: hunter2", "api_key=***, apiKey: ***"),
        ("Authorization: Bearer hunter2hunter2", "Authorization: Bearer ***"),
        ("Authorization: hunter2", "Authorization: ***"),
        ("the key AKIAIOSFODNN7EXAMPLE is refused", "the key AKIA*** is refused"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_***"),
        ("sk-proj-abcdefghijkl-mnop and sk-learn", "sk-*** and sk-learn"),
        ("http://127.0.0.1:8080/live and a@b", "http://127.0.0.1:8080/live and a@b"),
        ("unknown key: sleepMinMs", "unknown key: sleepMinMs"),
    ],
)
def test_secrets_leave_a_text_and_the_rest_stays(text: str, told: str) -> None:
    assert redact_text(text) == told


@pytest.mark.parametrize("name", ["apiKey", "API_KEY", "x-api-key", "key", "authToken", "db.password", "clientSecret"])
def test_a_field_named_like_a_secret_is_one(name: str) -> None:
    assert is_secret(name)
    assert redact({"a": [{name: "hunter2"}]}) == {"a": [{name: "***"}]}


@pytest.mark.parametrize("name", ["tokens", "keys", "dedupeKey", "redis_key", "secretary", "detail", "runContextKey"])
def test_a_field_that_only_sounds_like_one_is_shown(name: str) -> None:
    assert redact({name: "seen"}) == {name: "seen"}


def test_evidence_that_names_itself_a_secret_is_told_by_its_name_only() -> None:
    evidence = [{"type": "password", "detail": "hunter2"}, {"type": "key", "detail": "orders:1"}]
    assert redact(evidence) == [{"type": "password", "detail": "***"}, {"type": "key", "detail": "orders:1"}]


def test_whatever_comes_becomes_json() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no")

    endless: list[object] = []
    endless.append(endless)
    value = redact({"nan": math.nan, "raw": b"\xff", 3: (1, {2}), "odd": Odd(), "endless": endless})
    assert json.loads(json.dumps(value, allow_nan=False))["nan"] is None


def test_a_long_hostile_text_is_redacted_in_no_time() -> None:
    text = "a-" * 20_000 + "=" + "://" * 5_000
    assert redact_text(text) == text, "and the suite's time-out asserts the rest"
