"""The table on users who are in several rooms at once: what that costs, beside one room each."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import tables
from tests.bench.cases import Bench
from tests.bench.peers import GCHAT_RICH, GCHAT_SMALL_LOGS
from tests.bench.run import Run
from tests.bench.tables import Row, median, rate

#: Of the CPU for each delivery: what one room costs, of what ten do; and the limit, of what two busy rooms do.
TEN_ROOMS_WANTED, TWO_BUSY_WANTED = 0.95, 0.8

#: More memory for a session in 50 rooms than for one in one.
MORE_KIB = 10.0

#: The p99 of healthy readers beside silent ones, of that without; and the memory of all.
SILENT_P99, SILENT_MIB = 2.0, 300.0


def table(bench: Bench) -> str:
    """What was measured of several rooms, and what is wanted."""
    runs = [run for run in bench.runs if run.case.startswith("rooms")]
    rows = [*_peak(runs, bench), *_memory(runs), *_silent(runs)]
    note = (
        "All speak the rich dialect and are in all the rooms; the senders share out the *busy* ones among them. "
        "Peak fan-out, 10 senders: the CPU for each delivery is compared. The limit relays the same texts, from as "
        "many senders to as many readers, as plain lines in the one room that it has: those are half as long as rich "
        "ones. Memory is of sessions that come one after the other, and do nothing. Silent readers read nothing while "
        "50 lines of 1 kB a second are said, in 10 rooms with logs of 64 KiB; then those *know* for whom the messages "
        "that come, and those that they are told they missed, once in each room, add up to all that was said."
    )
    return tables.table("Several rooms", ["", "measured", "beside", "ratio", "wanted", "reached"], rows, note)


def _peak(runs: list[Run], bench: Bench) -> Iterator[Row]:
    def peak(server: str, rooms: int) -> tuple[float, str]:
        found = [run for run in runs if (run.case, run.server, run.ask.rooms) == ("rooms", server, rooms)]
        cpu_us, deliveries = (median(found, name) or 0.0 for name in ("cpu_us_per_delivery", "deliveries_per_s"))
        return cpu_us, f"{cpu_us:.3f} µs, {rate(deliveries)}/s"

    one, ten, two = (peak(GCHAT_RICH.name, rooms) for rooms in (1, 10, 2))
    limit = peak(bench.limit.name if bench.limit else "", 1)
    readers = next((f"{run.ask.clients:,} readers" for run in runs if run.case == "rooms"), "")
    for what, ours, other, wanted in (
        (f"{readers} in 10 rooms, 1 busy; beside 1 room", ten, one, TEN_ROOMS_WANTED),
        (f"{readers} in 2 busy rooms; beside the limit", two, limit, TWO_BUSY_WANTED),
    ):
        if ours[0] and other[0]:
            ratio = other[0] / ours[0]
            yield [what, ours[1], other[1], f"{ratio:.2f}", f"≥ {wanted:.2f}", _yes(ratio >= wanted)]


def _memory(runs: list[Run]) -> Iterator[Row]:
    one, many = (
        median((run for run in runs if run.case == "rooms idle" and run.ask.rooms == rooms), "kib_per_connection")
        for rooms in (1, 50)
    )
    if one and many:
        shown = [f"{many:.1f} KiB", f"{one:.1f} KiB", f"{many - one:+.1f} KiB", f"≤ {MORE_KIB:g} KiB"]
        yield ["RSS of a session in 50 rooms; beside 1 room", *shown, _yes(many - one <= MORE_KIB)]


def _silent(runs: list[Run]) -> Iterator[Row]:
    found = [run for run in runs if run.server == GCHAT_SMALL_LOGS.name and not run.failure]
    without, beside = ([run for run in found if bool(run.ask.silent) == silent] for silent in (False, True))
    calm, p99 = (median(some, "p99_ms") for some in (without, beside))
    if not calm or not p99:
        return
    ask = beside[0].ask
    what = f"{ask.silent:,} silent in {ask.rooms} rooms beside {ask.clients:,} who read"
    shown = [f"{p99:.2f} ms", f"{calm:.2f} ms", f"{p99 / calm:.2f}", f"≤ {SILENT_P99:.2f}"]
    yield [f"{what}: p99 of these; beside none silent", *shown, _yes(p99 <= SILENT_P99 * calm)]
    rss, tcp = (median(beside, name) or 0.0 for name in ("rss_mib", "tcp_mib"))
    memory = [f"{rss + tcp:.0f} MiB", f"RSS {rss:.0f}, kernel {tcp:.0f}", "", f"≤ {SILENT_MIB:g} MiB"]
    yield [f"{what}: memory, both ends in the kernel", *memory, _yes(rss + tcp <= SILENT_MIB)]
    know, silent = sum(run.silent_know for run in beside), sum(run.ask.silent for run in beside)
    notices, rooms = sum(run.silent_skips for run in beside), sum(run.ask.silent * run.ask.busy for run in beside)
    told = [f"{know:,} know", f"{notices:,} notices in {rooms:,} places", "", "all", _yes(know == silent)]
    yield [f"{what}: told once what they missed", *told]


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"
