"""A set over SSH, on Debian's own sshd: the same steps, the same shelf, and each trouble by its own name."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from joelclaw_backup import killable, ssh_phases
from joelclaw_backup.destination import Destination, checking, open_root
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.files import going_on, hashing, open_directory, read_small, replace_small
from joelclaw_backup.killable import finished
from joelclaw_backup.looking import Shelved, listing, reading_again
from joelclaw_backup.pruning import pruning_shelf
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.remote_files import BLOCK
from joelclaw_backup.restoring import restoring_set
from joelclaw_backup.retention import Rule
from joelclaw_backup.ssh_phases import Phase
from joelclaw_contracts.config import SENTINEL
from tests.backup.conftest import back_up, settings_of
from tests.support.server import Server
from tests.support.sshd import Sshd

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def shared_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = Sshd(tmp_path_factory.mktemp("sshd")).start()
    yield server
    server.stop()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """One that a test may break."""
    server = Sshd(tmp_path / "sshd").start()
    yield server
    server.stop()


@pytest.fixture
def remote(nas: Path) -> Path:
    """The root on the NAS itself."""
    (nas / SENTINEL).touch()
    return nas


def over(sshd: Sshd, root: Path, **more: str) -> Destination:
    return Destination("ssh", root, ssh=sshd.options(**more))


def remote_backup(source: Server, sshd: Sshd, root: Path) -> RedisBackup:
    return RedisBackup(replace(settings_of(source, root), destination=over(sshd, root)))


def failed_at(destination: Destination) -> BackupFailed:
    with pytest.raises(BackupFailed) as caught:
        finished(checking(destination))
    return caught.value


async def test_a_set_is_stored_listed_read_again_restored_and_pruned_over_ssh(source, shared_sshd, remote, tmp_path):
    backup = remote_backup(source, shared_sshd, remote)
    with source.client() as client:
        client.set("a", "x" * 3 * MIB)
    ids = [(await back_up(backup, f"r:{n}", 1_795_000_000_000 + n * 1000))[2]["id"] for n in range(3)]
    assert os.readlink(remote / "backups/redis/latest") == ids[-1]
    at = Shelved(backup.settings.destination, "redis", backup.settings.aside)
    assert [(a.id, a.standing) for a in finished(listing(at))] == [(id, "verified") for id in reversed(ids)]
    assert finished(reading_again(at, ids[0]))[0].findings == ()
    assert (remote / "backups/redis" / ids[0] / "checked.json").exists()
    told = finished(restoring_set(at, ids[1], tmp_path / "there", False))
    restored, stored = tmp_path / "there/dump.rdb", remote / "backups/redis" / ids[1] / "dump.rdb"
    assert (restored.read_bytes(), told["standing"]) == (stored.read_bytes(), "verified")
    pruned = finished(pruning_shelf(at.destination, "redis", Rule(1), at.aside, False))
    assert [p["id"] for p in pruned["pruned"]] == ids[:2]
    assert {p.name for p in (remote / "backups/redis").iterdir()} == {ids[2], "latest"}


def test_a_file_that_grows_while_it_is_read_over_ssh_comes_whole_and_once(shared_sshd, remote):
    path, want = remote / "log", b"first"
    path.write_bytes(want)
    with closing(open_root(over(shared_sshd, remote))) as folder, closing(folder.read("log")) as reading:
        had = reading.read()
        for more in (b", second", b", third"):
            with path.open("ab") as file:
                file.write(more)
            want += more
            had += reading.read()
        assert (had, reading.read()) == (want, b"")


async def test_damage_on_the_nas_is_found_over_ssh(source, shared_sshd, remote):
    backup = remote_backup(source, shared_sshd, remote)
    *_, published = await back_up(backup)
    dump = remote / "backups/redis" / published["id"] / "dump.rdb"
    dump.write_bytes(dump.read_bytes()[:-1] + b"?")
    at = Shelved(backup.settings.destination, "redis", backup.settings.aside)
    assert [f.verdict for f in finished(reading_again(at, published["id"]))[0].findings] == ["hash-differs"]
    assert [a.standing for a in finished(listing(at))] == ["damaged"]


async def test_a_byte_that_changed_on_the_way_is_found_by_reading_back(source, shared_sshd, remote):
    backup = remote_backup(source, shared_sshd, remote)
    taken = await backup.take("r", 0, "", 1)
    copied = await backup.copy(taken)
    dump = remote / "backups/redis" / copied["partial"] / "dump.rdb"
    dump.write_bytes(b"?" + dump.read_bytes()[1:])
    with pytest.raises(BackupFailed) as caught:
        await backup.verify(taken, copied)
    assert caught.value.failure_class == "hash-differs"


def test_what_can_be_used_is_told_with_its_host_key_and_what_it_lacks(shared_sshd, remote):
    told = finished(checking(over(shared_sshd, remote)))
    assert told["hostKey"].startswith("SHA256:")
    assert told["lacks"] == [], "OpenSSH flushes files and directories, renames over, and tells its room"
    assert abs(told["free"] - os.statvfs(remote).f_bavail * os.statvfs(remote).f_frsize) < 1 << 30


def test_without_its_sentinel_nothing_is_written(shared_sshd, nas):
    failed = failed_at(over(shared_sshd, nas))
    assert failed.failure_class == "not-mounted"
    assert SENTINEL in str(failed)
    assert list(nas.iterdir()) == []


def test_a_root_that_is_not_there_is_never_made(shared_sshd, nas):
    failed = failed_at(over(shared_sshd, nas / "gone"))
    assert failed.failure_class == "unreachable"
    assert not (nas / "gone").exists()


def test_too_little_room_is_told_before_a_byte_is_sent(shared_sshd, remote):
    failed = failed_at(replace(over(shared_sshd, remote), reserve=1 << 60))
    assert failed.failure_class == "no-space-left"


def test_a_changed_host_key_sends_nothing_and_needs_a_person(sshd, remote):
    sshd.stop()
    sshd.new_host_key()
    sshd.start()
    failed = failed_at(over(sshd, remote))
    assert failed.failure_class == "host-key-mismatch"
    assert "host key" in str(failed)
    assert "Accepted" not in sshd.log(), "not even who we are was said"
    assert "Failed publickey" not in sshd.log()


def test_an_unknown_host_is_not_even_asked(remote, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        (tmp_path / "none").touch()
        flags = {"Port": str(listening.getsockname()[1]), "UserKnownHostsFile": str(tmp_path / "none")}
        failed = failed_at(over(Sshd(tmp_path / "sshd"), remote, **flags))
        assert failed.failure_class == "host-key-unknown"
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_key_that_is_not_accepted_is_told(sshd, remote):
    (sshd.folder / "authorized_keys").write_text("")
    failed = failed_at(over(sshd, remote))
    assert failed.failure_class == "permission-denied"
    assert "auth" in str(failed)


def test_a_refused_connection_is_told(sshd, remote):
    sshd.stop()
    failed = failed_at(over(sshd, remote))
    assert failed.failure_class == "connection-refused"
    assert "connect" in str(failed)


def test_one_that_hangs_before_it_says_a_word_is_given_up(remote, tmp_path):
    server = Sshd(tmp_path / "sshd")
    with socket.create_server(("127.0.0.1", server.port)):
        failed = failed_at(over(server, remote, ConnectTimeout="1"))
    assert failed.failure_class == "timeout"
    assert "host key: no answer within 1 s" in str(failed)


def test_one_that_hangs_in_the_middle_is_given_up(sshd, remote):
    """Frozen after the login: what we ask next finds no answer, and the connection is taken for dead."""
    with closing(open_root(over(sshd, remote))) as folder:
        sshd.freeze()
        with pytest.raises(BackupFailed) as caught:
            folder.names()
    assert caught.value.failure_class == "ssh-transport"
    assert "lost" in str(caught.value)


def test_each_phase_has_a_deadline_of_its_own(sshd, remote, monkeypatch):
    monkeypatch.setitem(ssh_phases.SECONDS, Phase.FSYNC, 0.5)
    with closing(open_root(over(sshd, remote, ServerAliveInterval="60"))) as folder:
        writing = folder.create("file")
        writing.write(memoryview(b"x" * MIB))
        sshd.freeze()
        with pytest.raises(BackupFailed) as caught:
            writing.sync()
    assert caught.value.failure_class == "timeout"
    assert "fsync" in str(caught.value) or "transfer" in str(caught.value)


def test_a_copy_that_broke_is_gone_on_with_where_the_bytes_are_the_same(shared_sshd, remote, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    data = os.urandom(9 * MIB + 12345)
    (here / "dump.rdb").write_bytes(data)
    for there, same in (
        (data[: 8 * MIB], 8 * MIB),
        (data[: 8 * MIB + 77], 8 * MIB + 77),
        (data, len(data)),
        (b"", 0),
        (data[: 3 * MIB] + b"?" + data[3 * MIB + 1 : 5 * MIB], 3 * MIB // BLOCK * BLOCK),
        (data + b"too long", None),
    ):
        (remote / "dump.rdb").write_bytes(there)
        with closing(open_root(over(shared_sshd, remote))) as folder, closing(open_directory(here)) as ours:
            record, kept = finished(going_on("dump.rdb", ours, folder))
            assert record == finished(hashing("dump.rdb", ours))
        assert (remote / "dump.rdb").read_bytes() == data
        assert same is None or kept == same
    with (
        closing(open_root(over(shared_sshd, remote))) as folder,
        closing(folder.read("dump.rdb", start=MIB + 1)) as rest,
    ):
        assert b"".join(iter(rest.read, b"")) == data[MIB + 1 :]


def test_what_is_replaced_is_the_old_or_the_new(shared_sshd, remote):
    with closing(open_root(over(shared_sshd, remote))) as folder:
        for text in (b"one", b"two"):
            replace_small("it", text, folder)
            assert read_small("it", folder) == text
        with pytest.raises(FileExistsError):
            folder.create("it")
        with pytest.raises(FileExistsError):
            folder.make("it")
        with pytest.raises(FileNotFoundError):
            folder.see("nothing")
        with pytest.raises(NotADirectoryError):
            folder.folder("it")
        (remote / "link").symlink_to("it")
        with pytest.raises(OSError, match="plain"):
            folder.read("link")


async def test_a_killed_copy_is_gone_on_with_by_the_next_run(source, shared_sshd, remote):
    """The child that copies is killed in the middle; what was sent is compared and not sent again."""
    with source.client() as client:
        client.config_set("rdbcompression", "no")
        client.set("big", os.urandom(24 * MIB))
    backup = remote_backup(source, shared_sshd, remote)
    taken = await backup.take("r", 0, "", 1)
    size = sum(file["size"] for file in taken["manifest"]["files"])
    slow = replace(backup.settings.destination.ssh, bytes_per_second=24 * MIB)
    broken = RedisBackup(replace(backup.settings, destination=replace(backup.settings.destination, ssh=slow)))
    over_, sent = threading.Event(), 0

    def watch() -> None:
        nonlocal sent
        while not over_.wait(0.01):
            for file in remote.glob("backups/redis/*.partial/dump.rdb"):
                if (sent := file.stat().st_size) > 8 * MIB:
                    for child in killable.at_work():
                        os.kill(child.process.pid, signal.SIGKILL)
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(BackupFailed) as caught:
            await broken.copy(taken)
    finally:
        over_.set()
        watcher.join()
    assert caught.value.failure_class == "io-error"
    copied = await backup.copy(taken)
    assert copied["keptBytes"] >= 0.9 * sent
    assert copied["sentBytes"] == size - copied["keptBytes"]
    proven = await backup.verify(taken, copied)
    published = await backup.publish(taken, copied, proven)
    assert [p.name for p in (remote / "backups/redis").iterdir() if not p.is_symlink()] == [published["id"]]


async def test_where_the_other_end_lacks_opensshs_additions_it_works_all_the_same_and_says_so(shared_sshd, remote):
    with closing(open_root(over(shared_sshd, remote))) as folder:
        handler = folder._session._sftp._handler
        for name in ("fsync", "posix_rename", "statvfs"):
            setattr(handler, f"_supports_{name}", False)
        replace_small("it", b"one", folder)
        replace_small("it", b"two", folder)
        assert read_small("it", folder) == b"two"
        assert folder.free() is None
        lacks = ["fsync", "fsync of directories", "posix-rename", "statvfs"]
        assert folder.about()["lacks"] == lacks


async def test_a_copy_uses_no_more_of_the_line_than_it_may(shared_sshd, remote):
    asked = []
    options = replace(over(shared_sshd, remote), ssh=replace(shared_sshd.options(), bytes_per_second=MIB))
    with closing(open_root(options)) as folder:
        session = folder._session
        session.wait = asked.append
        for _ in range(4):
            session.pace(MIB)
    assert asked[0] <= 1.0
    assert sum(asked) >= 4 * 0.95, "each megabyte waits for those before it"
