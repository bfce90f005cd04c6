"""Sources as they are run: behind TLS, behind an ACL, behind sentinels."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from joelclaw_backup import redis_backup
from joelclaw_backup.address import AddressInvalid, parse_address
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.manifest import NO_USERS, Manifest, RedisManifest
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.source import located
from tests.backup.conftest import AT_ONCE, back_up, settings_of
from tests.support.server import Server, free_port

pytestmark = pytest.mark.anyio


def openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate of it for 127.0.0.1 that is good for servers and clients."""
    at = tmp_path_factory.mktemp("tls")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
            "-keyout", at / "ca.key", "-out", at / "ca.crt", "-subj", "/CN=the tests' own")  # fmt: skip
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", at / "it.key", "-out", at / "it.csr", "-subj", "/CN=it")  # fmt: skip
    (at / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", at / "it.csr", "-CA", at / "ca.crt", "-CAkey", at / "ca.key", "-CAcreateserial",
            "-days", 2, "-extfile", at / "names", "-out", at / "it.crt")  # fmt: skip
    return at


@pytest.fixture
def tls_port(redis_source: Server, certificates: Path) -> Iterator[int]:
    """The Redis of the tests, by TLS, for those who hold a certificate."""
    port = free_port()
    redis_source.empty()
    with redis_source.client() as client:
        for name in ("cert-file", "key-file", "ca-cert-file"):
            file = {"cert-file": "it.crt", "key-file": "it.key", "ca-cert-file": "ca.crt"}[name]
            client.config_set(f"tls-{name}", str(certificates / file))
        client.config_set("tls-port", port)
        client.execute_command("ACL", "SETUSER", "copy", "on", ">p:w/d", "+psync", "+replconf", "+info", "+ping")
        yield port
        client.config_set("tls-port", 0)
        client.execute_command("ACL", "DELUSER", "copy")


def url_of(port: int, at: Path, user: str = "copy:p%3Aw%2Fd") -> str:
    words = f"ssl_ca_certs={at}/ca.crt&ssl_certfile={at}/it.crt&ssl_keyfile={at}/it.key"
    return f"rediss://{user}@127.0.0.1:{port}/0?{words}"


async def test_a_source_behind_tls_with_a_user_of_few_rights_is_witnessed_and_restored(
    tls_port, certificates, redis_source, nas
):
    with redis_source.client() as client:
        client.mset({f"key-{n}": "x" * 100 for n in range(500)})
        taken, proven, _ = await back_up(RedisBackup(settings_of(url_of(tls_port, certificates), nas)))
    assert proven["verified"]["restored"] == taken["manifest"]["witness"]
    assert taken["manifest"]["witness"]["databases"] == {"0": 501}
    assert Manifest.of(taken["manifest"]).told.note == NO_USERS, "this user may not ask for them, and that is said"


async def test_the_acl_users_come_along_and_a_throwaway_server_takes_every_rule_of_them(own_server, nas):
    with own_server.client() as client:
        client.execute_command("ACL", "SETUSER", "ann", "on", ">secret", "~app:*", "+@read", "-get", "(+set ~own:*)")
        client.execute_command("ACL", "SETUSER", "default", "+@all", "-debug")
        listed = client.execute_command("ACL", "LIST")
    taken, proven, published = await back_up(RedisBackup(settings_of(own_server, nas)))
    users = Path(published["path"]) / "users.acl"
    text = users.read_text()
    assert users.read_text().splitlines() == [line.decode() for line in listed]
    assert "secret" not in users.read_text()
    assert Manifest.of(taken["manifest"]).told.note == ""
    manifest = Manifest.of(taken["manifest"])
    assert isinstance(manifest, RedisManifest)
    for spoilt, words in (("+@read", "+@raed"), ("user ann on", "user ann off reset on"), ("user ann", "ann")):
        users.write_text(text.replace(spoilt, words))
        with pytest.raises(BackupFailed, match="ACL") as caught:
            await redis_backup.restored_from(users.parent, manifest)
        assert caught.value.failure_class == "started-and-differs"
        users.write_text(text)
    held, _ = await redis_backup.restored_from(users.parent, manifest)
    assert held.model_dump(by_alias=True) == proven["verified"]["restored"]


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (lambda url: url.replace("p%3Aw%2Fd", "wrong"), "permission-denied"),
        (lambda url: url.partition("?")[0], "permission-denied"),  # an authority that nobody here knows
        (lambda url: url.replace("rediss://", "redis://").partition("?")[0], "connection-reset"),
    ],
)
async def test_a_wrong_password_an_unknown_authority_and_no_tls_are_refused_without_a_word_of_the_secret(
    tls_port, certificates, nas, broken, kind
):
    from joelclaw_backup.replication import snapshot_of

    with pytest.raises(BackupFailed) as caught:
        async with snapshot_of(parse_address(broken(url_of(tls_port, certificates)))):
            pass
    assert caught.value.failure_class == kind
    assert not {"p:w/d", "p%3Aw%2Fd", "wrong"} & set(str(caught.value).split())


class Sentinels:
    """A primary, its replica, and one sentinel that alone decides."""

    def __init__(self, folder: Path) -> None:
        self.primary = Server(folder / "one", aof=False, options=AT_ONCE).start()
        second = ("--replicaof", "127.0.0.1", str(self.primary.port), *AT_ONCE)
        self.replica = Server(folder / "two", aof=False, options=second)
        self.port = free_port()
        self.folder = folder

    def start(self) -> Sentinels:
        self._start_replica()
        settings = self.folder / "sentinel.conf"
        settings.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor main 127.0.0.1 {self.primary.port} 1\n"
            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
        )
        command = [self.primary.binary, str(settings), "--sentinel"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.until(lambda c: c.execute_command("SENTINEL", "REPLICAS", "main"))
        return self

    def _start_replica(self) -> None:
        with pytest.raises(redis.exceptions.ReadOnlyError):
            self.replica.start()  # it can't take the mark of the tests: it has that of its primary

    def until(self, there: object) -> None:
        end = time.monotonic() + 30
        with redis.Redis(port=self.port, socket_timeout=5, protocol=2) as client:
            while time.monotonic() < end:
                try:
                    if there(client):  # type: ignore[operator]  # a check of the client, by its table
                        return
                except redis.exceptions.RedisError:
                    pass
                time.sleep(0.05)
        raise AssertionError("the sentinel never came to that")

    def fail_over(self) -> None:
        """At once, with the old primary alive; returns when another one is named."""
        before = str(self.primary.port).encode()
        self.until(lambda c: c.execute_command("SENTINEL", "FAILOVER", "main"))
        self.until(lambda c: c.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")[1] != before)

    @staticmethod
    def role_of(server: Server) -> str:
        with server.client() as client:
            return str(client.info("replication")["role"])

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.primary.stop()
        self.replica.stop()


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    made = Sentinels(tmp_path)
    yield made.start()
    made.stop()


async def test_the_primary_that_the_sentinels_name_is_backed_up_also_after_a_failover(sentinels, nas):
    url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinels.port}/0?service=main"
    backup = RedisBackup(settings_of(url, nas))
    with sentinels.primary.client() as client:
        client.set("a", 1)
        client.execute_command("WAIT", 1, 5000)
    taken, *_ = await back_up(backup)
    source = taken["manifest"]["source"]
    assert (source["address"], source["role"]) == (f"127.0.0.1:{sentinels.primary.port}", "master")
    sentinels.primary.stop()
    named = [b"127.0.0.1", str(sentinels.replica.port).encode()]
    sentinels.until(lambda c: c.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main") == named)
    taken, proven, _ = await back_up(backup, "after", 1_795_000_100_000)
    assert taken["manifest"]["source"]["address"] == f"127.0.0.1:{sentinels.replica.port}"
    assert proven["verified"]["restored"]["databases"] == {"0": 2}
    assert taken["manifest"]["parent"] != ""


async def test_a_failover_in_the_middle_of_a_backup_is_no_backup_and_the_next_one_takes_the_new_primary(
    sentinels, nas, monkeypatch
):
    """The old primary answers to the last byte: what was written to it meanwhile is what will be thrown away."""
    url = f"redis+sentinel://127.0.0.1:{sentinels.port}/0?service=main"
    backup, take = RedisBackup(settings_of(url, nas)), redis_backup.take_server
    named = [b"127.0.0.1", str(sentinels.replica.port).encode()]

    async def and_then_another_is_named(*words: Any, **more: Any) -> Any:
        took = await take(*words, **more)
        sentinels.fail_over()
        return took

    with sentinels.primary.client() as client:
        client.execute_command("WAIT", 1, 5000)
    monkeypatch.setattr(redis_backup, "take_server", and_then_another_is_named)
    with pytest.raises(BackupFailed, match="a failover") as caught:
        await backup.take("during", 0, "", 1)
    assert caught.value.failure_class == "source-changed"
    assert list((nas / "backups").glob("*/*")) == []
    monkeypatch.undo()
    sentinels.until(lambda c: c.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main") == named)
    sentinels.until(lambda c: sentinels.role_of(sentinels.replica) == "master")
    taken, *_ = await back_up(backup, "after", 1_795_000_100_000)
    assert taken["manifest"]["source"]["address"] == f"127.0.0.1:{sentinels.replica.port}"


async def test_sentinels_that_are_away_or_know_no_such_service_are_said(sentinels):
    for url, words in (
        ("redis+sentinel://127.0.0.1:1?service=main", "names a primary"),
        (f"redis+sentinel://u:secret@127.0.0.1:{sentinels.port}?service=other", "know no service other"),
    ):
        with pytest.raises(BackupFailed, match=words) as caught:
            await located(parse_address(url))
        assert caught.value.failure_class == "server-unavailable"
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis+sentinel://h:1", "redis+cluster://h:1/3", "redis+sentinel://h:1?service=s&x=1"])
def test_an_address_of_many_that_cannot_be_obeyed_is_refused(url):
    with pytest.raises(AddressInvalid):
        parse_address(url)
