from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from joelclaw_pod.logs import setup_logs


@pytest.fixture(autouse=True)
def root_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def test_a_line_is_one_json_object_with_its_extras() -> None:
    out = io.StringIO()
    setup_logs("router", "info", stream=out)
    logging.getLogger("x").warning("took %d", 3, extra={"run": "f:1", "api_key": "hunter2"})
    line = json.loads(out.getvalue())
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "warn", "service": "router", "msg": "took 3", "run": "f:1", "api_key": "***"}


def test_an_exception_is_one_field_of_one_line_without_secrets() -> None:
    out = io.StringIO()
    setup_logs("router", "info", stream=out)
    try:
        raise RuntimeError("redis://u:hunter2@h")
    except RuntimeError:
        logging.getLogger("x").exception("broke")
    assert out.getvalue().count("\n") == 1
    assert "hunter2" not in out.getvalue()
    assert json.loads(out.getvalue())["exc"].startswith("Traceback")


def test_an_extra_cannot_pretend_to_be_the_level_and_odd_arguments_are_told_anyway() -> None:
    out = io.StringIO()
    setup_logs("router", "info", stream=out)
    logging.getLogger("x").error("%d", "no number", extra={"level": "debug", "service": "other"})
    line = json.loads(out.getvalue())
    assert (line["level"], line["service"]) == ("error", "router")
    assert "no number" in line["msg"]


def test_a_person_gets_a_short_line() -> None:
    out = io.StringIO()
    setup_logs("router", "warn", stream=out, human=True)
    logging.getLogger("x").info("not shown")
    logging.getLogger("x").warning("shown", extra={"a": 1})
    assert out.getvalue().endswith("warn  shown  a=1\n")
    assert "not shown" not in out.getvalue()


@pytest.mark.parametrize("name", ["httpx", "httpcore.connection", "asyncssh", "asyncssh.sftp"])
def test_a_library_that_tells_addresses_is_heard_from_warnings_on(name: str) -> None:
    out = io.StringIO()
    setup_logs("health", "debug", stream=out)
    logging.getLogger(name).info("HTTP Request: GET %s", "https://hc.example/ping/token")
    logging.getLogger(name).warning("gave up")
    assert "token" not in out.getvalue()
    assert "gave up" in out.getvalue()
