"""What was measured becomes verdicts, lines of JSON, and tables in the documents."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bench.contestants import PEERS, ROOT, version
from bench.figures import Figure, Report, figures_of, read
from bench.reaches import REACHES, Reach, Verdict, lanes_share
from bench.rows import NAMES
from bench.tables import asides, reach_rows

from bench import markdown

MACHINE = {"date": "today", "cores": 2, "load": 0.5, "python": "3.11", "store": "Valkey 9", "size": "FULL", "peers": {}}


def report(*figures: tuple[str, str, str, float]) -> Report:
    return Report(dict(MACHINE), [Figure(row, who, what, value) for row, who, what, value in figures])


def reach(what: str) -> Reach:
    return next(r for r in REACHES if r.what == what)


@pytest.mark.parametrize(("measured", "verdict"), [(0.9, Verdict.MET), (1.0, Verdict.MET), (1.1, Verdict.MISSED)])
def test_a_reach_from_above_is_met_at_its_limit(measured: float, verdict: Verdict) -> None:
    assert reach("idle: XADD → handler starts, p50").verdict(report(("idle", "bus", "p50_ms", measured))) is verdict


def test_a_reach_from_below_is_missed_under_its_limit() -> None:
    drained = reach("runs without steps, drained")
    assert drained.verdict(report(("drained", "bus", "per_second", 19_999))) is Verdict.MISSED
    assert drained.verdict(report(("drained", "bus", "per_second", 20_000))) is Verdict.MET


def test_what_has_no_figure_is_not_measured_rather_than_missed() -> None:
    alone = report(("drained", "bus", "per_second", 50_000))
    assert reach("… of the best peer here").verdict(alone) is Verdict.UNMEASURED
    with_peers = report(("drained", "bus", "per_second", 50_000), ("drained", "arq", "per_second", 5_000))
    assert reach("… of the best peer here").value(with_peers) == 10


def test_two_workers_are_measured_against_what_the_store_leaves_them() -> None:
    lanes = [("1 worker", "per_second", 10_000), ("2 workers", "per_second", 15_000)]
    costs = [("1 worker", "worker_us", 90), ("1 worker", "store_us", 30)]
    figures = [("lanes", who, what, float(value)) for who, what, value in lanes + costs]
    assert lanes_share(report(*figures)) == pytest.approx(1.0)  # 2 / (1 + 30/90) is 1.5


def test_every_row_has_something_to_reach() -> None:
    assert {r.row for r in REACHES} == set(NAMES)


def test_figures_are_medians_and_losses_of_all_rounds_add_up() -> None:
    answers = [{"per_second": v, "count": 5, "lost": 1} for v in (3.0, 9.0, 4.0)]
    (figure,) = figures_of("drained", "bus", answers)
    assert (figure.value, figure.rounds, figure.lost) == (4.0, [3.0, 9.0, 4.0], 3)
    again = read(Report(dict(MACHINE), [figure]).lines())
    assert again.figures == [figure]
    assert asides(again) == ["drained: bus: 3 lost"]


def test_the_documents_have_their_places_and_keep_the_rest(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/performance.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    once = report(("idle", "bus", "p50_ms", 0.7))
    markdown.write(once, tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "| idle: XADD → handler starts, p50 | ≤ 1.0 ms | 0.7 ms | met |" in text
    assert text.partition(markdown.BEGIN)[0] == (ROOT / "README.md").read_text().partition(markdown.BEGIN)[0]
    markdown.write(once, tmp_path)
    assert (tmp_path / "README.md").read_text() == text


def test_a_document_without_its_place_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks its markers"):
        markdown.between("# Nothing here", "new")


def test_rows_that_were_not_asked_for_are_not_told() -> None:
    assert {line[0] for line in reach_rows(report(("idle", "bus", "p50_ms", 0.7)))} == {
        "idle: XADD → handler starts, p50",
        "… p99",
    }


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_is_pinned_with_hashes_and_has_its_reason(peer: str) -> None:
    wanted = (ROOT / "bench" / "peers" / f"{peer}.in").read_text()
    package, _, number = version(peer).partition(" ")
    assert f"{package}=={number}" in wanted
    assert wanted.startswith("# ")
    assert (ROOT / "bench" / "peers" / f"{peer}.txt").read_text().count("--hash=sha256:") > 5
