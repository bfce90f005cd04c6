"""docs/security.md on a real server: its users can do what it says, and nothing else of what is the suite's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import NoPermissionError

from joelclaw_bus import Store, StoreSettings, open_store
from joelclaw_bus.doctor.access import judge_access
from joelclaw_bus.publisher import Publisher
from joelclaw_contracts import HealthCheckRequested
from tests.support.server import Server

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
RECIPES = {line.split()[2]: line.split() for line in re.findall(r"^    (ACL SETUSER .*)$", PAGE, re.MULTILINE)}
DOORS = {name: [w[3:] for w in words if w.startswith("%W~")] for name, words in RECIPES.items()}
OURS = (
    *("cron/tick", "healing/incident.approved", "healing/storm.seen", "system/backup.retry.requested"),
    *("{healing/incidents}:moves:open", "{system/self.healing.requested}:ids", "{bus}:workers"),
)

Login = Callable[[str], redis.Redis]


@pytest.fixture
def login(one_server: Server) -> Iterator[Login]:
    """A client of the user, whose password is its name."""
    clients = list[redis.Redis]()
    with one_server.client() as administrator:
        for name in ("producer", "observer", "bus"):
            administrator.execute_command(*RECIPES[name][:5], f">{name}", *RECIPES[name][6:])

        def of(name: str) -> redis.Redis:
            address = {"port": one_server.port, "socket_timeout": 20}
            clients.append(redis.Redis(username=name, password=name, protocol=2, **address))
            return clients[-1]

        yield of
        for client in clients:
            client.close()
        administrator.execute_command("ACL", "DELUSER", "producer", "observer", "bus")


@pytest.mark.parametrize("name", ["producer", "observer"])
def test_it_can_write_its_doors_and_nothing_that_is_the_suites_own(login: Login, name: str) -> None:
    client = login(name)
    assert [len(client.xadd(door, {"data": "{}"})) > 0 for door in DOORS[name]] == [True] * len(DOORS[name])
    mine = [door for door in DOORS[name] if name == "observer" or "completed" not in door]
    assert mine == DOORS[name], "the answers are no door of a producer"
    refused = [("XADD", key, "*", "data", "{}") for key in OURS]
    refused += [("XRANGE", DOORS[name][0], "-", "+"), ("GET", "x"), ("KEYS", "*"), ("HGETALL", "{bus}:workers")]
    refused += [("DEL", DOORS[name][0]), ("EVAL", "return 1", 0), ("CONFIG", "GET", "*"), ("CLIENT", "KILL", "ID", 1)]
    for command in refused:
        with pytest.raises(NoPermissionError):
            client.execute_command(*command)


async def test_the_services_user_publishes_and_administers_nothing(login: Login, one_server: Server) -> None:
    url = one_server.url.replace("://", "://bus:bus@")
    async with open_store(StoreSettings(url)) as store:
        assert await Publisher(store, source="tests").send(HealthCheckRequested(), id="a")
        assert await judge_access(store) == [], "it may not ask, and nothing is claimed"
    with pytest.raises(NoPermissionError):
        login("bus").execute_command("CONFIG", "SET", "appendonly", "no")


async def test_doctor_warns_of_a_store_that_lets_everybody_in(one_server: Server, store: Store) -> None:
    (warning,) = await judge_access(store)
    assert (warning.state, "docs/security.md" in warning.todo) == ("warning", True)
    async with open_store(StoreSettings(one_server.url)) as there:
        with one_server.client() as administrator:
            administrator.execute_command("ACL", "SETUSER", "default", "-@dangerous", "+acl")
            try:
                assert await judge_access(there) == [], "it is restricted"
            finally:
                administrator.execute_command("ACL", "SETUSER", "default", "+@all")
