"""What tables are made of: rows of text, medians, numbers as people say them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator

from tests.bench.run import Run

Row = list[str]


def rate(value: float) -> str:
    """A number of things a second, as people say it: 5.3 M, 87 k."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.{0 if value >= 100 * size else 1 if value >= 10 * size else 2}f} {unit}"
    return f"{value:.0f}"


def median(runs: Iterable[Run], figure: str) -> float | None:
    """The median of a figure of those of `runs` that came to one."""
    values = [getattr(run, figure) for run in runs if not run.failure]
    return statistics.median(values) if values else None


def table(title: str, head: Row, rows: list[Row], note: str = "") -> str:
    """A section with a table, in Markdown; nothing if there are no rows."""
    if not rows:
        return ""
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---", *["---:"] * (len(head) - 1)], *rows)]
    return f"## {title}\n\n" + (f"{note}\n\n" if note else "") + "\n".join(lines)


def groups(runs: Iterable[Run]) -> Iterator[tuple[str, int, list[Run]]]:
    """The runs of one server and one size together, by size."""
    found: dict[tuple[int, int, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.ask.clients, run.ask.silent, run.server), []).append(run)
    for (clients, _, server), together in sorted(found.items(), key=lambda item: item[0][:2]):
        yield server, clients, together
