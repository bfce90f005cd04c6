"""Sets that say themselves that they were proven: placed by somebody, or all there is on a new machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from joelclaw_backup import provider
from joelclaw_backup.destination import Destination
from joelclaw_backup.killable import finished
from joelclaw_backup.looking import Shelved, rechecking
from joelclaw_cli.backup.found import shown
from joelclaw_cli.failures import Failure
from joelclaw_health.probes.artefact import judged
from joelclaw_health.probes.shelf import newest
from tests.health.test_artefact import SHELF
from tests.support.shelves import Shelf

TARGET = "typesense"


@pytest.fixture
def shelf(tmp_path: Path, nas: Path) -> Shelf:
    return Shelf(nas, tmp_path / "state/backup-checks" / TARGET)


def standings(environ: dict[str, str]) -> dict[str, str]:
    return {a["id"]: a["standing"] for a in provider.list_artefacts(environ, TARGET)}


def test_sets_that_were_put_there_whole_under_new_ids_are_nobodys_newest_and_push_none_out(shelf, environ, nas):
    ours = [shelf.add(n, TARGET) for n in range(2)]
    placed = [shelf.add(n, TARGET, noted=False) for n in range(2, 12)]
    keeping = environ(json.dumps({"backup": {"destination": {"path": str(nas), "keep": 1, "keepAtLeast": 1}}}))
    assert standings(keeping) == {**{p.name: "claimed" for p in placed}, **{p.name: "verified" for p in ours}}
    assert provider.newest(keeping, TARGET)["id"] == ours[1].name
    assert provider.show(keeping, f"{TARGET}/latest")["id"] == ours[1].name
    told = newest(TARGET, keeping)
    assert ([row["id"] for row in told["newest"]], told["doubtful"]) == ([p.name for p in ours[::-1]], {"claimed": 10})
    done = provider.prune(keeping, TARGET)
    assert {p["id"] for p in done["pruned"]} <= {ours[0].name}
    assert all(path.is_dir() for path in (ours[1], *placed)), "what nobody here proved is nobody's to prune"


def test_a_new_machine_has_no_latest_and_restores_a_claimed_one_by_its_id(shelf, environ, tmp_path):
    paths = [shelf.add(n, TARGET, noted=False) for n in range(3)]
    assert provider.newest(environ(), TARGET) is None, "this machine has proven nothing"
    assert provider.show(environ(), f"{TARGET}/latest") is None
    assert provider.drill(environ(), f"{TARGET}/latest") is None
    assert provider.restore(environ(), f"{TARGET}/latest", str(tmp_path / "into")) is None
    assert not (tmp_path / "into").exists()
    told = provider.show(environ(), paths[2].name)
    assert (told["standing"], told["vouched"]) == ("claimed", False)
    assert f"joelclaw backup verify {paths[2].name}" in told["problem"]
    done = provider.restore(environ(), paths[2].name, str(tmp_path / "into"))
    assert (done["id"], (tmp_path / "into/snapshot.tar").read_bytes()) == (
        paths[2].name,
        (paths[2] / "snapshot.tar").read_bytes(),
    )


def test_the_claimed_set_that_is_named_is_the_one_proven_last_whatever_time_its_id_tells(shelf, environ, monkeypatch):
    shelf.add(9, TARGET, noted=False, proven=1)
    last = shelf.add(2, TARGET, noted=False, proven=5)
    shelf.add(3, "redis", shards=1, noted=False)
    for name, value in environ().items():
        monkeypatch.setenv(name, value)
    for wanted in ("latest", f"{TARGET}/latest"):
        with pytest.raises(Failure, match=f"{last.name} says itself") as told:
            shown(Path(environ()["JOELCLAW_STATE_DIR"]), wanted)
        assert f"joelclaw backup verify {last.name}" in (told.value.fix or "")


def test_a_person_who_has_one_verified_adopts_it_and_none_that_is_damaged(shelf, environ):
    good, bad = (shelf.add(n, TARGET, noted=False) for n in range(2))
    raw = bytearray((bad / "snapshot.tar").read_bytes())
    raw[5000] ^= 1
    (bad / "snapshot.tar").write_bytes(raw)
    latest = good.parent / "latest"
    latest.symlink_to(bad.name)  # as the suite left it that was here before
    provider.verify(environ(), bad.name)
    assert not latest.is_symlink(), "no set is verified here, so it names none"
    told = provider.verify(environ(), good.name)
    assert (told["ok"], told["standing"]) == (True, "verified")
    assert latest.readlink().name == good.name
    assert not provider.verify(environ(), bad.name)["ok"]
    assert standings(environ()) == {good.name: "verified", bad.name: "damaged"}
    assert provider.newest(environ(), TARGET)["id"] == good.name


def test_the_nightly_look_at_an_older_set_reads_claimed_ones_too_and_adopts_none(shelf, environ):
    paths = [shelf.add(n, TARGET, noted=n == 0) for n in range(3)]
    at = Shelved(Destination("directory", shelf.root), TARGET, shelf.aside)
    assert {finished(rechecking(at, ""))["id"] for _ in range(3)} == {path.name for path in paths}
    assert list(standings(environ()).values()) == ["verified", "claimed", "claimed"]


def test_health_tells_of_what_is_only_claimed_and_is_not_green_by_it():

    (sample,) = judged(SHELF, [], now=10**13, since=0, born=0, known=True, doubtful={"claimed": 3})
    assert (sample.outcome, "3 claimed" in sample.reason) == ("failing", True)


@pytest.mark.parametrize(("target", "shards"), [("typesense", 0), ("redis", 3)])
def test_as_many_nightly_looks_as_there_are_sets_read_every_byte_of_each_once(tmp_path, nas, target, shards):
    """Also of sets of several files, and the one file that spoils among them is found within as many nights."""
    shelf = Shelf(nas, tmp_path / "aside")
    paths = [shelf.add(n, target, shards=shards) for n in range(5)]
    at = Shelved(Destination("directory", nas), target, shelf.aside)
    for _ in range(2):
        told = [finished(rechecking(at, "")) for _ in paths]
        assert sorted(look["id"] for look in told) == sorted(path.name for path in paths)
        assert {look["verdict"] for look in told} == {"verified"}
        data = {p.name: sum(f.stat().st_size for f in p.iterdir() if f.suffix != ".json") for p in paths}
        assert {look["id"]: look["bytes"] for look in told} == data
    spoilt = sorted(f for f in paths[3].iterdir() if f.suffix != ".json")[-1]
    raw = bytearray(spoilt.read_bytes())
    raw[-1] ^= 1
    spoilt.write_bytes(raw)
    found = {look["id"]: look for look in (finished(rechecking(at, "")) for _ in paths)}
    assert found[paths[3].name]["verdict"] == "hash-differs"
    assert spoilt.name in found[paths[3].name]["detail"]
    assert len(found) == len(paths)
