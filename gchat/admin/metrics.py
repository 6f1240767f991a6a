"""The operator's measures under the names, units and types of Prometheus' conventions."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from gchat.admin.backend import Histogram, Measures, Operator

_COUNTERS = {
    "connections_opened": ("gchat_connections_opened", "Connections accepted since the start."),
    "messages": ("gchat_messages", "Messages said in all rooms."),
    "deliveries": ("gchat_deliveries", "Messages delivered, counted once for each reader."),
    "sent_bytes": ("gchat_sent_bytes", "Bytes sent to users."),
    "received_bytes": ("gchat_received_bytes", "Bytes received from users."),
    "skipped_messages": ("gchat_skipped_messages", "Messages that slow readers missed and were told about."),
    "commit_failures": (
        "gchat_commit_failures",
        "Batches of messages refused because they could not be stored.",
    ),
    "crashes": ("gchat_crashes", "Connections closed because of a fault in the server; its log has the details."),
}

_GAUGES = {
    "users_online": ("gchat_users_online", "Users online now."),
    "rooms": ("gchat_rooms", "Rooms with members."),
    "slow_readers": ("gchat_slow_readers", "Users whose kernel buffer is full now."),
    "hub_lag_s": ("gchat_hub_lag_seconds", "Largest delay of the event loop in the last second."),
    "descriptors_open": ("gchat_descriptors_open", "File descriptors in use."),
    "descriptors_max": ("gchat_descriptors_max", "Limit of file descriptors."),
    "room_log_bytes": ("gchat_room_log_bytes", "Bytes held for slow readers in all rooms."),
    "waiting_effects": ("gchat_waiting_effects", "Effects queued in the pump."),
    "oldest_effect_s": ("gchat_oldest_effect_seconds", "Age of the oldest effect that the pump has not carried out."),
}

_HISTOGRAMS = {
    "commit_s": ("gchat_commit_seconds", "Time to store one batch of messages."),
    "fan_out_s": ("gchat_fan_out_seconds", "Time to send one batch of messages to all readers."),
}


class GchatCollector(Collector):
    """Asks the operator at each scrape, so that counting costs the chat nothing more."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._version = operator.server().version
        self._started = _process_started()

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering asks for no measures."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return all metrics."""
        measures = self._operator.measures()
        for field, (name, help_) in _COUNTERS.items():
            yield CounterMetricFamily(name, help_, value=getattr(measures, field))
        yield _closed(measures)
        for field, (name, help_) in _GAUGES.items():
            yield GaugeMetricFamily(name, help_, value=getattr(measures, field))
        for field, (name, help_) in _HISTOGRAMS.items():
            yield _histogram(name, help_, getattr(measures, field))
        build = GaugeMetricFamily("gchat_build_info", "1, labelled with the version.", labels=["version"])
        build.add_metric([self._version], 1)
        yield build
        yield from self._process()

    def _process(self) -> Iterator[Metric]:
        # Not prometheus-client's own collector: it lists /proc/self/fd, which holds the hub when there are thousands.
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = usage.ru_utime + usage.ru_stime
        yield CounterMetricFamily("process_cpu_seconds", "Processor time used by the server.", value=cpu_s)
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory.", value=_resident_bytes())
        yield GaugeMetricFamily("process_start_time_seconds", "Time of the start.", value=self._started)


class Metrics:
    """The registry and its exposition."""

    def __init__(self, operator: Operator) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(GchatCollector(operator))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that `accept` prefers, and its media type."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type


def _closed(measures: Measures) -> Metric:
    closed = CounterMetricFamily(
        "gchat_connections_closed", "Connections closed since the start, by reason.", labels=["reason"]
    )
    for reason, count in sorted(measures.connections_closed.items()):
        closed.add_metric([reason], count)
    return closed


def _histogram(name: str, help_: str, histogram: Histogram) -> Metric:
    bounds = [*(str(float(bound)) for bound in histogram.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(map(float, histogram.counts)), strict=True))
    return HistogramMetricFamily(name, help_, buckets=buckets, sum_value=histogram.sum)


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _process_started() -> float:
    """Return when the process started, in seconds since 1970."""
    with open("/proc/self/stat", "rb") as file:
        ticks = int(file.read().rpartition(b")")[2].split()[19])
    with open("/proc/stat", "rb") as file:
        booted = next(int(line.split()[1]) for line in file if line.startswith(b"btime "))
    return booted + ticks / os.sysconf("SC_CLK_TCK")
