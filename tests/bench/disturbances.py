"""The tables on users who are disturbed: by what others ask, by attacks, by limits."""

from __future__ import annotations

import statistics

from tests.bench.canary import LISTENERS, MORE_MS, PACE_S, SPEAKERS, TIMES, Attacked, Waits
from tests.bench.cases import Bench
from tests.bench.run import Run
from tests.bench.tables import Row, median, table


def hold(bench: Bench) -> str:
    rows = [
        [
            *(hold.server, hold.asked, f"{hold.members:,}"),
            *(f"{value:.2f} ms" for value in (hold.median_ms, hold.p99_ms, hold.max_ms)),
        ]
        for hold in bench.holds
    ]
    note = (
        "Measured from outside: a user in another room sends a `/ping` every 10 ms, whatever becomes of the answers, "
        "and each counts from when it was sent. Meanwhile somebody asks this ten times a second in the room of many. "
        "“Nothing” is the pings alone. Wanted: p99 at most 10 ms, most at most 25 ms."
    )
    header = ["server", "asked", "in a room of", "median", "p99", "most"]
    return table("How long others wait for one", header, rows, note)


def attacks(bench: Bench) -> str:
    """How late the users of a small room hear each other under each attack, beside without."""
    found: dict[tuple[str, str], list[Attacked]] = {}
    for one in bench.attacked:
        found.setdefault((one.server, one.attack), []).append(one)
    rows = []
    for (server, attack), together in found.items():
        failures = [one.failure for one in together if one.failure]
        calm = [one.calm for one in together if one.calm and not one.failure]
        under = [one.under for one in together if one.under and not one.failure]
        if failures or not calm:
            rows.append([attack, server, *[""] * 6, failures[0], "**no**"])
            continue
        more = statistics.median(one.more_ms for one in together)
        mib = [f"{max(one.calm_mib for one in together):.0f}", f"{max(one.most_mib for one in together):.0f} MiB"]
        figures = [*_waits(calm), *_waits(under), f"{more:+.1f} ms", " → ".join(mib)]
        rows.append([attack, server, *figures, "yes" if more <= MORE_MS else "**no**"])
    head = ["attack", "server", *("p50", "p99", "most"), *(f"{name} under it" for name in ("p50", "p99", "most"))]
    note = (
        f"{SPEAKERS} users in a small room say {1 / PACE_S:.0f} lines a second together, whatever becomes of them, and "
        "each line counts from when it was sent until another user there hears it; first without, and then while one "
        "program on the load's core does the worst that it can with the default limits, history on disk and synced. "
        f"Wanted: a p99 at most {MORE_MS:.0f} ms above that without, of the same server just before. Memory: the most "
        "that was resident."
    )
    return table("A small room under attack", [*head, "p99 more", "memory", "reached"], rows, note)


def door(bench: Bench) -> str:
    """How late a hundred users hear each other while others try to come in, beside without."""
    found: dict[str, list[Attacked]] = {}
    for one in bench.at_door:
        found.setdefault(one.attack, []).append(one)
    rows = []
    for attack, together in found.items():
        measured = [(one.calm, one.under) for one in together if one.calm and one.under and not one.failure]
        if len(measured) < len(together):
            rows.append([attack, *[""] * 6, next(one.failure for one in together if one.failure), "**no**"])
            continue
        times = statistics.median(one.times for one in together)
        calm, under = [before for before, _ in measured], [after for _, after in measured]
        reached = "yes" if times <= TIMES else "**no**"
        rows.append([attack, *_waits(calm), *_waits(under), f"{times:.2f}", reached])
    head = ["attack", *("p50", "p99", "most"), *(f"{name} under it" for name in ("p50", "p99", "most"))]
    note = (
        f"As above, with {LISTENERS} more users in the room, and no network exempt: a thousand passwords a second from "
        "one address, and from 250; as many lines as are read from 250 addresses; a banned user who tries a thousand "
        "times a second, and as often as goes; a thousand connections a second of a trusted proxy that never says "
        "whose they are; a thousand handshakes of TLS at a time that stop half-way, from 250 addresses. Wanted: a p99 "
        f"at most {TIMES:.0f} times that without."
    )
    return table("The door under attack", [*head, "p99 ratio", "reached"], rows, note)


def _waits(measured: list[Waits]) -> Row:
    return [f"{statistics.median(getattr(waits, name) for waits in measured):.1f} ms" for name in ("p50", "p99", "max")]


def limits(bench: Bench) -> str:
    found: dict[tuple[int, str], list[Run]] = {}
    for run in bench.runs:
        if run.case == "limits" and not run.failure:
            found.setdefault((run.ask.clients, run.server), []).append(run)
    rows = [
        [
            *(server, f"{clients:,}"),
            *(f"{median(runs, 'cpu_us_per_delivery') or 0:.2f} us", f"{median(runs, 'p99_ms') or 0:.2f} ms"),
            f"{sum(run.missing + run.closed for run in runs):,}",
        ]
        for (clients, server), runs in found.items()
    ]
    header = ["server", "clients", "CPU for each delivery", "p99", "missing, closed"]
    note = "Ten senders with 4 messages/s each, which the default limits allow. Wanted: as without limits."
    return table("With the default limits", header, rows, note)


def window(bench: Bench) -> str:
    found: dict[str, list[Run]] = {}
    for run in bench.runs:
        if run.case == "window" and not run.failure:
            found.setdefault(run.attack, []).append(run)
    calm = median(found.get("", []), "p99_ms")
    rows = []
    for attack, runs in found.items():
        p50, p99 = (median(runs, name) or 0.0 for name in ("p50_ms", "p99_ms"))
        lost = f"{sum(run.missing + run.closed for run in runs):,}"
        rows.append([attack or "none", f"{p50:.2f} ms", f"{p99:.2f} ms", f"{p99 / calm:.2f}" if calm else "", lost])
    note = (
        "50 messages/s to 100 readers, while one program on the load's core does this to the operator's window: a "
        "thousand heads at a byte a second; /status without a pause on four connections; no HTTP at all; heads and "
        "bodies without an end; event streams that nobody reads. Wanted: at most 2 times the p99 without."
    )
    return table("The operator's window under attack", ["attack", "p50", "p99", "ratio", "missing, closed"], rows, note)
