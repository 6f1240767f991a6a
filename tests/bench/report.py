"""The report: the figures as Markdown tables, and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench import disturbances, in_tls_table, several_rooms
from tests.bench.cases import Bench
from tests.bench.peers import GCHAT, GCHAT_FULL, GCHAT_NORMAL, GCHAT_RICH
from tests.bench.run import LOAD_CORE, SERVER_CORE, Figure, Run
from tests.bench.tables import Row, groups, median, rate, table

#: case, clients: what is compared with the limit, by which figure, what is wanted, and whether more is better.
WANTED: list[tuple[str, int, str, str, float, bool]] = [
    ("fanout", 100, "peak fan-out, 10 senders, 100 readers", "deliveries_per_s", 0.95, True),
    ("fanout", 900, "peak fan-out, 10 senders, 900 readers", "deliveries_per_s", 1.05, True),
    ("fanout", 5000, "peak fan-out, 10 senders, 5,000 readers", "deliveries_per_s", 1.05, True),
    ("fanout", 15000, "peak fan-out, 10 senders, 15,000 readers", "deliveries_per_s", 1.0, True),
    ("all", 900, "peak fan-out, 900 senders of 900", "deliveries_per_s", 0.9, True),
    ("small", 10, "small room, 10 clients, all talking", "deliveries_per_s", 0.7, True),
    ("paced", 1000, "50 messages/s to 1,000 readers: CPU per delivery", "cpu_us_per_delivery", 1.12, False),
    ("paced", 1000, "50 messages/s to 1,000 readers: p99", "p99_ms", 1.5, False),
]

#: Deliveries to rich readers, of those to as many plain ones.
RICH_WANTED = 0.85

#: Peak fan-out with history on disk, beside the limit; and what the disk may add to the latency.
DISK_WANTED = {GCHAT_FULL.name: 0.85, GCHAT_NORMAL.name: 0.85}
DISK_MORE_MS = 3.0

UNITS: dict[str, Callable[[float], str]] = {
    "deliveries_per_s": lambda value: f"{rate(value)}/s",
    "cpu_us_per_delivery": lambda value: f"{value:.2f} µs",
    "p99_ms": lambda value: f"{value:.2f} ms",
}


def raw(bench: Bench) -> dict[str, Any]:
    """Everything measured, for JSON."""
    return {
        "machine": machine(),
        "rounds": bench.rounds,
        "runs": bench.runs,
        "figures": [_raw_figure(figure) for figure in bench.figures],
        "holds": bench.holds,
        "attacked": bench.attacked,
        "at_door": bench.at_door,
    }


def _raw_figure(figure: Figure) -> dict[str, Any]:
    return {name: getattr(figure, name) for name in ("what", "unit", "values", "wanted", "reached")}


def machine() -> dict[str, str]:
    """What it was measured on."""
    found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": found[0].partition(":")[2].strip() if found else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "gevent": version("gevent"),
    }


def markdown(bench: Bench, absent: list[str]) -> str:
    """The report as people read it."""
    sections = (
        *(_wanted, _rich, several_rooms.table, in_tls_table.table, _disk, _fanout, _silent, _stuck, _memory, _alone),
        *(disturbances.hold, disturbances.attacks, disturbances.door, disturbances.limits, disturbances.window),
    )
    parts = [_head(bench, absent), *(part for section in sections if (part := section(bench)))]
    return "\n\n".join(parts) + "\n"


def _head(bench: Bench, absent: list[str]) -> str:
    where = machine()
    pinned = (
        f"server alone on core {SERVER_CORE}, load on core {LOAD_CORE}"
        if SERVER_CORE != LOAD_CORE
        else "server and load on the same core: there is only one"
    )
    notes = [
        "{cpu}, {cores} cores, Linux {kernel}, Python {python}, gevent {gevent}; ".format(**where) + f"{pinned}.",
        "gchat in plain dialect, history in memory, no rate limit."
        + (f" gchat and the limit in turn, medians of {bench.rounds} rounds; peers once." if bench.rounds > 1 else ""),
    ]
    if bench.limit:
        notes.append("The limit is a C epoll server that relays lines, gathered per client, and does nothing else.")
    if not bench.generator.is_c:
        notes.append("**No C compiler here: the load is made by load.py, which is what these figures measure.**")
    if absent:
        notes.append(f"Not installed here: {', '.join(absent)}.")
    return "# gchat measured\n\n" + "\n".join(notes)


def _wanted(bench: Bench) -> str:
    rows = []
    for case, clients, what, figure, bound, more in WANTED:
        runs = [run for run in bench.runs if run.case == case and run.ask.clients == clients]
        ours = median((run for run in runs if run.server == GCHAT.name), figure)
        limit = median((run for run in runs if bench.limit and run.server == bench.limit.name), figure)
        if not ours or not limit:
            continue
        met = ours / limit >= bound if more else ours / limit <= bound
        shown = UNITS[figure]
        wanted = f"{'≥' if more else '≤'} {bound:.2f}"
        rows.append([what, shown(ours), shown(limit), f"{ours / limit:.2f}", wanted, "yes" if met else "**no**"])
    return table("Against the limit", ["", "gchat", "limit", "ratio", "wanted", "reached"], rows)


def _rich(bench: Bench) -> str:
    rows = []
    for size in sorted({run.ask.clients for run in bench.runs if run.case == "rich"}):
        runs = [run for run in bench.runs if run.case == "rich" and run.ask.clients == size]
        rich, plain = (
            median((run for run in runs if run.server == kind.name), "deliveries_per_s") for kind in (GCHAT_RICH, GCHAT)
        )
        if rich and plain:
            met = "yes" if rich / plain >= RICH_WANTED else "**no**"
            ratio = [f"{rich / plain:.2f}", f"≥ {RICH_WANTED:.2f}", met]
            rows.append([f"{size:,}", f"{rate(rich)}/s", f"{rate(plain)}/s", *ratio])
    note = "Peak fan-out, 10 senders, when all speak the rich dialect, beside the plain one. A rich line is longer."
    return table("The rich dialect", ["readers", "rich", "plain", "ratio", "wanted", "reached"], rows, note)


def _disk(bench: Bench) -> str:
    rows = []
    runs = [run for run in bench.runs if run.case == "disk"]
    for clients in sorted({run.ask.clients for run in runs}, reverse=True):
        asked = [run for run in runs if run.ask.clients == clients]

        def of(server: str, figure: str, asked: list[Run] = asked) -> float:
            return median((run for run in asked if run.server == server), figure) or 0.0

        limit, memory = of(bench.limit.name if bench.limit else "", "deliveries_per_s"), of(GCHAT.name, "p50_ms")
        for server, wanted in DISK_WANTED.items():
            deliveries, p50 = of(server, "deliveries_per_s"), of(server, "p50_ms")
            if asked[0].ask.rate:
                more = p50 - memory
                met = [f"{more:+.2f} ms", f"≤ {DISK_MORE_MS:g} ms", "yes" if more <= DISK_MORE_MS else "**no**"]
                rows.append([f"{clients:,}, {asked[0].ask.rate:g} messages/s", server, f"p50 {p50:.2f} ms", *met])
            elif limit and deliveries:
                ratio = deliveries / limit
                met = [f"{ratio:.2f}", f"≥ {wanted:.2f}", "yes" if ratio >= wanted else "**no**"]
                rows.append([f"{clients:,}", server, f"{rate(deliveries)}/s", *met])
    note = (
        "Peak fan-out with history in a file beside the limit, which keeps nothing; and what the file adds to the "
        "latency of history in memory, at a quiet pace. Full: synced before it is shown."
    )
    return table("On disk", ["readers", "server", "figure", "beside", "wanted", "reached"], rows, note)


def _fanout(bench: Bench) -> str:
    rows = []
    titles = {"fanout": "", "all": ", all talking", "small": ", all talking", "paced": ", 50 messages/s"}
    for case, title in titles.items():
        for server, clients, runs in groups(run for run in bench.runs if run.case == case):
            rows.append([f"{clients:,}{title}", server, *_figures(runs)])
    head = [
        "clients",
        "server",
        "deliveries/s",
        "CPU each",
        "p50",
        "p99",
        "server CPU",
        "load CPU",
        "skipped",
        "missing",
        "closed",
    ]
    note = (
        "At peak 64 messages of 80 bytes are on their way at any time, so latency is what that many take. Skipped: not "
        "delivered, and the reader was told how many. Missing: not delivered when nothing more came, and nobody said "
        "so. Load CPU near 100 %: the load generator was the bottleneck. Every server has one core."
    )
    return table("Fan-out", head, rows, note)


def _figures(runs: list[Run]) -> Row:
    good = [run for run in runs if not run.failure]
    if not good:
        return [runs[0].failure, *[""] * 8]

    def of(figure: str) -> float:
        return median(good, figure) or 0.0

    return [
        rate(of("deliveries_per_s")),
        f"{of('cpu_us_per_delivery'):.2f} µs",
        *(f"{of(name):.2f} ms" for name in ("p50_ms", "p99_ms")),
        *(f"{of(name):.0%}" for name in ("server_cpu", "load_cpu")),
        *(f"{sum(getattr(run, name) for run in good):,}" for name in ("skipped", "missing", "closed")),
    ]


def _silent(bench: Bench) -> str:
    rows = []
    for _, clients, runs in groups(run for run in bench.runs if run.case == "silent" and not run.failure):
        silent, total = runs[0].ask.silent, sum(run.ask.silent for run in runs)
        p99, rss, tcp = (median(runs, name) or 0.0 for name in ("p99_ms", "rss_mib", "tcp_mib"))
        know = f"{sum(run.silent_know for run in runs):,} of {total:,}" if total else ""
        lost = [f"{sum(getattr(run, name) for run in runs):,}" for name in ("skipped", "missing", "silent_closed")]
        memory = [f"{rss:.0f} MiB", f"{tcp:.0f} MiB", f"{rss + tcp:.0f} MiB"]
        rows.append([f"{silent:,} beside {clients:,}", f"{p99:.2f} ms", *lost, know, *memory])
    head = [
        "silent",
        "p99 of the others",
        "skipped",
        "missing",
        "silent closed",
        "silent who know",
        "RSS",
        "kernel TCP",
        "in all",
    ]
    note = (
        "50 lines of 1 kB a second. Silent readers join and read nothing until the end; then those *know* for whom the "
        "messages that come, and those that they are told they missed, add up to all that was said. Kernel: both ends "
        "of all connections."
    )
    return table("Readers that do not read", head, rows, note)


def _stuck(bench: Bench) -> str:
    runs = [run for run in bench.runs if run.case == "stuck"]
    rows = []
    for alone, beside in zip(runs[::2], runs[1::2], strict=True):  # without, and with
        row = [alone.server, f"{alone.ask.size:,}", alone.failure or rate(alone.deliveries_per_s)]
        if beside.failure:
            rows.append([*row, beside.failure, "", "", "", ""])
            continue
        memory = f"{beside.rss_mib + beside.tcp_mib:.0f} MiB"
        rows.append(
            [*row, rate(beside.deliveries_per_s), f"{beside.skipped:,}", f"{beside.missing:,}", _fate(beside), memory]
        )
    head = [
        "server",
        "bytes a line",
        "deliveries/s without",
        "with one",
        "skipped",
        "missing",
        "the silent one",
        "RSS and kernel",
    ]
    healthy = runs[0].ask.clients if runs else 0
    note = (
        f"Beside {healthy} healthy readers, of whom 10 send as fast as they may: 64 lines are on their way. Skipped "
        "and missing are those of the healthy. A server that delivers 0 waits for the one."
    )
    return table("One reader that does not read, at full speed", head, rows, note)


def _fate(run: Run) -> str:
    if run.silent_closed:
        return "is closed"
    if not run.silent_know:
        return "is kept, and misses some"
    return f"is told that it missed {run.silent_told:,}" if run.silent_told else "has all of it waiting"


def _memory(bench: Bench) -> str:
    rows = []
    for server, clients, runs in groups(run for run in bench.runs if run.case == "idle"):
        each = median(runs, "kib_per_connection")
        rows.append([server, f"{clients:,}", runs[0].failure if each is None else f"{each:.1f} KiB"])
    return table("Memory", ["server", "idle connections", "RSS each"], rows, "Wanted of gchat, with 5,000: ≤ 12 KiB.")


def _alone(bench: Bench) -> str:
    rows = []
    for figure in bench.figures:
        judged, least, most = (
            f"{value:,.{0 if value >= 1000 else 2}f} {figure.unit}"
            for value in (figure.judged(figure.values), min(figure.values), max(figure.values))
        )
        wanted = f"{'≥' if figure.more else '≤'} {figure.wanted:,g} {figure.unit}"
        rows.append([figure.what, judged, least, most, wanted, "yes" if figure.reached else "**no**"])
    note = (
        "A start is from that of the process until somebody can connect, or until the first bytes of the greeting; in "
        "plain those wait 0.15 s for somebody who speaks rich. A bare server is a gevent StreamServer that greets at "
        "once, started just before. What is measured is the median where nothing else is said."
    )
    return table("By itself", ["", "measured", "least", "most", "wanted", "reached"], rows, note)
