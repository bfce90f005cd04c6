"""The function: what wakes it, what its failure says, and what a scripted server's answers are called. No Typesense."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.functions import add_backup
from joelclaw_backup.telling import Speaker
from joelclaw_backup.typesense.api import Typesense
from joelclaw_backup.typesense.backup import TypesenseBackup
from joelclaw_backup.typesense.lease import only_call
from joelclaw_backup.typesense.settings import TypesenseSettings
from joelclaw_bus import Functions, Publisher, Store, StoreSettings, open_store
from joelclaw_bus.observer import RunEnded
from joelclaw_contracts import BackupRunRequested
from tests.backup.conftest import nas as nas
from tests.backup.test_functions import on_stream, retry
from tests.router.test_hook import DETECTED, OTEL, read
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.workers import working
from tests.typesense.conftest import settings_of

pytestmark = pytest.mark.anyio
FUNCTION = "system/backup.typesense"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
async def store(one_server: Server):
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


def functions(store: Store, settings: TypesenseSettings) -> Functions:
    made = Functions()
    add_backup(made, store, TypesenseBackup(settings, store), Speaker(settings, "test", "s1", "typesense"))
    return made


async def ended(seen: Seen, count: int = 1) -> list[RunEnded]:
    return await seen.wait(RunEnded, count, lambda f: f.function == FUNCTION)


async def test_a_failed_run_tells_its_router_the_class_and_its_own_name(store, nas, roots):
    async with working(store, functions(store, settings_of(NOBODY, nas, roots, server=""))) as seen:
        await Publisher(store).send(BackupRunRequested(target="typesense"), id="one")
        await ended(seen)
        (told,) = await on_stream(store, DETECTED)
        (evidence,) = await on_stream(store, OTEL)
    assert (told["targetFunctionId"], told["target"], told["failureClass"]) == (
        FUNCTION,
        "typesense",
        "connection-refused",
    )
    assert NOBODY in told["error"]
    assert (evidence["action"], evidence["component"]) == ("system.backup.typesense", FUNCTION)


async def test_a_retry_or_request_that_names_the_other_target_is_skipped(store, nas, roots):
    async with working(store, functions(store, settings_of(NOBODY, nas, roots, server=""))) as seen:
        await Publisher(store).send(retry("redis"), id="theirs")
        await Publisher(store).send(BackupRunRequested(target="redis"), id="theirs-too")
        await ended(seen, 2)
    assert {f.status for f in seen.all(RunEnded)} == {"skipped"}
    assert await read(store, DETECTED) == []


def test_it_runs_at_three_and_one_at_a_time(nas, roots):
    made = functions(None, settings_of(NOBODY, nas, roots, server="", schedule="TZ=America/Los_Angeles 0 3 * * *"))  # type: ignore[arg-type]  # no store is asked
    (function,) = list(made)
    assert (function.id, function.exclusive and function.exclusive.most, function.retries) == (FUNCTION, 1, 2)


class Scripted(ThreadingHTTPServer):
    """Answers every path that `answers` has; 404 else."""

    daemon_threads = True
    answers: dict[str, tuple[int, bytes]]
    asked: list[str]


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        assert isinstance(self.server, Scripted)
        self.server.asked.append(self.path)
        status, body = self.server.answers.get(self.path.partition("?")[0], (404, b"{}"))
        self.send_response(status)
        if body == b"cut":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"10\r\nabc")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    servers: list[Scripted] = []

    def start(**answers: tuple[int, bytes]) -> Scripted:
        server = Scripted(("127.0.0.1", 0), _Handler)
        server.answers = {"/" + path.replace("__", "/"): answer for path, answer in answers.items()}
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def url_of(server: Scripted) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "permission-denied"),
        (403, "permission-denied"),
        (400, "snapshot-refused"),
        (404, "snapshot-refused"),
        (409, "snapshot-refused"),
        (429, "server-unavailable"),
        (408, "server-unavailable"),
        (500, "server-unavailable"),
        (503, "server-unavailable"),
    ],
)
def test_a_status_has_a_class(scripted, status, kind):
    server = scripted(collections=(status, b'{"message": "no\\nreally"}'))
    with pytest.raises(BackupFailed, match=f"says {status}") as caught:
        Typesense(url_of(server), "k", 5).get("/collections")
    assert caught.value.failure_class == kind
    assert "\n" not in str(caught.value)


def test_an_export_that_breaks_off_is_no_short_export(scripted):
    server = scripted(collections__books__documents__export=(200, b"cut"))
    with pytest.raises(BackupFailed) as caught:
        list(Typesense(url_of(server), "k", 5).documents("books"))
    assert caught.value.failure_class is FailureClass.CONNECTION_RESET


GOOD = {"debug": (200, b'{"state":1,"version":"x"}'), "collections": (200, b"[]")}


async def test_a_call_that_is_refused_leaves_both_roots_named_and_the_class_of_a_refusal(scripted, store, nas, roots):
    server = scripted(**GOOD, operations__snapshot=(400, b'{"message":"no"}'))
    with pytest.raises(BackupFailed) as caught:
        await TypesenseBackup(settings_of(url_of(server), nas, roots), store).take("r", 0, "", 1_795_000_000_000)
    assert caught.value.failure_class is FailureClass.SNAPSHOT_REFUSED
    assert all(root in str(caught.value) for root in roots)
    assert len([path for path in server.asked if "snapshot" in path]) == 2


async def test_a_success_that_left_nothing_is_no_snapshot(scripted, store, nas, roots):
    server = scripted(**GOOD, operations__snapshot=(201, b'{"success":true}'))
    with pytest.raises(BackupFailed, match="though the server said 201") as caught:
        await TypesenseBackup(settings_of(url_of(server), nas, roots), store).take("r", 0, "", 1_795_000_000_000)
    assert caught.value.failure_class is FailureClass.NO_SNAPSHOT_FILES


async def test_who_was_overtaken_can_end_nobody_elses_lease(store):
    async with only_call(store, NOBODY, 1, "the first") as first:
        await store.call("HSET", first.key, "until", "0")  # as if its time was up while it slept
        async with only_call(store, NOBODY, 60, "the second") as second:
            assert second.fence == first.fence + 1
            assert await first.end() is False
            with pytest.raises(BackupFailed, match="the second"):
                async with only_call(store, NOBODY, 1, "a third"):
                    pytest.fail("two calls in flight")


async def test_a_lease_outlives_a_holder_that_got_no_answer(store):
    with pytest.raises(BackupFailed, match="silent"):
        async with only_call(store, NOBODY, 1, "a call"):
            raise BackupFailed(FailureClass.WEDGED, "silent")
    with pytest.raises(BackupFailed, match="a call got no answer") as caught, anyio.fail_after(30):
        async with only_call(store, NOBODY, 1, "the next"):
            pytest.fail("two calls in flight")
    assert caught.value.failure_class is FailureClass.RESOURCE_UNAVAILABLE
    async with only_call(store, NOBODY + "9", 1, "another server's"):
        pass
