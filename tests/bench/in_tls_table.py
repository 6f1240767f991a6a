"""The table on readers in TLS: beside the limit, and beside plain ones."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import tables
from tests.bench.cases import Bench
from tests.bench.peers import GCHAT, GCHAT_TLS
from tests.bench.tables import Row, median, rate

#: Deliveries, of those of the limit in the clear; CPU for each, of that in the clear; KiB of an idle connection.
PEAK_WANTED, CPU_WANTED, KIB_WANTED = 0.40, 2.3, 28.0


def table(bench: Bench) -> str:
    """What was measured of TLS, and what is wanted."""
    note = "Each chunk is enciphered for each reader. The limit, and what is called plain, are in the clear."
    return tables.table("In TLS", ["", "measured", "beside", "ratio", "wanted", "reached"], [*_rows(bench)], note)


def _rows(bench: Bench) -> Iterator[Row]:
    def of(case: str, server: str, figure: str) -> float:
        return median((run for run in bench.runs if (run.case, run.server) == (case, server)), figure) or 0.0

    def readers(case: str) -> str:
        return next((f"{run.ask.clients:,} readers" for run in bench.runs if run.case == case), "")

    peak = of("tls", GCHAT_TLS.name, "deliveries_per_s")
    limit = of("tls", bench.limit.name if bench.limit else "", "deliveries_per_s")
    if peak and limit:
        met = peak / limit >= PEAK_WANTED
        what = [f"peak, 10 senders, {readers('tls')}; beside the limit", f"{rate(peak)}/s", f"{rate(limit)}/s"]
        yield [*what, f"{peak / limit:.2f}", f"≥ {PEAK_WANTED:.2f}", _yes(met)]
    ours, plain = (of("tls paced", server, "cpu_us_per_delivery") for server in (GCHAT_TLS.name, GCHAT.name))
    if ours and plain:
        met = ours / plain <= CPU_WANTED
        what = [f"50 messages/s to {readers('tls paced')}: CPU each", f"{ours:.2f} µs", f"{plain:.2f} µs"]
        yield [*what, f"{ours / plain:.2f}", f"≤ {CPU_WANTED:.1f}", _yes(met)]
    if kib := of("tls idle", GCHAT_TLS.name, "kib_per_connection"):
        yield [
            f"{readers('tls idle')} that do nothing: each",
            f"{kib:.1f} KiB",
            "",
            "",
            f"≤ {KIB_WANTED:g} KiB",
            _yes(kib <= KIB_WANTED),
        ]


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"
