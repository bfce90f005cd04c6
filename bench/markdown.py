"""Writes a report's tables into the documents, between their markers.

    python -m bench.markdown FIGURES.jsonl

README.md gets the short table (speeds and promises), docs/performance.md all of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.contestants import ROOT
from bench.figures import Report, read
from bench.tables import PEERS_HEAD, REACH_HEAD, asides, headline, peer_rows, reach_rows

BEGIN, END = "<!-- bench: begin (python -m bench --markdown) -->", "<!-- bench: end -->"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines])


def short(report: Report) -> str:
    reached = [(*line[:3], line[3].value) for line in reach_rows(report)]
    parts = [headline(report) + ":", table(REACH_HEAD, reached)]
    if lines := peer_rows(report):
        parts.append(table(PEERS_HEAD, lines))
    return "\n\n".join(parts)


def whole(report: Report) -> str:
    return "\n\n".join([short(report), "\n".join(f"- {aside}" for aside in asides(report))])


def between(text: str, new: str) -> str:
    """The text with what stands between its markers replaced. ValueError: it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document lacks its markers: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{new}\n\n{END}{after}"


def write(report: Report, root: Path = ROOT) -> list[Path]:
    documents = {root / "README.md": short(report), root / "docs" / "performance.md": whole(report)}
    texts = {path: between(path.read_text(), new) for path, new in documents.items()}
    for path, text in texts.items():
        path.write_text(text)
    return list(texts)


def main() -> int:
    if len(sys.argv) != 2:
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    with open(sys.argv[1]) as lines:
        print(*(f"written: {path}" for path in write(read(lines))), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
