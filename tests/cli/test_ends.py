"""How the command ends where things end badly: closed pipes, full disks, early Ctrl-C, input without end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.cli.conftest import Cli, call
from tests.support.server import Server

ME = [sys.executable, "-m", "joelclaw_cli"]


def test_a_reader_that_goes_away_ends_following_quietly(one_server: Server) -> None:
    env = {**os.environ, "REDIS_URL": one_server.url}
    tail = subprocess.Popen(
        [*ME, "bus", "tail", "-f", "a/*"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert tail.stdout is not None
    assert tail.stderr is not None
    try:
        with one_server.client() as client:
            client.xadd("a/b", {"data": "{}"})
            assert tail.stdout.readline()
            tail.stdout.close()
            client.xadd("a/b", {"data": "{}"})
            assert tail.wait(60) == 1
        assert tail.stderr.read() == ""
    finally:
        tail.kill()
        tail.wait()
        tail.stderr.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("words", [("bus", "streams"), ("--help",), ("bus", "nonsense"), ("--version",)])
def test_output_that_can_not_be_written_is_one_line(one_server: Server, words: tuple[str, ...]) -> None:
    env = {**os.environ, "REDIS_URL": one_server.url}
    with open("/dev/full", "w") as full:
        done = subprocess.run([*ME, *words], env=env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=90)
    assert done.returncode == 1
    assert done.stderr == "error: the output can't be written (No space left on device).\n"


def test_a_closed_output_is_no_traceback() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" -m joelclaw_cli --version >&-', sys.executable],
        stderr=subprocess.PIPE,
        text=True,
        timeout=90,
    )
    assert "Traceback" not in done.stderr


def test_ctrl_c_before_anything_is_loaded_is_quiet() -> None:
    """The interpreter's own start can't be helped; from our first line on there is no traceback."""
    code = (
        "import sys, os, signal, builtins; from joelclaw_cli import __main__ as m; real = builtins.__import__\n"
        "def slow(name, *a, **k):\n"
        "    if name == 'joelclaw_cli.root': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *a, **k)\n"
        "builtins.__import__ = slow; sys.argv = ['joelclaw', '--version']; m.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("hours", ["nan", "inf", "-inf", "-1", "1e400"])
@pytest.mark.parametrize("words", [("otel", "list"), ("otel", "search", "x"), ("otel", "stats")])
def test_hours_that_are_no_number_are_a_usage_error(cli: Cli, words: tuple[str, ...], hours: str) -> None:
    said = cli(*words, "--hours", hours)
    assert (said.code, said.error) == (2, "usage")
    assert said.err.count("\n") == 1


def test_input_without_end_is_read_no_further_than_a_payload_may_be_long(one_server: Server) -> None:
    env = {**os.environ, "REDIS_URL": one_server.url}
    with open("/dev/zero", "rb") as zero:
        done = subprocess.run(
            [*ME, "bus", "send", "a/b", "--force", "--data", "-"], env=env, stdin=zero, capture_output=True, timeout=90
        )
    assert done.returncode == 2
    assert b"more than 1 MiB" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/abc",
        "redis://u:sec@ret/pw@host",
        "redis://u:secret@host:port/0",
        "redis://u:sec#ret@host/0",
        "redis://u:sec[ret@host/0",
        "http://u:secret@host/0",
        "secret",
        "redis:///0",
        "redis://u:12#sec@host/0",
        "redis://u:12?sec@host/0",
    ],
)
@pytest.mark.parametrize("words", [("bus", "streams"), ("up",), ("heal", "list")])
def test_an_address_that_is_none_exits_2_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: str, words: tuple[str, ...], url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("JOELCLAW_STATE_DIR", str(tmp_path))
    said = call(*words)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert not any(part in said.err + said.out for part in ("sec", "ret@", "pw@", "abc"))


@pytest.mark.parametrize(
    "words",
    [
        ("bus", "send", "system/health.check.requested", "--data", "{}", "--id", ""),
        ("heal", "dismiss", "inc-1", "--reason", "", "--yes"),
        ("heal", "stop", "--reason", "  "),
        ("up", "--state-dir", ""),
        ("down", "--state-dir", ""),
        ("bus", "streams", "--state-dir", ""),
    ],
)
def test_an_empty_word_is_no_answer(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli(*words)
    assert (said.code, said.error) == (2, "usage")
    assert said.err.count("\n") == 1
