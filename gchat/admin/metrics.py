"""The numbers of the server in the formats of Prometheus; what they are is for the server to say."""

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

from gchat.admin.backend import Backend
from gchat.admin.documents import Histogram, Measure


class GchatCollector(Collector):
    """Asks the backend at each scrape, so that counting costs the chat nothing more."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._version = backend.server().version
        self._started = _process_started()

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering asks for no measures."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return all metrics."""
        yield from map(_family, self._backend.measures())
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

    def __init__(self, backend: Backend) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(GchatCollector(backend))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that `accept` prefers, and its media type."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type


def _family(measure: Measure) -> Metric:
    name, help_, value = measure.name, measure.help, measure.value
    if isinstance(value, Histogram):
        bounds = [*(str(float(bound)) for bound in value.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(map(float, value.counts)), strict=True))
        return HistogramMetricFamily(name, help_, buckets=buckets, sum_value=value.sum)
    kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
    family: CounterMetricFamily | GaugeMetricFamily = kind(name, help_, labels=[measure.label] if measure.label else [])
    for label, number in sorted(value.items()) if isinstance(value, dict) else [("", value)]:
        family.add_metric([label] if measure.label else [], number)
    return family


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
