from __future__ import annotations

import io
from pathlib import Path

import anyio
from tests.pod.conftest import eventually

from joelclaw_bus.observer import StoreBack, StoreTrouble, StreamLost
from joelclaw_pod.last_resort import FILE, FILE_BYTES, LastResort, StoreWatch

WHERE = "redis://h:1"
TROUBLE = StoreTrouble(WHERE, "reading", "no answer from redis://u:hunter2@h:1\nat all")
BACK = StoreBack(WHERE, 1.0)


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def watch(threshold: float = 5.0) -> tuple[StoreWatch, io.StringIO, list[float]]:
    out, now = io.StringIO(), [100.0]
    return StoreWatch(LastResort("router", stream=out), threshold, clock=lambda: now[0]), out, now


def test_a_lasting_trouble_is_told_once_and_its_end_once() -> None:
    watcher, out, now = watch()
    watcher.saw(TROUBLE)
    assert watcher.step() == 5.0
    assert out.getvalue() == ""
    for at in (105.0, 106.0, 200.0):
        now[0] = at
        watcher.step()
    watcher.saw(BACK)
    watcher.saw(BACK)
    opened, resolved = out.getvalue().splitlines()
    assert opened.startswith("ALERT opened store/unavailable service=router: redis://h:1 since 5 s: reading: no answer")
    assert resolved == "ALERT resolved store/unavailable service=router: redis://h:1 is back after 100 s"
    assert "hunter2" not in out.getvalue()


def test_a_blip_is_told_by_nobody() -> None:
    watcher, out, now = watch()
    watcher.saw(TROUBLE)
    now[0] = 104.9
    watcher.step()
    watcher.saw(BACK)
    now[0] = 200.0
    watcher.step()
    assert out.getvalue() == ""


def test_a_second_spell_is_told_anew() -> None:
    watcher, out, now = watch()
    for _ in range(2):
        watcher.saw(TROUBLE)
        now[0] += 6
        watcher.step()
        watcher.saw(BACK)
    assert out.getvalue().count("ALERT opened") == 2


def test_resolved_is_not_told_where_opened_was_not() -> None:
    now = [0.0]
    out = Broken()
    watcher = StoreWatch(LastResort("router", stream=out), clock=lambda: now[0])
    watcher.saw(TROUBLE)
    now[0] = 6.0
    assert watcher.step() == 1.0  # nobody took it: it is tried again
    watcher.resort.stream = good = io.StringIO()
    watcher.saw(BACK)
    assert good.getvalue() == ""


def test_the_file_has_it_too_and_stays_bounded(tmp_path: Path) -> None:
    resort = LastResort("router", tmp_path, Broken())
    assert resort.tell("opened", "store/unavailable", "gone")
    line = (tmp_path / FILE).read_text()
    assert line.endswith("ALERT opened store/unavailable service=router: gone\n")
    (tmp_path / FILE).write_text("x" * (FILE_BYTES + 1))
    assert resort.tell("opened", "store/unavailable", "gone")
    assert (tmp_path / FILE).stat().st_size < 1000
    assert (tmp_path / "alerts.log.1").exists()


def test_a_missing_directory_ends_nothing(tmp_path: Path) -> None:
    out = io.StringIO()
    assert LastResort("router", tmp_path / "gone", out).tell("opened", "c", "t")
    assert not LastResort("router", tmp_path / "gone", Broken()).tell("opened", "c", "t")


async def test_the_loop_tells_soon_after_the_threshold() -> None:
    out = io.StringIO()
    watcher = StoreWatch(LastResort("router", stream=out), threshold=0.1)

    async def said() -> bool:
        return bool(out.getvalue())

    async with anyio.create_task_group() as group:
        group.start_soon(watcher.run)
        await anyio.sleep(0.05)
        watcher.saw(TROUBLE)
        await eventually(said, 20)
        group.cancel_scope.cancel()
    assert out.getvalue().count("ALERT opened") == 1


def test_streams_that_are_lost_together_are_told_in_one_line_and_never_resolved() -> None:
    watcher, out, now = watch()
    for name in ("b/two", "a/one", "b/two"):
        watcher.saw(StreamLost("fn", name, "0-0"))
        assert out.getvalue() == ""
    assert watcher.step() == 1.0
    now[0] = 101.0
    watcher.step()
    watcher.step()
    watcher.saw(BACK)
    (line,) = out.getvalue().splitlines()
    assert line.startswith("ALERT opened store/data-lost service=router: 2 streams or groups of this service were lost")
    assert ": a/one, b/two; what they held is gone" in line
    watcher.saw(StreamLost("fn", "a/one", "0-0"))
    now[0] = 103.0
    watcher.step()
    assert out.getvalue().count("ALERT opened store/data-lost") == 2


def test_a_loss_that_nobody_took_is_told_again() -> None:
    now = [0.0]
    watcher = StoreWatch(LastResort("router", stream=Broken()), clock=lambda: now[0])
    watcher.saw(StreamLost("fn", "a/one", "0-0"))
    now[0] = 2.0
    assert watcher.step() == 1.0
    watcher.resort.stream = good = io.StringIO()
    watcher.step()
    assert "store/data-lost" in good.getvalue()
